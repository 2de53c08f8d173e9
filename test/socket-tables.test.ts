import { describe, expect, test } from "bun:test";
import { fstatSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { AF_UNIX, SOCK_DGRAM, SOCK_STREAM } from "../ffi/constants.ts";
import * as sys from "../ffi/syscalls.ts";
import { findSocket } from "../src/linux/socket-tables.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { gatherProcess } from "../src/tools/doctor/process.ts";
import { checkSocket } from "../src/tools/doctor/process-checks.ts";
import { gatherSpeech } from "../src/tools/doctor/speech.ts";
import { BUN, temporaryDirectory } from "./support/command.ts";
import { tcpListener, unixListener } from "./support/listeners.ts";

/** What a neighbour says in /proc/net/unix of a socket that is not its own. */
interface Claim {
  inode?: number;
  type: "0001" | "0002";
  listening?: boolean;
  name: string;
}

/** Any user can do this: the name of a socket has a newline, and what follows reads like a row. */
function forge({ inode = 12345, type, listening, name }: Claim, number = 0): Disposable {
  const fd = sys.socket(AF_UNIX, SOCK_DGRAM);
  const row = `0000000000000000: 00000002 00000000 ${listening ? "00010000" : "00000000"} ${type} 01 ${inode} ${name}`;
  sys.bind(fd, { family: "unix", path: Buffer.from(`\0${number}\n${row}`) });
  return { [Symbol.dispose]: () => sys.close(fd) };
}

/** Whether a forged row comes before the real one is a matter of luck. */
function forgeMany(claim: Claim): Disposable {
  const all = Array.from({ length: 40 }, (_, i) => forge(claim, i));
  return { [Symbol.dispose]: () => all.forEach((one) => void one[Symbol.dispose]()) };
}

const inodeOf = (fd: number) => fstatSync(fd).ino;

describe("a forged row of /proc/net/unix", () => {
  test("makes no unix socket of a TCP socket", () => {
    using tcp = tcpListener();
    using _ = forge({ inode: inodeOf(tcp.fd), type: "0002", name: "@x" });
    expect(findSocket(inodeOf(tcp.fd))).toEqual({ family: "inet", type: "stream", listening: true });
  });

  test("makes no stream socket of a datagram socket: then nothing is told of it", () => {
    const fd = sys.socket(AF_UNIX, SOCK_DGRAM);
    const real = { family: "unix", type: "dgram", listening: false } as const;
    expect(findSocket(inodeOf(fd))).toEqual(real);
    {
      using _ = forgeMany({ inode: inodeOf(fd), type: "0001", listening: true, name: "@x" });
      expect(findSocket(inodeOf(fd))).toBeUndefined();
    }
    expect(findSocket(inodeOf(fd))).toEqual(real);
    sys.close(fd);
  });

  test("gives a server no path where it does not listen", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "server");
    await using server = Bun.spawn(
      [
        BUN,
        "-e",
        `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } });
      console.log(Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }).port);`,
      ],
      { stdout: "pipe" },
    );
    const port = Number(new TextDecoder().decode((await server.stdout.getReader().read()).value));
    const real = { addresses: [`127.0.0.1:${port}`], paths: [path] };
    expect(gatherSpeech(server.pid)).toMatchObject(real);
    for (const inode of socketsOf(server.pid)) {
      using _ = forgeMany({ inode, type: "0001", listening: true, name: "/tmp/x" });
      const { addresses, paths = [] } = gatherSpeech(server.pid) ?? {};
      expect(addresses).toEqual(real.addresses);
      expect(paths).not.toContain("/tmp/x");
    }
  });
});

describe("the doctor asks the kernel, whatever a forged row says", () => {
  /** What the doctor says of a process that would send to this address. */
  async function look(NOTIFY_SOCKET: string, more: Record<string, string> = {}) {
    await using child = Bun.spawn([BUN, "-e", "console.log(1); await Bun.sleep(1e9)"], {
      env: { ...process.env, NOTIFY_SOCKET, ...more },
      stdout: "pipe",
    });
    await child.stdout.getReader().read();
    const found = gatherProcess(child.pid);
    if ("unknown" in found) throw new Error(found.unknown);
    const [check] = checkSocket(found.value);
    return check;
  }

  test("a path that the table does not have", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "n");
    using _receiver = openReceiver({ address: path });
    // The table shows the name that a socket was bound to.
    const renamed = join(directory.path, "m");
    renameSync(path, renamed);
    using _ = forge({ type: "0001", name: renamed });
    expect(await look(renamed)).toMatchObject({ name: "socket", result: "passed" });
  });

  test("an abstract name", async () => {
    const name = `@sd-${process.pid}`;
    using _receiver = openReceiver({ address: name });
    using _ = forgeMany({ type: "0001", name });
    expect(await look(name)).toMatchObject({ result: "passed" });
  });

  test("an abstract name that nobody has", async () => {
    const name = `@sd-${process.pid}-nobody`;
    using _ = forge({ type: "0002", name });
    expect(await look(name)).toMatchObject({ result: "failed", why: expect.stringContaining("nobody listens") });
  });

  test("a stream socket", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "s");
    using _listener = unixListener(path);
    using _ = forgeMany({ type: "0002", name: path });
    expect(await look(path)).toMatchObject({ result: "failed", why: expect.stringContaining("no datagram socket") });
  });

  test("a file that a closed socket has left", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "s");
    const fd = sys.socket(AF_UNIX, SOCK_STREAM);
    sys.bind(fd, { family: "unix", path: Buffer.from(path) });
    sys.close(fd);
    using _ = forge({ type: "0002", name: path });
    expect(await look(path)).toMatchObject({ result: "failed", why: "nobody listens to this socket any more" });
    rmSync(path);
  });
});

test("what the table claims accuses nobody if the kernel can't be asked", () => {
  using directory = temporaryDirectory();
  const path = join(directory.path, "n");
  using _receiver = openReceiver({ address: path });
  const renamed = join(directory.path, "m");
  renameSync(path, renamed);
  using _ = forge({ type: "0001", name: renamed });
  const script = `import { lookAtSocket } from ${JSON.stringify(join(import.meta.dir, "../src/tools/doctor/socket.ts"))};
    const rights = { pid: process.pid, uid: 0, groups: [], capabilities: ~0n };
    console.log(JSON.stringify(lookAtSocket(${JSON.stringify(renamed)}, rights)));`;
  const { stdout, stderr } = Bun.spawnSync([BUN, "-e", script], { env: { ...process.env, BUN_JSC_useJIT: "0" } });
  expect(stderr.toString()).toBe("");
  expect(JSON.parse(stdout.toString())).toEqual({ value: { found: "socket", claimed: ["stream"], writable: true } });
});

function socketsOf(pid: number): number[] {
  const { stdout } = Bun.spawnSync(["ls", "-l", `/proc/${pid}/fd`]);
  return [...stdout.toString().matchAll(/socket:\[(\d+)\]/g)].map(([, inode]) => Number(inode));
}
