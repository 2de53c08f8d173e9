import { describe, expect, test } from "bun:test";
import { existsSync, fstatSync, openSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { barrier, notify } from "../src/index.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { missing, openFds, runModule, temporaryDirectory, titled } from "./support/command.ts";

const own = { pid: process.pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

describe("openReceiver()", () => {
  test("takes messages with sender, fields, state, file descriptors and time", async () => {
    using receiver = openReceiver();
    const fd = openSync(import.meta.path, "r");
    notify({ reloading: true, status: "größe", extra: { X: 1 } }, { socket: receiver.address, fds: [fd] });
    using message = await receiver.next();
    expect(message).toMatchObject(own);
    expect(message.text).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=größe\nX=1$/);
    expect(message.fields).toMatchObject({ RELOADING: "1", STATUS: "größe", X: "1" });
    expect(message.state).toMatchObject({ reloading: true, status: "größe" });
    expect(message.fds.map((received) => fstatSync(received).ino)).toEqual([fstatSync(fd).ino]);
    expect(message.receivedUsec - Number(message.fields.MONOTONIC_USEC)).toBeWithin(0, 1_000_000);
    const [received = -1] = message.fds;
    message.close();
    message.close();
    expect(message.fds).toEqual([]);
    expect(() => fstatSync(received)).toThrow("EBADF");
  });

  test("judges messages, by the unit that it stands for", async () => {
    using plain = openReceiver();
    notify({ ready: true }, { socket: plain.address });
    expect((await plain.next()).verdict).toEqual({
      effects: ["start-up, or a reload, is complete"],
      problems: [],
      phase: "active",
    });
    using receiver = openReceiver({ unit: { type: "notify", notifyAccess: "main", mainPid: 1, fdStoreMax: 0 } });
    notify({ ready: true }, { socket: receiver.address });
    expect((await receiver.next()).verdict.problems).toEqual([
      {
        what: "",
        why: `process ${process.pid} is not the main process, and NotifyAccess=main takes messages from no other`,
        cure: "NotifyAccess=all",
      },
    ]);
  });

  test("holds senders back while this process is busy, and loses nothing", async () => {
    using receiver = openReceiver({ keepHistory: false });
    // More than the thread holds, 64 MiB.
    const count = 3000;
    const sender = `const { notifyRaw } = await import("../dist/index.js");
      const rest = "\\n" + "x".repeat(40_000);
      for (let i = 0; i < ${count}; i++) notifyRaw("X_I=" + i + rest);
      await Bun.write(process.env.SENT, "");`;
    using directory = temporaryDirectory();
    const sent = join(directory.path, "sent");
    const done = runModule(sender, { env: { ...receiver.env, SENT: sent } });
    await receiver.waitFor({ extra: { X_I: 0 } });
    // Nothing is taken off the thread's hands meanwhile.
    Bun.sleepSync(1500);
    expect(existsSync(sent)).toBe(false);
    for (let i = 1; i < count; i++) expect((await receiver.next()).text).toStartWith(`X_I=${i}\n`);
    await done;
    expect(existsSync(sent)).toBe(true);
    expect(receiver.history).toEqual([]);
  }, 30_000);

  test("takes what its own process sends, without a turn of the event loop", async () => {
    const count = 100_000;
    const source = `
      import { notify } from "../src/index.ts";
      import { openReceiver } from "../src/receiver/receiver.ts";
      const receiver = openReceiver({ keepHistory: false });
      const before = process.memoryUsage.rss();
      for (let i = 0; i < ${count}; i++) notify({ status: "message " + i }, { socket: receiver.address });
      console.log((process.memoryUsage.rss() - before) / 2 ** 20);
      for (let i = 0; i < ${count}; i++) {
        const { text } = await receiver.next();
        if (text !== "STATUS=message " + i) throw new Error(text);
      }
      console.log("end");`;
    const { stdout, stderr } = await runModule(source);
    const [megabytes, end] = stdout.split("\n");
    expect({ end, stderr }).toEqual({ end: "end", stderr: "" });
    expect(Number(megabytes)).toBeLessThan(150);
  }, 60_000);

  test("takes what its own process sends, even if much is not taken yet and there is no history", async () => {
    const source = `
      import { notify } from "../src/index.ts";
      import { openReceiver } from "../src/receiver/receiver.ts";
      const receiver = openReceiver({ keepHistory: false });
      let count = 0;
      const send = () => { for (let i = 0; i < 3000; i++) notify({ status: "" + count++ }, { socket: receiver.address }); };
      send();
      await Bun.sleep(200);
      send();
      for (let i = 0; i < count; i++) {
        const { text } = await receiver.next();
        if (text !== "STATUS=" + i) throw new Error(text);
      }
      console.log("end");`;
    expect(await runModule(source)).toMatchObject({ stdout: "end\n", stderr: "" });
  }, 20_000);

  const noPrlimit = missing("prlimit");
  test.skipIf(Boolean(noPrlimit))(
    titled("holds senders back when it has many file descriptors, and loses none", noPrlimit),
    async () => {
      const source = `
        import { openReceiver } from "../src/receiver/receiver.ts";
        const receiver = openReceiver({ keepHistory: false });
        const sender = Bun.spawn([process.execPath, "-e", \`
          const { notifyRaw } = require("../dist/index.js");
          for (let i = 0; i < 300; i++) notifyRaw("X_I=" + i, { fds: Array(10).fill(0) });\`], { env: receiver.env });
        await receiver.next();
        Bun.sleepSync(500);
        for (let i = 1; i < 300; i++) {
          using message = await receiver.next();
          if (message.text !== "X_I=" + i || message.fds.length !== 10 || message.truncated) throw new Error(message.text);
        }
        console.log(await sender.exited, "end");`;
      const result = await runModule(source, { prefix: ["prlimit", "--nofile=1024:1024"] });
      expect(result).toMatchObject({ stdout: "0 end\n", stderr: "" });
    },
    30_000,
  );

  test("leaves the event loop its turns when messages come as fast as they are taken", async () => {
    const source = `
      import { openReceiver } from "../src/receiver/receiver.ts";
      const receiver = openReceiver({ keepHistory: false });
      const sender = Bun.spawn([process.execPath, "-e", \`
        const { notifyRaw } = require("../dist/index.js");
        for (;;) notifyRaw("X=1");\`], { env: receiver.env });
      await receiver.next();
      let isOver = false;
      const start = performance.now();
      setTimeout(() => { isOver = true; }, 300);
      for await (const message of receiver) {
        // Slower than the sender.
        for (const end = performance.now() + 0.1; performance.now() < end; );
        if (isOver) break;
      }
      sender.kill("SIGKILL");
      console.log(performance.now() - start);
      process.exit();`;
    const { stdout, stderr } = await runModule(source);
    expect(stderr).toBe("");
    expect(Number(stdout)).toBeWithin(300, 1500);
  }, 20_000);

  test("fails where its thread fails, and says so", async () => {
    const source = `
      import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
      import { notify } from "../src/index.ts";
      import { openReceiver } from "../src/receiver/receiver.ts";
      const sockets = () => readdirSync("/proc/self/fd").filter((fd) => {
        try { return readlinkSync("/proc/self/fd/" + fd).startsWith("socket:"); } catch { return false; }
      });
      const before = sockets();
      const receiver = openReceiver();
      const own = sockets().filter((fd) => !before.includes(fd));
      notify({ ready: true }, { socket: receiver.address });
      await receiver.next();
      // Somebody closes what is not his. (The thread would wait for ever for a socket of notify() with such a number.)
      for (const fd of own) {
        closeSync(Number(fd));
        openSync("/dev/null");
      }
      // The thread may be waiting for the socket still, and else there is none.
      try { notify({ ready: true }, { socket: receiver.address }); } catch {}
      try {
        for await (const message of receiver);
        console.log("none");
      } catch (error) {
        console.log(error.message);
      }
      process.exit();`;
    const { stdout } = await runModule(source);
    expect(stdout).toMatch(
      /^the receiver has failed: recvmsg: (Bad file descriptor|Socket operation on non-socket)\n$/,
    );
  });

  const places = ["/run", "/tmp", tmpdir()];
  const leftovers = () => places.flatMap((place) => readdirSync(place).filter((name) => name.startsWith("sd-notify.")));
  /** Opens a receiver that can't be opened, with so many file descriptors left. */
  const attempt = (left: number) => `
    import { closeSync, openSync, readdirSync } from "node:fs";
    import { openReceiver } from "../src/receiver/receiver.ts";
    const count = () => readdirSync("/proc/self/fd").length;
    const other = [];
    try { for (;;) other.push(openSync("/dev/null")); } catch {}
    for (let i = 0; i < ${left}; i++) closeSync(other.pop());
    let name;
    try { openReceiver(); } catch (error) { name = error.name; }
    let freed = 0;
    try { for (;;) { openSync("/dev/null"); freed++; } } catch {}
    console.log(name, freed);
    process.exit();`;

  test.skipIf(Boolean(noPrlimit)).each<[string, Record<string, string>, number, string]>([
    ["libc can't be called", { BUN_JSC_useJIT: "0" }, 3, "FFIUnavailableError"],
    // The address is an abstract name then.
    ["no socket can be opened", {}, 0, "SystemError"],
    ["no pipe can be opened", {}, 1, "SystemError"],
    ["half a pipe can be opened", {}, 3, "SystemError"],
  ])(titled("leaves nothing where %s", noPrlimit), async (_, env, left, error) => {
    const before = leftovers();
    const result = await runModule(attempt(left), { env, prefix: ["prlimit", "--nofile=40:40"] });
    expect(result).toMatchObject({ stdout: `${error} ${left}\n`, stderr: "" });
    // Another program's receiver may be among them, and goes away.
    const those = leftovers().filter((name) => !before.includes(name));
    while (leftovers().some((name) => those.includes(name))) await Bun.sleep(10);
  });

  test("listens on a path, and removes it at the end", async () => {
    using directory = temporaryDirectory();
    const address = join(directory.path, "notify");
    {
      using receiver = openReceiver({ address });
      expect(receiver.env).toEqual({ NOTIFY_SOCKET: address });
      notify({ ready: true }, { socket: address });
      expect((await receiver.next()).state).toEqual({ ready: true });
      expect(() => openReceiver({ address })).toThrow(`bind ${address}: Address already in use`);
    }
    expect(existsSync(address)).toBe(false);
  });

  test("refuses an address that can't be", () => {
    expect(() => openReceiver({ address: "x" })).toThrow(SyntaxError);
    expect(() => openReceiver({ address: "vsock:2:3" })).toThrow(TypeError);
    expect(() => openReceiver({ address: `/${"x".repeat(200)}` })).toThrow(RangeError);
  });

  test("answers barriers, which are no messages", async () => {
    using receiver = openReceiver();
    expect(await barrier({ socket: receiver.address })).toBe(true);
    notify({ ready: true }, { socket: receiver.address });
    expect((await receiver.next()).text).toBe("READY=1");
  });

  test("shows barriers, or holds them, when asked to", async () => {
    using shown = openReceiver({ barriers: "show" });
    expect(await barrier({ socket: shown.address })).toBe(true);
    expect(await shown.next()).toMatchObject({ text: "BARRIER=1", isBarrier: true });
    using held = openReceiver({ barriers: "hold" });
    await expect(barrier({ socket: held.address, timeoutMs: 50 })).rejects.toMatchObject({ code: "ETIMEDOUT" });
    (await held.next()).close();
    const answered = barrier({ socket: held.address });
    (await held.next()).close();
    expect(await answered).toBe(true);
  });

  test("does not block the event loop while it waits", async () => {
    using receiver = openReceiver();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await receiver.next({ timeoutMs: 150 }).catch(() => {});
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(10);
  });

  test("is iterated until it is closed", async () => {
    const receiver = openReceiver();
    const socket = receiver.address;
    for (const n of [1, 2, 3]) notify({ status: `${n}` }, { socket });
    const seen: string[] = [];
    for await (const { text } of receiver) {
      seen.push(text);
      if (seen.length === 3) receiver.close();
    }
    expect(seen).toEqual(["STATUS=1", "STATUS=2", "STATUS=3"]);
    await expect(receiver.next()).rejects.toThrow("no message the receiver is closed");
  });

  test("loses nothing of 20,000 messages", async () => {
    using receiver = openReceiver();
    const source = `import { notify } from "../src/index.ts"; for (let i = 0; i < 20_000; i++) notify({ status: String(i) });`;
    const sending = runModule(source, { env: receiver.env });
    for (let i = 0; i < 20_000; i++) {
      const { text } = await receiver.next();
      if (text !== `STATUS=${i}`) expect(text).toBe(`STATUS=${i}`);
    }
    expect((await sending).code).toBe(0);
  });

  test("leaves no file descriptor behind, taken or not", async () => {
    const before = openFds();
    for (let i = 0; i < 5; i++) {
      using receiver = openReceiver();
      for (let n = 0; n < 3; n++) notify({ status: "x" }, { socket: receiver.address, fds: [0, 1] });
      using _ = await receiver.next();
    }
    const ofTheConnections = openFds().filter((fd) => fd.includes("socket:")).length;
    expect(ofTheConnections).toBeGreaterThan(0);
    for (
      let i = 0;
      i < 1000 &&
      openFds().filter((fd) => !fd.includes("socket:")).length >
        before.filter((fd) => !fd.includes("socket:")).length + 1;
      i++
    ) {
      await Bun.sleep(1);
    }
    expect(openFds().filter((fd) => fd.includes("/dev/null")).length).toBe(
      before.filter((fd) => fd.includes("/dev/null")).length,
    );
  });

  test("does not keep a program alive, nor hold up its end", async () => {
    const source = `import { openReceiver } from "../src/receiver/receiver.ts"; openReceiver(); console.log("end");`;
    expect(await runModule(source)).toMatchObject({ code: 0, stdout: "end\n", stderr: "" });
    const waiting = `
      import { openReceiver } from "../src/receiver/receiver.ts";
      const receiver = openReceiver();
      setTimeout(() => receiver.close(), 100).unref();
      for await (const message of receiver);
      console.log("end");`;
    expect(await runModule(waiting)).toMatchObject({ code: 0, stdout: "end\n", stderr: "" });
  });
});

describe("waitFor()", () => {
  test("takes messages until the fields of a state fit", async () => {
    using receiver = openReceiver();
    const socket = receiver.address;
    notify({ status: "starting" }, { socket });
    notify({ ready: true, status: "up", extra: { X: 5 } }, { socket });
    notify({ watchdog: "trigger" }, { socket });
    expect((await receiver.waitFor({ ready: true, extra: { X: 5 }, stopping: false })).state.status).toBe("up");
    expect((await receiver.waitFor({ watchdog: "trigger" })).text).toBe("WATCHDOG=trigger");
  });

  test("takes messages until a function returns true", async () => {
    using receiver = openReceiver();
    setTimeout(() => notify({ ready: true }, { socket: receiver.address, fds: [0, 1] }), 20);
    using message = await receiver.waitFor(({ fds }) => fds.length === 2, { timeoutMs: 1000 });
    expect(message.text).toBe("READY=1");
  });

  test("says what did arrive when nothing fits in time", async () => {
    using receiver = openReceiver();
    notify({ status: "a" }, { socket: receiver.address });
    notify({ stopping: true }, { socket: receiver.address });
    await expect(receiver.waitFor({ ready: true }, { timeoutMs: 100 })).rejects.toThrow(
      `no message with {"ready":true} within 100 ms; what arrived:\n  1. "STATUS=a" from process ${process.pid}\n  2. "STOPPING=1" from process ${process.pid}`,
    );
    using other = openReceiver();
    await expect(other.next({ timeoutMs: 10 })).rejects.toThrow("no message within 10 ms; nothing arrived");
  });
});
