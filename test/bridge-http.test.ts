/** The bridge's server: no header, path or number of clients hurts it. */

import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { MAX_HEADER_LENGTH, readRequest } from "../src/tools/bridge/http-request.ts";
import { BINARY, endBridges, startBridge, WAIT } from "./support/bridge.ts";
import { run, temporaryDirectory } from "./support/command.ts";

afterEach(endBridges);

/** What a server sends until it closes. */
async function talk(path: string, text: string | Uint8Array): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let received = "";
  const socket = connect(path);
  socket.on("data", (data) => (received += data.toString())).on("close", () => resolve());
  socket.on("error", () => {}).write(text);
  await promise;
  return received;
}

describe("the server", () => {
  test("answers GET and HEAD, and nothing else", async () => {
    const bridge = startBridge([], `$N --ready; echo up; ${WAIT}`);
    await bridge.line();
    const head = await talk(bridge.http, "HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n(.+\r\n)*Content-Length: \d\d\r\n(.+\r\n)*\r\n$/);
    const get = await talk(bridge.http, "GET /livez?verbose=1#x HTTP/1.0\n\n");
    expect(get).toMatch(/^HTTP\/1\.1 200 OK\r\n(.+\r\n)*\r\nlive: active for .*\n$/);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "get", "X"]) {
      const answer = await talk(bridge.http, `${method} /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 405 Method Not Allowed\r\n(.+\r\n)*Allow: GET, HEAD\r\n/);
    }
    for (const target of [
      "/",
      "/livez/",
      "/LIVEZ",
      "//livez",
      "/../livez",
      "/__proto__",
      "/constructor",
      "/%6civez",
      "*",
    ]) {
      expect(await talk(bridge.http, `GET ${target} HTTP/1.1\r\n\r\n`)).toStartWith("HTTP/1.1 404 Not Found\r\n");
    }
    expect(await talk(bridge.http, "GET http://x:1/livez HTTP/1.1\r\n\r\n")).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(await talk(bridge.http, `GET /${"a".repeat(20_000)} HTTP/1.1\r\n\r\n`)).toStartWith("HTTP/1.1 431 ");
    expect(await talk(bridge.http, `GET / HTTP/1.1\r\n${"X: y\r\n".repeat(5000)}\r\n`)).toStartWith("HTTP/1.1 431 ");
    for (const text of [
      "\0\0\0\0",
      "\x16\x03\x01\x02\x00\x01",
      "GET\r\n\r\n",
      "GET /livez\r\n\r\n",
      "GET /livez HTTP/2.0\r\n\r\n",
    ]) {
      expect(await talk(bridge.http, text)).toStartWith("HTTP/1.1 400 Bad Request\r\n");
    }
    expect((await bridge.get("/livez")).status).toBe(200);
  });

  test("closes connections that take too long, a byte now and then or not", async () => {
    const bridge = startBridge([], `$N --ready; echo up; ${WAIT}`);
    await bridge.line();
    const start = performance.now();
    const drip = connect(bridge.http);
    const timer = setInterval(() => drip.write("G"), 200);
    const { promise, resolve } = Promise.withResolvers<void>();
    drip.on("error", () => {}).on("close", () => resolve());
    await promise;
    clearInterval(timer);
    expect(performance.now() - start).toBeGreaterThan(4000);
    expect(performance.now() - start).toBeLessThan(9000);
  }, 20_000);

  test("answers while others hold more connections than it has file descriptors for", async () => {
    const bridge = startBridge([], `$N --ready; echo up; ${WAIT}`, {
      prefix: ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh"],
    });
    await bridge.line();
    const sockets: Socket[] = [];
    for (let i = 0; i < 400; i++) {
      const socket = connect(bridge.http).on("error", () => {});
      socket.write("GET /live");
      sockets.push(socket);
      if (i % 50 === 49) expect((await bridge.get("/readyz")).status).toBe(200);
    }
    // It can receive and start others, too.
    expect(await run([BINARY, "probe", `--pid=${bridge.child.pid}`])).toMatchObject({ code: 0 });
    for (const socket of sockets) socket.destroy();
    expect((await bridge.get("/livez")).status).toBe(200);
  }, 20_000);

  test("does not wait for a client that does not read", async () => {
    const bridge = startBridge([], `$N --ready; echo up; ${WAIT}`);
    await bridge.line();
    for (let i = 0; i < 50; i++) {
      const socket = connect(bridge.http).on("error", () => {});
      socket.pause();
      socket.write("GET /metrics HTTP/1.1\r\n\r\n");
    }
    expect((await bridge.get("/metrics")).status).toBe(200);
  });

  test("listens on the loopback, unless it is told another address", async () => {
    const bridge = startBridge(["--http=0", "--http=[::1]:0", "--http=0.0.0.0:0"], `echo up; ${WAIT}`);
    await bridge.line();
    const { stdout } = await run([
      "sh",
      "-c",
      `ls -l /proc/${bridge.child.pid}/fd | sed -n 's/.*socket:.\\([0-9]*\\).*/\\1/p'`,
    ]);
    const inodes = stdout.trim().split("\n");
    const { stdout: tables } = await run(["cat", "/proc/net/tcp", "/proc/net/tcp6"]);
    const own = tables
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => inodes.includes(fields[9] ?? ""));
    expect(own.map(([, local = ""]) => local.replace(/:.*/, "")).sort()).toEqual([
      "00000000",
      "00000000000000000000000001000000",
      "0100007F",
    ]);
  });

  test("takes the place of a socket that nobody listens on, and of nothing else", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "http");
    const first = startBridge([`--http=unix:${path}`], `echo up; ${WAIT}`);
    await first.line();
    const second = await startBridge([`--http=unix:${path}`], "exit 0").end();
    expect(second).toMatchObject({ code: 1, stderr: `sd-notify: bridge: bind ${path}: Address already in use\n` });
    expect(await talk(path, "GET /livez HTTP/1.1\r\n\r\n")).toStartWith("HTTP/1.1 200 OK");
    first.child.kill("SIGKILL");
    await first.child.exited;
    expect(existsSync(path)).toBe(true);
    expect(await startBridge([`--http=unix:${path}`], "exit 0").end()).toMatchObject({ code: 0 });
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, "a file");
    const { code } = await startBridge([`--http=unix:${path}`], "exit 0").end();
    expect({ code, there: existsSync(path) }).toEqual({ code: 1, there: true });
  });
});

test("a request is read in whatever pieces it comes, and no further than it may be long", () => {
  const whole = Buffer.from("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  for (let end = 0; end < whole.length; end++) expect(readRequest(whole.subarray(0, end))).toBe("incomplete");
  expect(readRequest(whole)).toEqual({ method: "GET", path: "/livez" });
  expect(readRequest(Buffer.alloc(MAX_HEADER_LENGTH, "a"))).toMatchObject({ status: 431 });
  expect(readRequest(Buffer.alloc(10))).toMatchObject({ status: 400 });
});
