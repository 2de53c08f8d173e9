/** Waiting for messages by SIGIO. */

import { expect, test } from "bun:test";
import { BUN, missing, ROOT, run, titled } from "./support/command.ts";

/** Receives until all have come, and counts signals that come meanwhile. */
const program = (name: string, count: number) => `
  import { AF_UNIX, SOCK_DGRAM } from "${ROOT}ffi/constants.ts";
  import * as sys from "${ROOT}ffi/syscalls.ts";
  import { onReadable } from "${ROOT}src/bun/readable.ts";
  const fd = sys.socket(AF_UNIX, SOCK_DGRAM);
  sys.bind(fd, { family: "unix", path: Buffer.from("\\0${name}") });
  let received = 0;
  let signals = 0;
  let turns = 0;
  process.on("SIGUSR1", () => signals++);
  setInterval(() => turns++, 1);
  const { promise, resolve } = Promise.withResolvers();
  const waiting = onReadable(fd, (max) => {
    for (let i = 0; i < max; i++) {
      const message = sys.tryRecvmsg(fd);
      if (!message) return false;
      if (++received === ${count}) resolve();
    }
    return true;
  });
  console.log("up");
  await promise;
  waiting[Symbol.dispose]();
  await Bun.sleep(50);
  console.log(JSON.stringify({ received, signals, turned: turns > 1 }));
  process.exit();`;

const SEND = `
import os, signal, socket, sys, time
name, pid, count, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect("\\0" + name)
for i in range(count):
    s.send(b"x")
    if i % (count // 10) == 0:
        os.kill(pid, signal.SIGUSR1)
        time.sleep(0.02)
    if pause: time.sleep(pause)
`;

const skipped = missing("python3");
test.skipIf(Boolean(skipped)).each([
  ["in a flood", 200_000, 0],
  ["one by one", 50, 0.005],
])(
  titled("no message is lost %s, and no other signal", skipped),
  async (_, count, pause) => {
    const name = `sd-notify-readable-${process.pid}-${count}`;
    const child = Bun.spawn([BUN, "-e", program(name, count)], { stdout: "pipe", stderr: "inherit" });
    const reader = child.stdout.getReader();
    await reader.read();
    const start = performance.now();
    const sent = await run(["python3", "-c", SEND, name, `${child.pid}`, `${count}`, `${pause}`]);
    expect(sent.stderr).toBe("");
    const { value } = await reader.read();
    expect(JSON.parse(new TextDecoder().decode(value))).toEqual({ received: count, signals: 10, turned: true });
    // Not by the net, which looks every 5 seconds.
    if (pause > 0) expect(performance.now() - start).toBeLessThan(4500);
  },
  60_000,
);
