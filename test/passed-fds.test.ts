/** The examples of docs/passed-fds.md. test/systemd/passed-fds.units.ts tries them in real units. */

import { dlopen } from "bun:ffi";
import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { bind, connect, socket } from "../ffi/syscalls.ts";
import { runWithFds, startWithFds } from "./support/passed-fds.ts";
import { codeOf, examples } from "./support/passed-fds-examples.ts";
import { readLines } from "./support/receiver.ts";
import { ROOT, run, temporaryDirectory } from "./support/run.ts";

const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;

const { symbols: libc } = dlopen("libc.so.6", {
  socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  mq_open: { args: ["cstring", "i32", "u32", "ptr"], returns: "i32" },
  mq_send: { args: ["i32", "ptr", "u64", "u32"], returns: "i32" },
  mq_unlink: { args: ["cstring"], returns: "i32" },
});

const children: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.splice(0).map(({ exited }) => exited));
});

/** Starts an example that was passed an fd, which is closed here. Returns a function that waits for its next line. */
function start(title: string, fd: number, name: string): () => Promise<string | undefined> {
  const child = startWithFds(codeOf(title, join(ROOT, "src/index.ts")), [fd], { LISTEN_FDNAMES: name });
  children.push(child);
  closeSync(fd);
  const lines = readLines(child.stdout);
  return async () => (await lines.next()).value ?? undefined;
}

function socketPair(): [number, number] {
  const pair = new Int32Array(2);
  expect(libc.socketpair(AF_UNIX, SOCK_STREAM, 0, pair)).toBe(0);
  return [pair[0] ?? -1, pair[1] ?? -1];
}

/** What systemd passes is blocking, unless the unit has NonBlocking=yes. */
function setNonBlocking(fd: number, nonBlocking: boolean): void {
  const [F_GETFL, F_SETFL] = [3, 4];
  const flags = libc.fcntl(fd, F_GETFL, 0) & ~constants.O_NONBLOCK;
  libc.fcntl(fd, F_SETFL, nonBlocking ? flags | constants.O_NONBLOCK : flags);
}

const tried = new Set<string>();
const example = (title: string, define: (nonBlocking: boolean) => Promise<void>) => {
  tried.add(title);
  test.each([false, true])(`${title}, NonBlocking=%p`, define);
};

describe("docs/passed-fds.md", () => {
  example("A listening socket", async (nonBlocking) => {
    const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = listener;
    const fd = openFd(listener);
    setNonBlocking(fd, nonBlocking);
    start("A listening socket", fd, "echo");
    const { promise, resolve } = Promise.withResolvers<string>();
    const client = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: { open: (socket) => void socket.write("hello"), data: (_, data) => resolve(`${data}`) },
    });
    expect(await promise).toBe("hello");
    client.end();
  });

  example("A connection", async (nonBlocking) => {
    const [fd, peer] = socketPair();
    setNonBlocking(fd, nonBlocking);
    start("A connection", fd, "connection");
    expect(await talk(peer, "hello")).toBe("you said hello");
    expect(await children[0]?.exited).toBe(0);
  });

  example("A connection (2)", async (nonBlocking) => {
    const [fd, peer] = socketPair();
    setNonBlocking(fd, nonBlocking);
    start("A connection (2)", fd, "connection");
    const answer = await talk(peer, "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    expect(answer).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(answer).toContain("you asked for /hello\n");
  });

  example("UDP", async (nonBlocking) => {
    // A port that is free: the socket that had it is closed at once.
    const probe = await Bun.udpSocket({ hostname: "127.0.0.1" });
    const { port } = probe;
    probe.close();
    const fd = socket(AF_INET, SOCK_DGRAM);
    // struct sockaddr_in
    const address = new Uint8Array([AF_INET, 0, port >> 8, port & 0xff, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(libc.bind(fd, address, address.length)).toBe(0);
    setNonBlocking(fd, nonBlocking);
    start("UDP", fd, "time");
    const { promise, resolve } = Promise.withResolvers<string>();
    const client = await Bun.udpSocket({ socket: { data: (_, data) => resolve(`${data}`) } });
    client.send("now", port, "127.0.0.1");
    expect(await promise).toBe(`now: ${new Date().getFullYear()}`);
    client.close();
  });

  example("A unix datagram socket", async (nonBlocking) => {
    const address = { family: "unix", path: Buffer.from(`\0sd-notify-test-${process.pid}-${nonBlocking}`) } as const;
    const fd = socket(AF_UNIX, SOCK_DGRAM);
    bind(fd, address);
    setNonBlocking(fd, nonBlocking);
    const client = socket(AF_UNIX, SOCK_DGRAM);
    connect(client, address, "the test's");
    const next = start("A unix datagram socket", fd, "log");
    writeSync(client, "one");
    writeSync(client, "two");
    expect([await next(), await next()]).toEqual(["logged: one", "logged: two"]);
    closeSync(client);
  });

  example("A FIFO", async (nonBlocking) => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "fifo");
    await run(["mkfifo", path]);
    const writer = openSync(path, "r+");
    const fd = openSync(path, "r+");
    setNonBlocking(fd, nonBlocking);
    const next = start("A FIFO", fd, "commands");
    for (const command of ["one", "two"]) {
      writeSync(writer, `${command}\n`);
      expect(await next()).toBe(`commands: ${command}`);
    }
    closeSync(writer);
  });

  example("A message queue", async (nonBlocking) => {
    const name = `/sd-notify-test-${process.pid}-${nonBlocking}`;
    const fd = libc.mq_open(name, constants.O_RDWR | constants.O_CREAT, 0o600, null);
    expect(fd).toBeGreaterThan(2);
    libc.mq_unlink(name);
    setNonBlocking(fd, nonBlocking);
    const message = Buffer.from("sweep");
    expect(libc.mq_send(fd, message, message.length, 0)).toBe(0);
    expect(await start("A message queue", fd, "jobs")()).toBe("job: sweep");
  });

  example("A file", async () => {
    const users = readFileSync("/etc/passwd", "utf8").trim().split("\n");
    expect(await start("A file", openSync("/etc/passwd", "r"), "users")()).toBe(`${users.length} users`);
  });
});

test("what the page says does not work still does not", async () => {
  const read = (code: string) => `const got = (what) => { console.log(what); process.exit(); };\n${code}`;
  const stream = `(await import("node:fs")).createReadStream("", { fd: 3 }).on("data", () => got("data")).on("error", ({ code }) => got(code));`;
  const plain = `
    const { Socket } = await import("node:net");
    new Socket({ fd: 3 }).on("data", () => got("data")).on("error", () => got("error"));
    setTimeout(() => got("nothing"), 200);`;
  const [fd, peer] = socketPair();
  writeSync(peer, "hello");
  setNonBlocking(fd, true);
  expect(await runWithFds(read(plain), [fd])).toBe("nothing\n");
  const [, empty] = socketPair();
  setNonBlocking(empty, true);
  expect(await runWithFds(read(stream), [empty])).toBe("EAGAIN\n");
  for (const one of [fd, peer, empty]) closeSync(one);
});

test("every example is tried", () => {
  expect([...tried].sort()).toEqual(examples.map(({ title }) => title).sort());
});

// --- internal ---

/** A copy of a listener's fd; the listener is closed. */
function openFd(listener: { stop(): void }): number {
  const [F_DUPFD_CLOEXEC] = [1030];
  const fd = libc.fcntl((listener as unknown as { fd: number }).fd, F_DUPFD_CLOEXEC, 0);
  listener.stop();
  return fd;
}

/** Says something to whoever has the other end, and returns all of the answer. */
async function talk(fd: number, words: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let answer = "";
  const peer = net.connect({ fd, port: 0 });
  peer.on("data", (data) => {
    answer += data;
    peer.end();
  });
  peer.on("close", resolve).on("error", reject);
  peer.write(words);
  await promise;
  return answer;
}
