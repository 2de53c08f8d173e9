/** --forward: messages go on to the manager above, whatever that does. */

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Message, openReceiver, type Receiver } from "../src/receiver/receiver.ts";
import { kindOf } from "../src/tools/bridge/forward-queue.ts";
import { BINARY, startBridge, WAIT } from "./support/bridge.ts";
import { BUN, isRoot, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { openReceiver as openOther } from "./support/receiver.ts";

const LIBRARY = JSON.stringify(`${ROOT}dist/index.js`);

/** What was sent, but for barriers. */
const texts = (receiver: Receiver) => receiver.history.filter(({ isBarrier }) => !isBarrier).map(({ text }) => text);

test("every message goes on as the bridge's own, with fds and barriers, in its order", async () => {
  using receiver = openReceiver({ barriers: "hold" });
  const script = `$N --ready --status='a\\\\b'; $N --fd=0 --fdname=x FDSTORE=1; $N X_A=1 --reloading; echo up; ${WAIT}`;
  const bridge = startBridge(["--forward"], script, { env: receiver.env });
  const next = async () => {
    using message: Message = await receiver.next();
    expect(message.pid).toBe(bridge.child.pid);
    return { text: message.text, fds: message.fds.length };
  };
  expect(await next()).toEqual({ text: "READY=1\nSTATUS=a\\\\b", fds: 0 });
  // The command waits for this one, and gets no further until it is answered.
  expect(await next()).toEqual({ text: "BARRIER=1", fds: 1 });
  expect(await next()).toEqual({ text: "FDSTORE=1\nFDNAME=x", fds: 1 });
  expect(await next()).toEqual({ text: "BARRIER=1", fds: 1 });
  const { text } = await next();
  expect(text).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+\nX_A=1$/);
  const barrier = await receiver.next();
  await Bun.sleep(100);
  expect((await bridge.status()).forward).toEqual({ waiting: 0, dropped: 0 });
  barrier.close();
  expect(await bridge.line()).toBe("up");
});

test("what the bridge refuses, and the number of the main process, don't go on", async () => {
  using receiver = openReceiver();
  using directory = temporaryDirectory();
  const file = join(directory.path, "p.js");
  await Bun.write(
    file,
    `const { notifyRaw, barrierSync } = require(${LIBRARY});
     notifyRaw("READY=1"); notifyRaw("MAINPID=" + process.pid + "\\nSTATUS=main \\\\\\\\ here\\nMAINPIDFDID=7");
     notifyRaw("X_C=\\\\\\nMAINPID=1\\nMAINPID=" + process.pid);
     notifyRaw("MAINPID=" + process.pid); notifyRaw("X=\\0\\0Y=1"); notifyRaw("a".repeat(5000));
     notifyRaw("MAINPIDFD=1\\nX_B=1", { fds: [0] });
     Bun.spawnSync([${JSON.stringify(BINARY)}, "STATUS=of a child"]);
     notifyRaw("STATUS=last"); barrierSync(); console.log("up"); setInterval(() => {}, 1e6);`,
  );
  const bridge = startBridge(["--forward", "--notify-access=main"], ["sh", "-c", 'exec "$@"', "sh", BUN, file], {
    env: receiver.env,
  });
  expect(await bridge.line()).toBe("up");
  // The line end has a backslash before it still: else the number would be a line of its own.
  const expected = ["READY=1", "STATUS=main \\\\ here", "X_C=\\\nMAINPID=1", "X_B=1", "STATUS=last"];
  // With privilege, the child sends as its parent, which is the main process.
  if (isRoot) expected.splice(4, 0, "STATUS=of a child");
  expect(texts(receiver)).toEqual(expected);
  expect(receiver.history.flatMap(({ fds }) => fds)).toEqual([]);
  bridge.child.kill("SIGTERM");
  const { stderr } = await bridge.end();
  expect(stderr).toContain("MAINPID= is not passed on: this process stays the main one for the manager above");
});

test("the watchdog of the unit is the command's, and its expiry for the manager above to see", async () => {
  using receiver = openReceiver();
  const env = { ...receiver.env, WATCHDOG_USEC: "200000" };
  const bridge = startBridge(["--forward"], `$N --ready; $N WATCHDOG=1; echo "$WATCHDOG_USEC"; ${WAIT}`, { env });
  expect(await bridge.line()).toBe("200000");
  await receiver.waitFor({ watchdog: true });
  await Bun.sleep(500);
  expect(await bridge.status()).toMatchObject({ live: true, watchdog: { pings: 1 }, ignored: [] });
});

describe("a manager above that reads nothing", () => {
  test("keeps nobody waiting; then it gets phases and fds in their order, and the newest status and ping", async () => {
    await using above = await openOther(undefined, { hold: true });
    using directory = temporaryDirectory();
    const file = join(directory.path, "p.js");
    await Bun.write(
      file,
      `const { notifyRaw } = require(${LIBRARY});
       for (let i = 0; i < 3000; i++) { notifyRaw("STATUS=" + i); notifyRaw("WATCHDOG=1"); }
       notifyRaw("READY=1"); notifyRaw("FDSTORE=1\\nFDNAME=a", { fds: [0] }); notifyRaw("STATUS=last"); notifyRaw("STOPPING=1");
       console.log("sent"); setInterval(() => {}, 1e6);`,
    );
    above.pause();
    const bridge = startBridge(["--forward", "--watchdog=100"], [BUN, file], { env: { NOTIFY_SOCKET: above.address } });
    expect(await bridge.line()).toBe("sent");
    const { forward } = JSON.parse(
      (await bridge.until("/status", ({ text }) => JSON.parse(text).phase === "deactivating")).text,
    );
    expect(forward.dropped).toBe(0);
    expect(forward.waiting).toBeLessThan(20);
    above.resume();
    const got: { text: string; fds: number }[] = [];
    do {
      const { text, fds } = await above.next();
      got.push({ text, fds: fds.length });
    } while (got.at(-1)?.text !== "STOPPING=1");
    const last = got.slice(-4).map(({ text }) => text);
    expect(last).toEqual(["READY=1", "FDSTORE=1\nFDNAME=a", "STATUS=last", "STOPPING=1"]);
    expect(got.at(-3)?.fds).toBe(1);
    expect(got.filter(({ text }) => text === "WATCHDOG=1").length).toBeGreaterThan(0);
  }, 60_000);

  test("takes no memory without an end, and what is dropped is told", async () => {
    await using above = await openOther();
    using directory = temporaryDirectory();
    const file = join(directory.path, "p.js");
    await Bun.write(
      file,
      `const { notifyRaw } = require(${LIBRARY});
       notifyRaw("READY=1");
       for (let i = 0; i < 1000; i++) notifyRaw("FDSTORE=1", { fds: [0, 0] });
       for (let i = 0; i < 5000; i++) notifyRaw("X_A" + i + "=1");
       notifyRaw("STOPPING=1"); console.log("sent"); setInterval(() => {}, 1e6);`,
    );
    above.pause();
    const bridge = startBridge(["--forward"], [BUN, file], { env: { NOTIFY_SOCKET: above.address } });
    expect(await bridge.line()).toBe("sent");
    const { text } = await bridge.until("/status", ({ text }) => JSON.parse(text).phase === "deactivating");
    const { waiting, dropped } = JSON.parse(text).forward;
    expect(waiting).toBeLessThanOrEqual(1000);
    expect(waiting + dropped).toBeGreaterThan(5000);
    const { stdout } = await run(["ls", `/proc/${bridge.child.pid}/fd`]);
    expect(stdout.split("\n").length).toBeLessThan(600);
    bridge.child.kill("SIGTERM");
    const start = performance.now();
    const { stderr } = await bridge.end();
    // It does not wait for ever at the end either.
    expect(performance.now() - start).toBeLessThan(8000);
    expect(stderr).toContain("the manager above reads nothing: messages are dropped");
    expect(stderr).toContain("messages were not passed on: nobody has read them");
  }, 60_000);

  test("that begins anew gets what has waited", async () => {
    const address = `@sd-notify-test-again-${process.pid}`;
    const first = await openOther(address);
    const bridge = startBridge(["--forward"], `trap '$N --status=late --no-block' USR1; $N --ready; echo up; ${WAIT}`, {
      env: { NOTIFY_SOCKET: address },
    });
    expect((await first.next()).text).toBe("READY=1");
    await bridge.line();
    await first.close();
    bridge.child.kill("SIGUSR1");
    await bridge.until("/status", ({ text }) => JSON.parse(text).forward.waiting === 1);
    await using second = await openOther(address);
    expect((await second.next()).text).toBe("STATUS=late");
  });
});

test("a stop with a delay asks the manager above for the time", async () => {
  using receiver = openReceiver();
  const bridge = startBridge(["--forward", "--drain-delay=300ms", "--timeout-stop=5"], `$N --ready; ${WAIT}`, {
    env: receiver.env,
  });
  await receiver.waitFor({ ready: true });
  bridge.child.kill("SIGTERM");
  expect((await receiver.waitFor(({ text }) => text.startsWith("EXTEND"))).text).toBe("EXTEND_TIMEOUT_USEC=5300000");
  await bridge.end();
});

test("a reload that can't be is answered, so that the manager above does not wait for it", async () => {
  using receiver = openReceiver();
  const bridge = startBridge(["--forward"], "$N --ready; exec sleep 100", { env: receiver.env });
  await receiver.waitFor({ ready: true });
  bridge.child.kill("SIGHUP");
  await receiver.waitFor({ reloading: true });
  const { state } = await receiver.waitFor({ ready: true });
  expect(state.status).toBe("not reloaded: sh has no handler for SIGHUP");
});

const skipped = isRoot ? missing("unshare") : "not root";
test.skipIf(Boolean(skipped))(titled("messages of another PID namespace come by --socket=", skipped), async () => {
  using receiver = openReceiver();
  using directory = temporaryDirectory();
  const path = join(directory.path, "notify");
  const inside = `echo $$; $N --ready; $N MAINPID=$$ --status=inside; ${WAIT}`;
  const bridge = startBridge(
    ["--forward", `--socket=${path}`],
    ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", inside],
    { env: receiver.env },
  );
  expect(await bridge.line()).toBe("1");
  await receiver.waitFor({ status: "inside" });
  expect(texts(receiver)).toEqual(["READY=1", "STATUS=inside"]);
  expect(receiver.history.every(({ pid }) => pid === bridge.child.pid)).toBe(true);
  expect((await bridge.status()).mainPid).toBeGreaterThan(1);
});

test("what replaces which: statuses, pings and times, by themselves, and nothing that changes a phase", () => {
  const kinds = [
    { STATUS: "a" },
    { WATCHDOG: "1" },
    { WATCHDOG: "trigger" },
    { WATCHDOG: "1", STATUS: "a" },
    { EXTEND_TIMEOUT_USEC: "1" },
    { READY: "1", STATUS: "a" },
    { STOPPING: "1" },
    { X_A: "1" },
    {},
  ].map((fields) => kindOf(fields as Record<string, string>));
  expect(kinds).toEqual([
    "STATUS",
    "WATCHDOG",
    undefined,
    "STATUS WATCHDOG",
    "EXTEND_TIMEOUT_USEC",
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
