import { describe, expect, test } from "bun:test";
import { closeSync, fstatSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { POLLOUT } from "../ffi/constants.ts";
import * as sys from "../ffi/syscalls.ts";
import { notify, notifyRaw, SystemError } from "../src/index.ts";
import { parseAddress } from "../src/protocol/address.ts";
import { connect } from "../src/transport/connection.ts";
import {
  isRoot,
  missing,
  newFds,
  openFds,
  ROOT,
  run,
  runModule,
  temporaryDirectory,
  titled,
} from "./support/command.ts";
import { openReceiver } from "./support/receiver.ts";

const me = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };

describe("notify() sends", () => {
  test("one datagram to an abstract socket, as this process", async () => {
    await using receiver = await openReceiver();
    expect(notify({ ready: true, status: "listening on :3000" }, { socket: receiver.address })).toBe(true);
    const received = await receiver.next();
    expect(received).toMatchObject({ text: "READY=1\nSTATUS=listening on :3000", ...me, fds: [] });
  });

  test("to a path, and to one of 107 bytes", async () => {
    using directory = temporaryDirectory();
    for (const name of ["notify", "x".repeat(107 - directory.path.length - 1)]) {
      await using receiver = await openReceiver(join(directory.path, name));
      notify({ watchdog: true }, { socket: receiver.address });
      expect(await receiver.next()).toMatchObject({ text: "WATCHDOG=1", ...me });
    }
  });

  test("to a path that is longer than sun_path, whether by its directory or by its name", async () => {
    using directory = temporaryDirectory();
    for (const deep of [`${"d".repeat(120)}/notify`, `d/${"n".repeat(120)}`]) {
      const address = join(directory.path, deep);
      const link = join(directory.path, `link${deep.length}`);
      await run(["mkdir", "-p", join(address, "..")]);
      // The receiver can't bind such a path either: it binds a short one, which is moved.
      await using receiver = await openReceiver(link);
      await run(["mv", link, address]);
      expect(notify({ status: "far away" }, { socket: address })).toBe(true);
      expect(await receiver.next()).toMatchObject({ text: "STATUS=far away", ...me });
    }
  });

  test("to $NOTIFY_SOCKET, whatever it is at the time of the call", async () => {
    await using first = await openReceiver();
    await using second = await openReceiver();
    const source = `
      import { notify } from "../src/index.ts";
      const results = [notify({ status: "1" })];
      process.env.NOTIFY_SOCKET = ${JSON.stringify(second.address)};
      results.push(notify({ status: "2" }));
      delete process.env.NOTIFY_SOCKET;
      results.push(notify({ status: "3" }));
      console.log(JSON.stringify(results));`;
    const { stdout, stderr } = await runModule(source, { env: { NOTIFY_SOCKET: first.address } });
    expect({ stdout, stderr }).toEqual({ stdout: "[true,true,false]\n", stderr: "" });
    expect((await first.next()).text).toBe("STATUS=1");
    expect((await second.next()).text).toBe("STATUS=2");
  });

  test("file descriptors, which are the same files on the other side and stay open here", async () => {
    await using receiver = await openReceiver();
    const fds = [openSync("/dev/null", "r"), openSync(import.meta.path, "r")];
    notify({ extra: { FDSTORE: 1, FDNAME: "x" } }, { socket: receiver.address, fds });
    const { text, fds: received } = await receiver.next();
    expect(text).toBe("FDSTORE=1\nFDNAME=x");
    expect(received).toEqual(fds.map((fd) => fstatSync(fd)).map(({ dev, ino, mode }) => ({ dev, ino, mode })));
    for (const fd of fds) closeSync(fd);
  });

  test("253 of them, and refuses 254", async () => {
    await using receiver = await openReceiver();
    const fds = new Array<number>(253).fill(2);
    notify({ extra: { FDSTORE: 1 } }, { socket: receiver.address, fds });
    expect((await receiver.next()).fds).toHaveLength(253);
    expect(() => notify({ ready: true }, { fds: [...fds, 2] })).toThrow(
      new RangeError("Cannot notify: fds has 254 file descriptors, and a message takes 253"),
    );
  });

  test("the time of the reload by CLOCK_MONOTONIC, and the inode number of the main process' pidfd", async () => {
    await using receiver = await openReceiver();
    notify({ reloading: true, mainPid: process.pid }, { socket: receiver.address });
    const { text } = await receiver.next();
    expect(text).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+\nMAINPID=\d+(\nMAINPIDFDID=\d+)?$/);
    const usec = Number(/MONOTONIC_USEC=(\d+)/.exec(text)?.[1]);
    // Without suspends, CLOCK_MONOTONIC is the time since boot.
    const uptime = Number((await Bun.file("/proc/uptime").text()).split(" ")[0]) * 1e6;
    expect(usec).toBeGreaterThan(uptime - 10e6);
    expect(usec).toBeLessThanOrEqual(uptime + 20_000);
    expect(text).toContain(`MAINPID=${process.pid}`);
  });

  test.skipIf(!isRoot)(titled("as another process, with the privilege", !isRoot && "not root"), async () => {
    await using receiver = await openReceiver();
    notify({ ready: true }, { socket: receiver.address, pid: receiver.pid, fds: [0] });
    const { fds, ...received } = await receiver.next();
    expect(received).toMatchObject({ ...me, text: "READY=1", pid: receiver.pid });
    expect(fds).toHaveLength(1);
  });

  const noSetpriv = isRoot ? missing("setpriv") : "not root";
  test.skipIf(Boolean(noSetpriv))(
    titled("as itself without the privilege, with the fds all the same", noSetpriv),
    async () => {
      await using receiver = await openReceiver();
      const source = `
      import { notify } from "../src/index.ts";
      console.log(notify({ ready: true }, { pid: ${receiver.pid}, fds: [0, 1] }), process.pid);`;
      // CAP_SYS_ADMIN is what it takes to appear as another process: unix(7).
      const prefix = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"];
      const { stdout, stderr } = await runModule(source, { env: { NOTIFY_SOCKET: receiver.address }, prefix });
      const { text, pid, fds } = await receiver.next();
      expect({ stdout, stderr }).toEqual({ stdout: `true ${pid}\n`, stderr: "" });
      expect(text).toBe("READY=1");
      expect(fds).toHaveLength(2);
    },
  );

  test.skipIf(Boolean(noSetpriv))(titled("the real ids, where the effective ones differ", noSetpriv), async () => {
    await using receiver = await openReceiver();
    const source = `import { notify } from "../src/index.ts"; notify({ ready: true });`;
    const prefix = ["setpriv", "--ruid=65534", "--rgid=65534", "--clear-groups"];
    const { stderr } = await runModule(source, { env: { NOTIFY_SOCKET: receiver.address }, prefix });
    expect(stderr).toBe("");
    expect(await receiver.next()).toMatchObject({ text: "READY=1", uid: 65534, gid: 65534 });
  });
});

describe("notify() without $NOTIFY_SOCKET", () => {
  test("returns false, opens nothing and does not load libc", async () => {
    const source = `
      import { barrier, barrierSync, notify, notifyRaw } from "../src/index.ts";
      import { readdirSync } from "node:fs";
      const before = readdirSync("/proc/self/fd").length;
      console.log(notify({ ready: true, reloading: true, mainPid: 1 }, { fds: [0], pid: 1 }), notifyRaw("READY=1"), await barrier(), barrierSync());
      console.log(readdirSync("/proc/self/fd").length - before);`;
    // bun:ffi does not work without the JIT, so that whatever loads libc would throw.
    const { stdout, stderr } = await runModule(source, { env: { BUN_JSC_useJIT: "0" } });
    expect({ stdout, stderr }).toEqual({ stdout: "false false false false\n0\n", stderr: "" });
  });

  test("checks everything all the same", () => {
    expect(() => notify({ status: "a\nb" })).toThrow(TypeError);
    expect(() => notify({ status: "x".repeat(5000) })).toThrow(RangeError);
    expect(() => notify({ ready: true }, { pid: 0 })).toThrow(
      RangeError("Cannot notify: pid must be an integer from 1 to 2147483647, not 0"),
    );
    expect(() => notify({ ready: true }, { pid: 1.5 })).toThrow(RangeError);
    expect(() => notify({ ready: true }, { fds: [0, -1] })).toThrow(
      RangeError("Cannot notify: fds[1] must be an integer from 0 to 2147483647, not -1"),
    );
    expect(() => notify({ ready: true }, { fds: "3" as never })).toThrow(TypeError);
    expect(() => notify({ ready: true }, { socket: 5 as never })).toThrow(TypeError);
    expect(() => notify({ ready: true }, { sockets: "/x" } as never)).toThrow(
      TypeError('Cannot notify: no option "sockets": there are pid, fds, socket'),
    );
    expect(() => notifyRaw(5 as never)).toThrow(TypeError);
  });
});

describe("notify() throws", () => {
  test("a SyntaxError that quotes an address that can't be", () => {
    expect(() => notify({ ready: true }, { socket: "nowhere" })).toThrow(SyntaxError);
    expect(() => notify({ ready: true }, { socket: "nowhere" })).toThrow('Cannot use the socket "nowhere": ');
  });

  test("what the caller got wrong before what the environment has", () => {
    expect(() => notify({ status: "a\nb" }, { socket: "nowhere" })).toThrow(TypeError);
  });

  test("the system's errors with code, errno, syscall and address, and leaves nothing open", () => {
    using directory = temporaryDirectory();
    const before = openFds();
    const attempt = (address: string, state = { ready: true }, options = {}) => {
      try {
        notify(state, { socket: address, ...options });
      } catch (error) {
        return error;
      }
    };
    const absent = `${directory.path}/absent`;
    const error = attempt(absent);
    expect(error).toBeInstanceOf(SystemError);
    expect(error).toMatchObject({ name: "SystemError", code: "ENOENT", errno: 2, syscall: "connect", address: absent });
    expect((error as Error).message).toBe(`connect ${absent}: No such file or directory`);
    expect(attempt(`${directory.path}/${"x".repeat(200)}`)).toMatchObject({ code: "ENOENT", syscall: "open" });
    expect(attempt("@sd-notify-nobody")).toMatchObject({ code: "ECONNREFUSED", errno: 111, syscall: "connect" });
    expect(attempt(directory.path)).toMatchObject({ code: "ECONNREFUSED" });
    expect(attempt(absent, { ready: true, ...{ mainPid: 0x7fffffff } })).toMatchObject({
      code: "ESRCH",
      errno: 3,
      syscall: "pidfd_open",
    });
    expect(newFds(before)).toEqual([]);
  });

  test("EBADF for a file descriptor that is not open, and the connection goes on", async () => {
    await using receiver = await openReceiver();
    const options = { socket: receiver.address };
    expect(() => notify({ ready: true }, { ...options, fds: [9999] })).toThrow(
      `sendmsg ${receiver.address}: Bad file descriptor`,
    );
    notify({ status: "still here" }, options);
    expect((await receiver.next()).text).toBe("STATUS=still here");
  });
});

describe("the connection", () => {
  test("is made anew, once, when the manager has gone and come back", async () => {
    using directory = temporaryDirectory();
    const socket = join(directory.path, "notify");
    const first = await openReceiver(socket);
    notify({ status: "1" }, { socket });
    expect((await first.next()).text).toBe("STATUS=1");
    await first.close();
    const failure = () => notify({ status: "2" }, { socket });
    expect(failure).toThrow(expect.objectContaining({ code: "ECONNREFUSED", syscall: "connect", address: socket }));
    rmSync(socket);
    expect(failure).toThrow(expect.objectContaining({ code: "ENOENT", syscall: "connect" }));
    await using second = await openReceiver(socket);
    notify({ status: "3" }, { socket });
    expect((await second.next()).text).toBe("STATUS=3");
    await second.close();
    rmSync(socket);
    await using third = await openReceiver(socket);
    const before = openFds();
    notify({ status: "4" }, { socket, pid: third.pid, fds: [0] });
    expect(await third.next()).toMatchObject({ text: "STATUS=4", fds: [expect.anything()] });
    expect(newFds(before)).toHaveLength(1);
  });

  test("is made anew when somebody else has closed it, and the file that has its number by now is left alone", async () => {
    await using receiver = await openReceiver();
    const source = `
      import { notify } from "../src/index.ts";
      import { closeSync, fstatSync, openSync, readdirSync, readlinkSync } from "node:fs";
      const sockets = () => readdirSync("/proc/self/fd").map(Number).filter((fd) => { try { return fstatSync(fd).isSocket(); } catch { return false; } });
      const before = sockets();
      notify({ status: "1" });
      const [connection] = sockets().filter((fd) => !before.includes(fd));
      closeSync(connection);
      notify({ status: "2" });
      const [again] = sockets().filter((fd) => !before.includes(fd));
      closeSync(again);
      const file = openSync("/dev/null", "w");
      notify({ status: "3" });
      notify({ status: "4" });
      console.log(file === again, readlinkSync("/proc/self/fd/" + file));`;
    const { stdout, stderr } = await runModule(source, { env: { NOTIFY_SOCKET: receiver.address } });
    expect({ stdout, stderr }).toEqual({ stdout: "true /dev/null\n", stderr: "" });
    for (const n of [1, 2, 3, 4]) expect((await receiver.next()).text).toBe(`STATUS=${n}`);
  });

  test("of a worker is closed, and leaves no fd when the worker ends", async () => {
    await using receiver = await openReceiver();
    const source = `
      import { readdirSync } from "node:fs";
      const fds = () => readdirSync("/proc/self/fd").length;
      const code = 'import { notify } from "${ROOT}src/index.ts"; notify({ status: "x" }); notify({ status: "y" }); postMessage(0);';
      const url = URL.createObjectURL(new Blob([code], { type: "application/typescript" }));
      const run = () => new Promise((resolve) => {
        const worker = new Worker(url);
        worker.onmessage = async () => { await worker.terminate(); resolve(); };
      });
      await run();
      const before = fds();
      for (let i = 0; i < 10; i++) await run();
      for (let i = 0; i < 500 && fds() > before; i++) await Bun.sleep(2);
      console.log(Math.max(0, fds() - before));`;
    const { stdout, stderr } = await runModule(source, { env: { NOTIFY_SOCKET: receiver.address } });
    expect({ stdout, stderr }).toEqual({ stdout: "0\n", stderr: "" });
    for (let i = 0; i < 11; i++)
      for (const text of ["STATUS=x", "STATUS=y"]) expect((await receiver.next()).text).toBe(text);
  });

  test("carries the right message when a getter of the options notifies too", async () => {
    await using receiver = await openReceiver();
    await using other = await openReceiver();
    const options = {
      socket: receiver.address,
      get fds() {
        notify({ status: "inner" }, { socket: other.address });
        return [0];
      },
    };
    notify({ status: "outer" }, options);
    expect((await receiver.next()).text).toBe("STATUS=outer");
  });

  test("is one for each address, and no more than eight are kept", async () => {
    const receivers = await Promise.all(Array.from({ length: 12 }, () => openReceiver()));
    const opened = openFds().length;
    for (const { address } of receivers) for (const n of [1, 2, 3]) notify({ status: `${n}` }, { socket: address });
    expect(openFds().length - opened).toBeLessThanOrEqual(8);
    for (const receiver of receivers) {
      for (const n of [1, 2, 3]) expect((await receiver.next()).text).toBe(`STATUS=${n}`);
      await receiver.close();
    }
  });

  const noStrace = missing("strace");
  test.skipIf(Boolean(noStrace))(titled("costs one system call a message", noStrace), async () => {
    await using receiver = await openReceiver();
    const source = `
      import { notify } from "../src/index.ts";
      notify({ ready: true });
      console.error("BEGIN");
      for (let i = 0; i < 100; i++) notify(i % 2 ? { watchdog: true } : { status: "message " + i });
      console.error("END");`;
    const prefix = ["strace", "-qq", "-e", "trace=all", "-e", "signal=none"];
    const { stderr } = await runModule(source, { env: { NOTIFY_SOCKET: receiver.address }, prefix });
    const calls = stderr.slice(stderr.indexOf("BEGIN\n"), stderr.lastIndexOf('write(2, "END'));
    const names = calls
      .split("\n")
      .map((line) => /^(\w+)\(/.exec(line)?.[1])
      .filter(Boolean);
    expect(names.filter((name) => name === "sendto")).toHaveLength(100);
    expect(
      names.filter((name) => ["socket", "connect", "sendmsg", "close", "setsockopt"].includes(name as string)),
    ).toEqual([]);
  });
});

test("100,000 messages arrive whole and in order, with garbage collections in between, and no fd more than before", async () => {
  await using receiver = await openReceiver();
  const source = `
    import { notify } from "../src/index.ts";
    import { readdirSync } from "node:fs";
    notify({ ready: true });
    const before = readdirSync("/proc/self/fd").length;
    for (let i = 0; i < 100_000; i++) {
      const garbage = new Uint8Array(i % 64);
      if (i % 100 === 0) notify({ status: "message " + i }, { fds: [0, 1, 2] });
      else if (i % 100 === 1) notify({ status: "message " + i }, { pid: process.ppid });
      else notify({ status: "message " + i });
      if (i % 500 === 0) Bun.gc(true);
      garbage.fill(1);
    }
    Bun.gc(true);
    console.log(readdirSync("/proc/self/fd").length - before);`;
  const sending = runModule(source, { env: { NOTIFY_SOCKET: receiver.address } });
  expect((await receiver.next()).text).toBe("READY=1");
  for (let i = 0; i < 100_000; i++) {
    const { text, fds } = await receiver.next();
    if (text !== `STATUS=message ${i}` || fds.length !== (i % 100 === 0 ? 3 : 0))
      expect({ text, fds }).toBe(i as never);
  }
  expect(await sending).toMatchObject({ stdout: "0\n", stderr: "", code: 0 });
}, 60_000);

test("a full queue waits, and a signal meanwhile loses and doubles nothing", async () => {
  await using receiver = await openReceiver();
  receiver.pause();
  const source = `
    import { notify } from "../src/index.ts";
    process.on("SIGUSR1", () => {});
    for (let i = 0; i < 1000; i++) notify({ status: "message " + i });
    console.log("sent");`;
  const child = Bun.spawn([process.execPath, "run", "-"], {
    cwd: import.meta.dir,
    env: { PATH: process.env.PATH ?? "", NOTIFY_SOCKET: receiver.address },
    stdin: Buffer.from(source),
    stdout: "pipe",
  });
  await full(receiver.address);
  for (let i = 0; i < 5; i++) child.kill("SIGUSR1");
  receiver.resume();
  for (let i = 0; i < 1000; i++) expect((await receiver.next()).text).toBe(`STATUS=message ${i}`);
  expect(await child.stdout.text()).toBe("sent\n");
  expect(await child.exited).toBe(0);
});

/** Waits until the queue of a receiver has room for no more. */
async function full(address: string): Promise<void> {
  const { fd } = connect(parseAddress(address, "the address"), address);
  // unix(7) sends no event to others when a queue fills up.
  while (sys.poll(fd, POLLOUT, 0) !== 0) await Bun.sleep(1);
  sys.close(fd);
}

test("no fd is left by whatever goes wrong", async () => {
  await using receiver = await openReceiver(undefined, { hold: true });
  using directory = temporaryDirectory();
  const long = join(directory.path, "d".repeat(120));
  const source = `
    import { barrier, barrierSync, notify } from "../src/index.ts";
    import { readdirSync } from "node:fs";
    const fds = () => readdirSync("/proc/self/fd").length;
    notify({ ready: true });
    await barrier({ timeoutMs: 0 }).catch(() => {});
    const before = fds();
    for (let i = 0; i < 200; i++) {
      for (const socket of ["${long}", "${directory.path}", "@sd-notify-nobody", "vsock:nonsense"]) {
        try { notify({ ready: true, mainPid: process.pid }, { socket, fds: [0], pid: 1 }); } catch {}
        try { barrierSync({ socket }); } catch {}
        await barrier({ socket }).catch(() => {});
      }
      try { notify({ ready: true }, { fds: [12345] }); } catch {}
      try { notify({ mainPid: 0x7fffffff }); } catch {}
      try { barrierSync({ timeoutMs: 0 }); } catch {}
      await barrier({ timeoutMs: 0 }).catch(() => {});
    }
    // Bun closes the fds of its streams on another thread.
    for (let i = 0; i < 1000 && fds() > before; i++) await Bun.sleep(1);
    console.log(Math.max(0, fds() - before));`;
  const { stdout, stderr } = await runModule(source, { env: { NOTIFY_SOCKET: receiver.address } });
  expect({ stdout, stderr }).toEqual({ stdout: "0\n", stderr: "" });
});

describe("notifyRaw()", () => {
  test("sends bytes and text as they are", async () => {
    await using receiver = await openReceiver();
    const socket = receiver.address;
    const bytes = new Uint8Array([0x53, 0x3d, 0xff, 0x00, 0xfe, 0x0a]);
    expect(notifyRaw(bytes, { socket })).toBe(true);
    expect(await receiver.next()).toMatchObject({
      length: 6,
      sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex"),
    });
    for (const text of ["A=1\nB=2\n", "", "ü\n"]) {
      notifyRaw(text, { socket });
      expect((await receiver.next()).text).toBe(text);
    }
  });

  test("sends 150,000 bytes, which every send buffer has room for", async () => {
    await using receiver = await openReceiver();
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    const large = new Uint8Array(150_000).map((_, i) => bytes[i % 65_536] as number);
    notifyRaw(large, { socket: receiver.address });
    expect(await receiver.next()).toMatchObject({
      length: 150_000,
      sha256: new Bun.CryptoHasher("sha256").update(large).digest("hex"),
    });
  });

  test("refuses with a RangeError what no socket takes", async () => {
    await using receiver = await openReceiver();
    expect(() => notifyRaw(new Uint8Array(17 << 20), { socket: receiver.address })).toThrow(RangeError);
    expect(() => notifyRaw("x".repeat(17 << 20), { socket: receiver.address })).toThrow(RangeError);
  });
});
