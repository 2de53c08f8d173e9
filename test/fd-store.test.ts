import { dlopen } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import { closeSync, constants, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createMemfd } from "../ffi/process.ts";
import { close, openPath, pipe, socket } from "../ffi/syscalls.ts";
import { listenFds, loadState, removeFds, saveState, storeFds } from "../src/index.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { kindOf } from "../src/server/listen-fds.ts";
import { newFds, openFds, temporaryDirectory } from "./support/command.ts";
import { runWithFds } from "./support/passed-fds.ts";

/** What MemoryDenyWriteExecute=yes does to Bun: no JIT, and so no bun:ffi. */
const NO_JIT = { BUN_JSC_useJIT: "0" };

const list = `
  try { for (const passed of sd.listenFds()) console.log(JSON.stringify(passed)); console.log("end"); }
  catch (error) { console.log(error.name, error.message); }`;

test("kindOf() takes a file of any kind that is opened for no access", () => {
  using receiver = openReceiver();
  const kinds = [receiver.address, "/", import.meta.path, "/dev/null"].map((path) => {
    const fd = openPath(path);
    const { kind } = kindOf(fd);
    close(fd);
    return kind;
  });
  // That of a socket is no socket.
  expect(kinds).toEqual(["other", "directory", "file", "device"]);
});

describe("listenFds()", () => {
  test("tells the kinds of file descriptors apart, by their names", async () => {
    const listener = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });
    const [readEnd] = pipe();
    const fds = [
      (listener as unknown as { fd: number }).fd,
      socket(1, 2),
      readEnd,
      openSync(import.meta.path, "r"),
      openSync("/", "r"),
      openSync("/dev/null", "r"),
      createMemfd("state"),
    ];
    const names = "http:log::file:dir:null:state";
    const lines = (await runWithFds(list, fds, { LISTEN_FDNAMES: names })).trimEnd().split("\n");
    expect(lines.slice(0, -1).map((line) => JSON.parse(line))).toEqual([
      { fd: 3, name: "http", kind: "socket", family: "inet", type: "stream", listening: true },
      { fd: 4, name: "log", kind: "socket", family: "unix", type: "dgram", listening: false },
      { fd: 5, name: "", kind: "fifo" },
      { fd: 6, name: "file", kind: "file" },
      { fd: 7, name: "dir", kind: "directory" },
      { fd: 8, name: "null", kind: "device" },
      { fd: 9, name: "state", kind: "memfd" },
    ]);
    listener.stop();
  });

  test("names them unknown where no names were passed", async () => {
    expect(await runWithFds(list, [openSync("/", "r")])).toBe('{"fd":3,"name":"unknown","kind":"directory"}\nend\n');
  });

  test("finds those of a name, whatever has become of the others", async () => {
    const fds = [openSync("/", "r"), openSync("/dev/null", "r"), openSync("/", "r")];
    const source = `
      (await import("node:fs")).closeSync(4);
      for (const name of ["a", "c", "", "unknown"]) console.log(JSON.stringify(sd.listenFds(name).map(({ fd }) => fd)));`;
    expect(await runWithFds(source, fds, { LISTEN_FDNAMES: "a:b:a" })).toBe("[3,5]\n[]\n[]\n[]\n");
    expect(await runWithFds(source.replace(", 4", ""), fds.slice(0, 1))).toBe("[]\n[]\n[]\n[3]\n");
    expect(() => listenFds(5 as never)).toThrow(TypeError);
  });

  test("knows a message queue, and a file that only looks like one in memory", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "memfd:file");
    writeFileSync(path, "");
    const file = openSync(path, "r");
    const { symbols } = dlopen("libc.so.6", {
      mq_open: { args: ["cstring", "i32", "u32", "ptr"], returns: "i32" },
      mq_unlink: { args: ["cstring"], returns: "i32" },
    });
    const name = `/sd-notify-test-${process.pid}`;
    const queue = symbols.mq_open(name, constants.O_RDWR | constants.O_CREAT, 0o600, null);
    expect(queue).toBeGreaterThan(2);
    for (const env of [{}, NO_JIT]) {
      expect(await runWithFds(list, [queue, file], { LISTEN_FDNAMES: "queue:file", ...env })).toBe(
        '{"fd":3,"name":"queue","kind":"mqueue"}\n{"fd":4,"name":"file","kind":"file"}\nend\n',
      );
    }
    symbols.mq_unlink(name);
    expect(await runWithFds(list, [queue])).toContain('"mqueue"');
    closeSync(queue);
  });

  test("asks /proc what a socket is where libc can't be called", async () => {
    using directory = temporaryDirectory();
    const unix = join(directory.path, "socket");
    const listeners = [
      Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } }),
      Bun.listen({ port: 0, hostname: "::1", socket: { data() {} } }),
      Bun.listen({ unix, socket: { data() {} } }),
    ];
    const before = openFds();
    const udp = await Bun.udpSocket({ hostname: "127.0.0.1" });
    const client = await Bun.connect({ unix, socket: { data() {} } });
    const [datagram = -1, connection = -1] = newFds(before).map((fd) => Number.parseInt(fd, 10));
    const netlink = socket(16, 3);
    const { symbols } = dlopen("libc.so.6", { bind: { args: ["i32", "ptr", "u32"], returns: "i32" } });
    expect(symbols.bind(netlink, new Uint32Array([16, 0, 0]), 12)).toBe(0);
    // Not bound, a socket is in no table of TCP.
    const bound = listeners.map((listener) => (listener as unknown as { fd: number }).fd);
    const fds = [...bound, datagram, connection, socket(1, 5), netlink, socket(2, 1)];
    const lines = (await runWithFds(list, fds, NO_JIT)).trimEnd().split("\n").slice(0, -1);
    expect(lines.map((line) => Object.values(JSON.parse(line)).slice(3).join(" "))).toEqual([
      "inet stream true",
      "inet6 stream true",
      "unix stream true",
      "inet dgram false",
      "unix stream false",
      "unix seqpacket false",
      "netlink raw false",
      "other other false",
    ]);
    const told = (await runWithFds(list, fds.slice(0, -1))).trimEnd().split("\n").slice(0, -1);
    expect(lines.slice(0, -1)).toEqual(told);
    client.end();
    udp.close();
    for (const listener of listeners) listener.stop(true);
  });

  test("throws a SystemError for one that is not open, however many are said to be", async () => {
    for (const count of ["1000", "2147483644"]) {
      expect(await runWithFds(list, [], { LISTEN_FDS: count })).toMatch(
        /^SystemError Cannot use fd \d+, which \$LISTEN_FDS says was passed: .*EBADF/,
      );
    }
    expect(await runWithFds(list, [], { LISTEN_FDS: "9007199254740991" })).toBe(
      'SyntaxError Cannot use $LISTEN_FDS "9007199254740991": no process has that many\n',
    );
  });

  test("sets close-on-exec", async () => {
    const source = `sd.listenFds(); console.log(await Bun.file("/proc/self/fdinfo/3").text());`;
    expect(await runWithFds(source, [openSync("/", "r")])).toMatch(/flags:\s+02\d{6}/);
  });

  test("is empty where none were passed, or to another process", async () => {
    expect(await runWithFds(list, [], { LISTEN_FDS: "0", LISTEN_FDNAMES: "" })).toStartWith("SyntaxError");
    expect(await runWithFds(list, [], { LISTEN_FDS: "0" })).toBe("end\n");
    expect(await runWithFds(list, [1], { LISTEN_PID: "1" })).toBe("end\n");
    expect(await runWithFds(list, [1], { LISTEN_PIDFDID: "1" })).toBe("end\n");
    expect(
      await runWithFds(
        `process.env.LISTEN_PIDFDID = String((await import("./src/linux/pidfd.ts")).pidfdInodeOf(process.pid));${list}`,
        [openSync("/", "r")],
      ),
    ).toEndWith('directory"}\nend\n');
    expect(await runWithFds(`delete process.env.LISTEN_PID;${list}`, [1])).toBe("end\n");
  });

  test("throws a SystemError for one that is not open, however many are said to be", async () => {
    for (const count of ["1000", "2147483644"]) {
      expect(await runWithFds(list, [], { LISTEN_FDS: count })).toMatch(
        /^SystemError Cannot use fd \d+, which \$LISTEN_FDS says was passed: fstat: EBADF\n$/,
      );
    }
    expect(await runWithFds(list, [], { LISTEN_FDS: "9007199254740991" })).toBe(
      'SyntaxError Cannot use $LISTEN_FDS "9007199254740991": no process has that many\n',
    );
  });

  test("throws a SyntaxError that quotes what can't be read", async () => {
    expect(await runWithFds(list, [1], { LISTEN_FDNAMES: "a:b" })).toBe(
      'SyntaxError Cannot use $LISTEN_FDNAMES "a:b": it has 2 names for 1 fds\n',
    );
    expect(await runWithFds(list, [1], { LISTEN_FDS: "x" })).toBe(
      'SyntaxError Cannot use $LISTEN_FDS "x": it must be a number from 0\n',
    );
    expect(await runWithFds(list, [1], { LISTEN_PID: "x" })).toStartWith('SyntaxError Cannot use $LISTEN_PID "x"');
  });
});

describe("storeFds() and removeFds()", () => {
  test("say what the manager is to keep, and what not", async () => {
    using receiver = openReceiver();
    process.env.NOTIFY_SOCKET = receiver.address;
    try {
      const fd = openSync("/dev/null", "r");
      expect(storeFds([fd])).toBe(true);
      storeFds([fd, 0], { name: "a.b-c" });
      storeFds([fd], { name: "x", poll: false });
      expect(removeFds("a.b-c")).toBe(true);
      storeFds([fd], { name: "a\\" });
      removeFds("a\\");
      const sent = [];
      for (let i = 0; i < 6; i++) {
        using message = await receiver.next();
        sent.push([message.text, message.fds.length]);
      }
      expect(sent).toEqual([
        ["FDSTORE=1", 1],
        ["FDSTORE=1\nFDNAME=a.b-c", 2],
        ["FDSTORE=1\nFDNAME=x\nFDPOLL=0", 1],
        ["FDSTOREREMOVE=1\nFDNAME=a.b-c", 0],
        ["FDSTORE=1\nFDNAME=a\\\\", 1],
        ["FDSTOREREMOVE=1\nFDNAME=a\\\\", 0],
      ]);
      closeSync(fd);
    } finally {
      delete process.env.NOTIFY_SOCKET;
    }
  });

  test("tell by $FDSTORE whether there is room, as far as that is known", async () => {
    using receiver = openReceiver();
    const source = `
      const { openSync, closeSync } = await import("node:fs");
      const [a, b, c] = ["/", "/dev/null", "/proc"].map((path) => openSync(path, "r"));
      const told = [sd.storeFds([a, b, c]), sd.storeFds([a], { name: "a" }), sd.storeFds([a, b]), sd.storeFds([c])];
      // What is closed here may have left the store, and what is removed has.
      closeSync(b);
      told.push(sd.storeFds([c]), sd.storeFds([openSync("/sys", "r")]));
      sd.removeFds("a");
      told.push(sd.storeFds([openSync("/sys", "r")], { name: "s" }));
      console.log(JSON.stringify(told));
      try { process.env.FDSTORE = "x"; sd.storeFds([a]); } catch (error) { console.log(error.name); }`;
    const told = await runWithFds(source, [], { ...receiver.env, FDSTORE: "2" });
    expect(told).toBe("[false,true,true,false,true,false,true]\nSyntaxError\n");
    const sent = [];
    for (let i = 0; i < 5; i++) {
      using message = await receiver.next();
      sent.push(`${message.text} ${message.fds.length}`);
    }
    expect(sent).toEqual([
      "FDSTORE=1\nFDNAME=a 1",
      "FDSTORE=1 2",
      "FDSTORE=1 1",
      "FDSTOREREMOVE=1\nFDNAME=a 0",
      "FDSTORE=1\nFDNAME=s 1",
    ]);
    const none = `console.log(sd.storeFds([0]), sd.saveState("a", "b"), sd.storeFds([0]));`;
    expect(await runWithFds(none, [], { ...receiver.env, FDSTORE: "0" })).toBe("false false false\n");
    expect(await runWithFds("console.log(sd.storeFds([0]));", [], { FDSTORE: "x" })).toBe("false\n");
    // A systemd that would set $FDSTORE, and has not: but only if it was this process that it started.
    const newer = (pid: string) =>
      runWithFds(`process.env.SYSTEMD_EXEC_PID = String(${pid}); console.log(sd.storeFds([0]));`, [], {
        ...receiver.env,
        MEMORY_PRESSURE_WATCH: "/dev/null",
      });
    expect(await newer("process.pid")).toBe("false\n");
    expect(await newer("process.ppid")).toBe("true\n");
  });

  test("return false when unsupervised, and check all the same", () => {
    expect(storeFds([0], { name: "a" })).toBe(false);
    expect(removeFds("a")).toBe(false);
    expect(saveState("a", "b")).toBe(false);
    for (const name of ["a:b", "a\nb", "ü", "n".repeat(256), 5 as never]) {
      expect(() => storeFds([0], { name })).toThrow(TypeError);
      expect(() => removeFds(name)).toThrow(TypeError);
      expect(() => saveState(name, "x")).toThrow(TypeError);
      expect(() => loadState(name)).toThrow(TypeError);
    }
    expect(() => storeFds([])).toThrow(TypeError);
    expect(() => storeFds([-1])).toThrow(RangeError);
    expect(() => storeFds([0], { poll: 1 as never })).toThrow(TypeError);
    expect(() => storeFds([0], { nam: "x" } as never)).toThrow(TypeError);
    expect(() => saveState("a", 5 as never)).toThrow(TypeError);
  });
});
