import { describe, expect, test } from "bun:test";
import { closeSync, fstatSync, openSync } from "node:fs";
import { createMemfd } from "../ffi/process.ts";
import { close, openPath, pipe, socket } from "../ffi/syscalls.ts";
import { removeFds, saveState, storeFds } from "../src/index.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { kindOf } from "../src/server/listen-fds.ts";
import { BUN, openFds, ROOT } from "./support/command.ts";

/** Runs a module that was passed file descriptors, as the service manager does it. */
async function runWithFds(source: string, fds: number[], env: Record<string, string> = {}): Promise<string> {
  const child = Bun.spawn(["sh", "-c", `LISTEN_PID=\${LISTEN_PID-$$} exec ${BUN} run -`], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", LISTEN_FDS: `${fds.length}`, ...env },
    stdio: [Buffer.from(`import * as sd from "./src/index.ts";\n${source}`), "pipe", "inherit", ...fds] as never,
  });
  return await (child.stdout as unknown as ReadableStream<Uint8Array>).text();
}

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
        /^SystemError Cannot use fd \d+, which \$LISTEN_FDS says was passed: EBADF\n$/,
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

  test("return false when unsupervised, and check all the same", () => {
    expect(storeFds([0], { name: "a" })).toBe(false);
    expect(removeFds("a")).toBe(false);
    expect(saveState("a", "b")).toBe(false);
    for (const name of ["a:b", "a\nb", "ü", "n".repeat(256), 5 as never]) {
      expect(() => storeFds([0], { name })).toThrow(TypeError);
      expect(() => removeFds(name)).toThrow(TypeError);
      expect(() => saveState(name, "x")).toThrow(TypeError);
    }
    expect(() => storeFds([])).toThrow(TypeError);
    expect(() => storeFds([-1])).toThrow(RangeError);
    expect(() => storeFds([0], { poll: 1 as never })).toThrow(TypeError);
    expect(() => storeFds([0], { nam: "x" } as never)).toThrow(TypeError);
    expect(() => saveState("a", 5 as never)).toThrow(TypeError);
  });
});

describe("saveState() and loadState()", () => {
  test("keep bytes across a restart, and across the next", async () => {
    using receiver = openReceiver();
    process.env.NOTIFY_SOCKET = receiver.address;
    try {
      const state = crypto.getRandomValues(new Uint8Array(50_000));
      expect(saveState("sessions", state)).toBe(true);
      expect(openFds().filter((fd) => fd.includes("memfd:sessions"))).toEqual([]);
      expect((await receiver.next()).text).toBe("FDSTOREREMOVE=1\nFDNAME=sessions");
      using message = await receiver.next();
      expect(message.text).toBe("FDSTORE=1\nFDNAME=sessions");
      const [memfd = -1] = message.fds;
      expect(fstatSync(memfd).size).toBe(50_000);
      const source = `console.log(new Bun.CryptoHasher("sha256").update(sd.loadState("sessions")).digest("hex"), sd.loadState("other"));`;
      for (let restart = 0; restart < 2; restart++) {
        const hash = new Bun.CryptoHasher("sha256").update(state).digest("hex");
        expect(await runWithFds(source, [memfd], { LISTEN_FDNAMES: "sessions" })).toBe(`${hash} undefined\n`);
      }
    } finally {
      delete process.env.NOTIFY_SOCKET;
    }
  });
});
