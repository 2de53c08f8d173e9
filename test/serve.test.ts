import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AF_UNIX, EAGAIN, SOCK_NONBLOCK, SOCK_STREAM } from "../ffi/constants.ts";
import { isErrno } from "../ffi/errno.ts";
import { createMemfd } from "../ffi/process.ts";
import * as sys from "../ffi/syscalls.ts";
import { adoptListener, findListener } from "../src/bun/adopt-listener.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { checkAccepted } from "../src/server/adopted-server.ts";
import { BUN, missing, ROOT, run, runModule, temporaryDirectory, titled } from "./support/command.ts";
import { type TestListener, tcpListener, unixListener } from "./support/listeners.ts";
import { restartUnderLoad, type Target } from "./support/load.ts";
import { oldBun } from "./support/old-bun.ts";
import { within } from "./support/receiver.ts";
import { endServers, type Started, start, watch } from "./support/serve.ts";

const oldest = await oldBun("1.4.0");

afterEach(endServers);

const hello = `
  const server = await serve({ fetch: async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/stop") setTimeout(async () => { await server.stop(); process.exit(0); });
    await Bun.sleep(Number(searchParams.get("ms")));
    return new Response(pathname + " " + request.method + " " + await request.text(), { status: 201, headers: { "x-a": "b" } });
  }, ...OPTIONS });
  console.log(server.url.href);`;
const withOptions = (options: string) => hello.replace("OPTIONS", options);
/** Answers what restartUnderLoad() expects. */
const OK = `const server = await serve({ fetch(request) {
    if (request.url.endsWith("/stop")) setTimeout(async () => { await server.stop(); process.exit(0); });
    return new Response("ok");
  } });
  console.log(server.url.href);`;
const text = async (url: string, init: BunFetchRequestInit = {}) => (await fetch(url, init)).text();

function openSomewhere(kind: string, directory: string): TestListener {
  return kind === "unix" ? unixListener(join(directory, "http")) : tcpListener(kind === "IPv6" ? "::1" : "127.0.0.1");
}

describe("serve() on a passed socket", () => {
  test.each(["IPv4", "IPv6", "unix"])("answers, and says where: %s", async (kind) => {
    using directory = temporaryDirectory();
    using socket = openSomewhere(kind, directory.path);
    const { unix, url } = socket;
    const { child, line } = start(
      `${withOptions("{}")} console.log(JSON.stringify([server.hostname, server.port, server.address]));`,
      [socket.fd],
    );
    expect(await line()).toBe(unix ? `unix://${unix}` : url);
    const { hostname, port } = new URL(url);
    const address = hostname.replace(/[[\]]/g, "");
    const told = [address, Number(port), { address, family: kind, port: Number(port) }];
    expect(JSON.parse((await line()) ?? "")).toEqual(unix ? [null, null, unix] : told);
    const response = await fetch(`${url}a?ms=1`, { method: "POST", body: "größe", ...(unix && { unix }) });
    expect([response.status, response.headers.get("x-a"), await response.text()]).toEqual([201, "b", "/a POST größe"]);
    await fetch(`${url}stop`, { ...(unix && { unix }) });
    expect(await child.exited).toBe(0);
    if (unix) expect(statSync(unix).isSocket()).toBe(true);
  });

  test("has the whole of Bun.serve(): routes, parameters, static responses, requestIP(), websockets", async () => {
    using socket = tcpListener();
    const { line } = start(
      `const server = await serve({
        routes: { "/static": new Response("static"), "/user/:id": (request) => new Response(request.params.id) },
        fetch(request, server) {
          if (request.url.endsWith("/ws") && server.upgrade(request, { data: "d" })) return;
          return Response.json(server.requestIP(request));
        },
        websocket: { message(socket, message) { socket.send(socket.data + message); } },
        idleTimeout: 20,
      });
      console.log("up");`,
      [socket.fd],
    );
    expect(await line()).toBe("up");
    expect(await text(`${socket.url}static`)).toBe("static");
    expect(await text(`${socket.url}user/7`)).toBe("7");
    expect(await (await fetch(socket.url)).json()).toMatchObject({ address: "127.0.0.1", family: "IPv4" });
    expect(await echo(`${socket.url}ws`, "hello")).toBe("dhello");
  });

  const noOpenssl = missing("openssl");
  test.skipIf(Boolean(noOpenssl))(titled("has TLS", noOpenssl), async () => {
    using directory = temporaryDirectory();
    using socket = tcpListener();
    const [key, cert] = [join(directory.path, "key"), join(directory.path, "cert")];
    const made = await run(
      `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${key} -out ${cert} -days 2 -subj /CN=localhost`.split(
        " ",
      ),
    );
    expect(made.code).toBe(0);
    const { line } = start(withOptions(`{ tls: { key: Bun.file("${key}"), cert: Bun.file("${cert}") } }`), [socket.fd]);
    const url = socket.url.replace("http", "https");
    expect(await line()).toBe(url);
    expect(await text(`${url}tls`, { tls: { rejectUnauthorized: false } })).toBe("/tls GET ");
  });

  test("serves all sockets of the name as one server", async () => {
    using directory = temporaryDirectory();
    using four = tcpListener();
    using six = tcpListener("::1");
    using unix = unixListener(join(directory.path, "http"));
    const { child, line } = start(
      `const server = await serve({
        async fetch(request, own) {
          if (request.url.endsWith("/ws") && server.upgrade(request)) return;
          if (request.url.endsWith("/slow")) await Bun.sleep(300);
          if (request.url.endsWith("/reload")) server.reload({ fetch: () => new Response("new") });
          return Response.json([server.pendingRequests, own.pendingRequests, server.subscriberCount("all")]);
        },
        websocket: {
          open(socket) { socket.subscribe("all"); },
          message(socket, message) { socket.publish("all", "of the socket"); server.publish("all", "of the server"); },
        },
      });
      console.log(server.url.href);
      process.on("SIGTERM", async () => { await server.stop(); process.exit(); });`,
      [four.fd, six.fd, unix.fd],
    );
    expect(await line()).toBe(four.url);
    const slow = text(`${four.url}slow`);
    await Bun.sleep(50);
    const path = unix.unix ?? "";
    expect(await text(unix.url, { unix: path })).toBe("[2,2,0]");
    expect(await slow).toBe("[1,1,0]");
    const heard = await Promise.all([four, six].map(({ url }) => connect(`${url}ws`)));
    expect(await text(six.url)).toBe("[1,1,2]");
    heard[1]?.socket.send("go");
    expect(await heard[0]?.next()).toBe("of the socket");
    expect(await heard[0]?.next()).toBe("of the server");
    expect(await heard[1]?.next()).toBe("of the server");
    for (const { socket } of heard) socket.close();
    await text(`${six.url}reload`);
    expect(await Promise.all([text(four.url), text(six.url), text(unix.url, { unix: path })])).toEqual([
      "new",
      "new",
      "new",
    ]);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("has queues as long as the unit says, and takes a blocking socket", async () => {
    using directory = temporaryDirectory();
    using socket = unixListener(join(directory.path, "http"), 5);
    const { child, line } = start(withOptions("{}"), [socket.fd]);
    await line();
    expect(await text(socket.url, { unix: `${socket.unix}` })).toBe("/ GET ");
    child.kill("SIGSTOP");
    const clients: number[] = [];
    try {
      for (;;) clients.push(connectTo(`${socket.unix}`));
    } catch (error) {
      expect(isErrno(error, EAGAIN)).toBe(true);
    }
    for (const client of clients) sys.close(client);
    // The kernel takes one more than the backlog.
    expect(clients).toHaveLength(6);
  });

  test("answers 500 when a handler throws, tells onError, and goes on", async () => {
    using socket = tcpListener();
    const { line } = start(
      `const server = await serve({
        routes: { "/route": () => { throw new Error("of a route") } },
        fetch: async (request) => { if (request.url.endsWith("/late")) { await 1; throw "late" } throw new Error("early"); },
        onError: (error) => console.log(error.message ?? error),
      });
      console.log("up");`,
      [socket.fd],
    );
    await line();
    for (const [path, message] of [
      ["", "early"],
      ["late", "late"],
      ["route", "of a route"],
    ] as const) {
      const response = await fetch(socket.url + path);
      expect([response.status, await response.text()]).toEqual([500, "Internal Server Error\n"]);
      expect(await line()).toBe(message);
    }
  });

  test("answers with error() of the program, and 500 when that throws too", async () => {
    using socket = tcpListener();
    const { line, child, errors } = start(
      `const server = await serve({
        fetch(request) { throw new Error(new URL(request.url).pathname); },
        error(error) { if (error.message === "/twice") throw new Error("again"); return new Response(error.message, { status: 418 }); },
      });
      console.log("up");`,
      [socket.fd],
    );
    await line();
    const once = await fetch(`${socket.url}once`);
    expect([once.status, await once.text()]).toEqual([418, "/once"]);
    expect((await fetch(`${socket.url}twice`)).status).toBe(500);
    child.kill();
    expect(await errors).toEqual(["sd-notify: again"]);
  });

  test("gives new handlers to the same server with bun --hot", async () => {
    using directory = temporaryDirectory();
    using socket = tcpListener();
    const file = join(directory.path, "server.ts");
    const write = (answer: string) =>
      writeFileSync(
        file,
        `import { serve } from ${JSON.stringify(join(ROOT, "src/index.ts"))};
         const server = await serve({ fetch: () => new Response("${answer}") });
         console.log("${answer}", server.url.href);`,
      );
    write("one");
    const { line } = watch(
      Bun.spawn(["sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", BUN, "--hot", file], {
        env: { PATH: process.env.PATH ?? "", LISTEN_FDS: "1", LISTEN_FDNAMES: "http" },
        stdio: ["ignore", "pipe", "pipe", socket.fd] as never,
      }),
    );
    expect(await line()).toBe(`one ${socket.url}`);
    expect(await text(socket.url)).toBe("one");
    write("two");
    expect(await line()).toBe(`two ${socket.url}`);
    expect(await text(socket.url)).toBe("two");
  });
});

describe("serve() takes", () => {
  const names = (...all: string[]) => ({ LISTEN_FDNAMES: all.join(":") });

  test("the socket of the name, of several", async () => {
    using a = tcpListener();
    using b = tcpListener();
    const { line } = start(withOptions("{ name: 'api' }"), [a.fd, b.fd], names("admin", "api"));
    expect(await line()).toBe(b.url);
  });

  test("the only one, where none has the name", async () => {
    using socket = tcpListener();
    using file = memfd();
    const { line } = start(withOptions("{ port: 1 }"), [file.fd, socket.fd], names("state", "web.socket"));
    expect(await line()).toBe(socket.url);
  });

  test("none of several, where none has the name, and says which there are", async () => {
    using a = tcpListener();
    using b = tcpListener();
    const { line, errors } = start(withOptions("{}"), [a.fd, b.fd], names("admin", "api"));
    expect(await line()).toBeUndefined();
    expect((await errors).join("\n")).toContain(
      `Cannot serve: no passed socket is named "http", but there are "admin", "api": set FileDescriptorName=http`,
    );
  });

  test("no socket twice, but again after stop()", async () => {
    using socket = tcpListener();
    const source = `
      const first = await serve({ fetch: () => new Response("first") });
      await serve({ fetch: () => new Response("second") }).catch((error) => console.log(error.message));
      const other = await serve({ name: "other", fetch: () => new Response("other") });
      console.log(other.port !== first.port);
      await first.stop();
      const second = await serve({ fetch: () => new Response("second") });
      console.log(second.url.href);`;
    const { line } = start(source, [socket.fd]);
    expect(await line()).toBe(`Cannot serve: fd 3, "http", is served already: give each server a name`);
    expect(await line()).toBe("true");
    expect(await line()).toBe(socket.url);
    expect(await text(socket.url)).toBe("second");
  });

  test("no socket that was passed to a shell, and says how to pass it on", async () => {
    using socket = tcpListener();
    const source = Buffer.from(`import { serve } from "./src/index.ts";\n${withOptions("{}")}`);
    const child = Bun.spawn(["sh", "-c", `LISTEN_PID=$$; export LISTEN_PID; "$@"; true`, "sh", BUN, "run", "-"], {
      cwd: ROOT,
      env: { PATH: process.env.PATH ?? "", LISTEN_FDS: "1" },
      stdio: [source, "pipe", "pipe", socket.fd] as never,
    });
    const shell = watch(child);
    expect(await shell.line()).toBeUndefined();
    expect((await shell.errors).join("\n")).toContain(`$LISTEN_PID is ${child.pid}, and this process is`);
    expect((await shell.errors).join("\n")).toContain("ExecStart=sh -c 'exec bun …'");
  });

  test("its own where only another process was passed some, and says so", async () => {
    const { line, child, errors } = start(`process.env.LISTEN_PID = "1"; ${withOptions("{}")}`, [], {
      LISTEN_FDS: "1",
    });
    expect(await line()).toStartWith("http://127.0.0.1:");
    child.kill();
    expect((await errors).join("\n")).toContain("sd-notify: Cannot serve on the passed socket: $LISTEN_PID is 1");
  });
});

describe("serve() without a passed socket", () => {
  test("opens one for the fd store, where the next start finds it", async () => {
    using receiver = openReceiver();
    const { child, line, errors } = start(withOptions("{ name: 'api' }"), [], { ...receiver.env, FDSTORE: "1" });
    const url = (await line()) ?? "";
    using stored = await receiver.waitFor(({ text }) => text === "FDSTORE=1\nFDNAME= serve api 127.0.0.1-0");
    expect(stored.fds).toHaveLength(1);
    expect(await text(`${url}x`)).toBe("/x GET ");
    await fetch(`${url}stop`);
    expect(await child.exited).toBe(0);
    expect(await errors).toEqual([]);
    const again = start(withOptions("{ name: 'api' }"), stored.fds, { LISTEN_FDNAMES: "api" });
    expect(await again.line()).toBe(url);
    expect(await text(`${url}y`)).toBe("/y GET ");
  });

  test("does the same with a unix socket", async () => {
    using directory = temporaryDirectory();
    using receiver = openReceiver();
    const unix = join(directory.path, "http");
    const { child, line } = start(withOptions(`{ unix: ${JSON.stringify(unix)} }`), [], receiver.env);
    expect(await line()).toBe(`unix://${unix}`);
    expect(await text("http://localhost/z", { unix })).toBe("/z GET ");
    using stored = await receiver.waitFor(({ fds }) => fds.length === 1);
    await fetch("http://localhost/stop", { unix });
    expect(await child.exited).toBe(0);
    const again = start(withOptions("{}"), stored.fds, { LISTEN_FDNAMES: "http" });
    expect(await again.line()).toBe(`unix://${unix}`);
    expect(await text("http://localhost/w", { unix })).toBe("/w GET ");
  });

  test("says once which line of the unit keeps the socket", async () => {
    using receiver = openReceiver();
    const { child, errors, line } = start(
      `for (const name of ["a", "b"]) await serve({ name, fetch: () => new Response() }); console.log("up");`,
      [],
      receiver.env,
    );
    expect(await line()).toBe("up");
    child.kill();
    expect(await errors).toEqual([
      "sd-notify: The service manager doesn't keep the socket, so a restart will refuse connections: set FileDescriptorStoreMax=1 in the [Service] section of the unit",
    ]);
  });

  test.each([["TCP"], ["unix"]])("closes a socket that can't be stored: %s", async (kind) => {
    using directory = temporaryDirectory();
    const unix = join(directory.path, "http");
    const source = `
      const { readdirSync, readlinkSync } = await import("node:fs");
      const sockets = () => readdirSync("/proc/self/fd").filter((fd) => { try { return readlinkSync("/proc/self/fd/" + fd).startsWith("socket:") } catch {} }).length;
      const before = sockets();
      await serve({ ${kind === "unix" ? `unix: "${unix}",` : ""} fetch() {} }).catch((error) => console.log(error.code));
      await Bun.sleep(10);
      console.log(sockets() - before);`;
    const { line } = start(source, [], { NOTIFY_SOCKET: join(directory.path, "none") });
    expect(await line()).toBe("ENOENT");
    expect(await line()).toBe("0");
    expect(statSync(unix, { throwIfNoEntry: false })).toBeUndefined();
  });

  test("starts again on the path of a server that was killed", async () => {
    using directory = temporaryDirectory();
    const unix = join(directory.path, "http");
    const first = start(withOptions(`{ unix: ${JSON.stringify(unix)} }`));
    await first.line();
    first.child.kill("SIGKILL");
    await first.child.exited;
    expect(statSync(unix).isSocket()).toBe(true);
    const second = start(withOptions(`{ unix: ${JSON.stringify(unix)} }`));
    expect(await second.line()).toBe(`unix://${unix}`);
    await fetch("http://localhost/stop", { unix });
    expect(await second.child.exited).toBe(0);
    // Without a service manager, it has nobody to wait for.
    expect(statSync(unix, { throwIfNoEntry: false })).toBeUndefined();
  });

  test("leaves the path of a living server, though its queue is full, and a file", async () => {
    using directory = temporaryDirectory();
    using busy = unixListener(join(directory.path, "busy"), 0);
    const waiting = connectTo(`${busy.unix}`);
    const file = join(directory.path, "file");
    writeFileSync(file, "kept");
    for (const unix of [`${busy.unix}`, file]) {
      const source = `await serve({ unix: ${JSON.stringify(unix)}, fetch() {} }).catch((error) => console.log(error.code));`;
      expect(
        (
          await runModule(
            source.replace("await serve", `const { serve } = await import("../src/index.ts"); await serve`),
          )
        ).stdout,
      ).toBe("EADDRINUSE\n");
    }
    sys.close(waiting);
    expect(statSync(`${busy.unix}`).isSocket()).toBe(true);
    expect(readFileSync(file, "utf8")).toBe("kept");
  });

  test("refuses options that can't be, and a port that is taken", async () => {
    const source = `
      const wrong = [undefined, {}, { fetch: 5 }, { fetch() {}, prt: 1 }, { fetch() {}, nmae: "x" }, { fetch() {}, name: 5 }, { fetch() {}, http3: true }];
      for (const options of wrong) await serve(options).catch((error) => console.log(error.name));
      const taken = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });
      await serve({ fetch() {}, port: taken.port }).catch((error) => console.log(error.code));
      console.log("end"); process.exit();`;
    const { line } = start(source);
    const lines: unknown[] = [];
    for (let next = await line(); next !== "end"; next = await line()) lines.push(next);
    expect(lines).toEqual([...Array(7).fill("TypeError"), "EADDRINUSE"]);
  });
});

describe("stop()", () => {
  test("answers the requests in flight, and refuses none that come meanwhile", async () => {
    using receiver = openReceiver();
    const first = start(withOptions("{}"), [], receiver.env);
    const url = await first.line();
    using stored = await receiver.waitFor(({ fds }) => fds.length === 1);
    const slow = text(`${url}slow?ms=300`);
    await fetch(`${url}fast`);
    await fetch(`${url}stop`);
    const waiting = text(`${url}next`);
    expect(await slow).toBe("/slow GET ");
    expect(await first.child.exited).toBe(0);
    start(withOptions("{}"), stored.fds, { LISTEN_FDNAMES: "http" });
    expect(await waiting).toBe("/next GET ");
  });

  test("answers a client that has connected, and not yet sent its request", async () => {
    using socket = tcpListener();
    const { child, line } = start(
      `${withOptions("{}")} process.on("SIGTERM", async () => { const stopped = server.stop(); console.log("stopping"); await stopped; process.exit(); });`,
      [socket.fd],
    );
    await line();
    const { promise, resolve } = Promise.withResolvers<string>();
    const connection = await Bun.connect({
      hostname: "127.0.0.1",
      port: Number(new URL(socket.url).port),
      socket: { data: (_, data) => resolve(data.toString()), close: () => resolve("closed") },
    });
    // What comes later is accepted later.
    await fetch(socket.url, { keepalive: false });
    child.kill("SIGTERM");
    expect(await line()).toBe("stopping");
    connection.write("GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(await promise).toStartWith("HTTP/1.1 201 ");
    expect(await child.exited).toBe(0);
  });

  test("does not wait for who waits in the queue of the other family's socket", async () => {
    using four = tcpListener();
    using six = tcpListener("::1", Number(new URL(four.url).port));
    const { child, line } = start(
      `${withOptions("{}")} process.on("SIGTERM", async () => { const stopped = server.stop(); console.log("stopping"); await stopped; process.exit(); });`,
      [four.fd, six.fd],
    );
    await line();
    // Its connection stays, idle.
    expect(await text(`${four.url}first`)).toBe("/first GET ");
    child.kill("SIGTERM");
    expect(await line()).toBe("stopping");
    const waiting = text(`${six.url}next`);
    const begin = performance.now();
    expect(await child.exited).toBe(0);
    expect(performance.now() - begin).toBeLessThan(5000);
    start(withOptions("{}"), [four.fd, six.fd]);
    expect(await waiting).toBe("/next GET ");
  });

  test("ends what is left at once with true, also after stop()", async () => {
    using socket = tcpListener();
    const { child, line } = start(
      `${withOptions("{}")} process.on("SIGTERM", async () => { server.stop(); await server.stop(true); console.log("stopped"); });`,
      [socket.fd],
    );
    await line();
    const slow = fetch(`${socket.url}slow?ms=60000`).catch(() => "ended");
    await fetch(socket.url);
    child.kill("SIGTERM");
    expect(await line()).toBe("stopped");
    expect(await slow).toBe("ended");
  });

  test("is not kept by a client that has gone before its answer came", async () => {
    const { child, line } = start(withOptions("{}"));
    const url = await line();
    const source = `for (let i = 0; i < 5; i++) await fetch("${url}slow?ms=200", { signal: AbortSignal.timeout(30) }).catch(() => {});`;
    expect((await runModule(source)).code).toBe(0);
    await fetch(`${url}stop`);
    expect(await child.exited).toBe(0);
  });
});

describe("a restart", () => {
  test.each(["IPv4", "IPv6", "unix"])(
    "loses none of 1,000 requests a second on a passed socket: %s",
    async (kind) => {
      using directory = temporaryDirectory();
      using socket = openSomewhere(kind, directory.path);
      expect(await underLoad(socket, start(OK, [socket.fd]), [socket.fd])).toEqual([]);
    },
    30_000,
  );

  test.each(["TCP", "unix"])(
    "loses none on a socket in the fd store: %s",
    async (kind) => {
      using directory = temporaryDirectory();
      using receiver = openReceiver();
      const unix = join(directory.path, "http");
      const first = start(kind === "unix" ? OK.replace("{", `{ unix: "${unix}", `) : OK, [], receiver.env);
      const url = (await first.line()) ?? "";
      using stored = await receiver.waitFor(({ fds }) => fds.length === 1);
      const where = kind === "unix" ? { url: "http://localhost/", unix } : { url };
      expect(await underLoad(where, first, stored.fds)).toEqual([]);
    },
    30_000,
  );
});

test.skipIf(Boolean(oldest.why))(titled("serve() works with Bun 1.4.0", oldest.why), async () => {
  using socket = tcpListener();
  const { line } = start(withOptions("{}"), [socket.fd], {}, oldest.program);
  expect(await line()).toBe(socket.url);
  expect(await text(`${socket.url}old`)).toBe("/old GET ");
});

test("checkAccepted() fails where a socket listens and nobody accepts", async () => {
  using directory = temporaryDirectory();
  using socket = unixListener(join(directory.path, "http"));
  const address = { family: "unix" as const, path: Buffer.from(`${socket.unix}`) };
  expect(await checkAccepted(address).catch((error) => error.message)).toEndWith("accepts no connection there");
});

test("findListener() fails where Bun watches no such socket, and adoptListener() where it watches another", () => {
  using socket = tcpListener();
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  expect(() => findListener({ family: "inet", address: "127.0.0.1", port: 1 })).toThrow("0 event loops of Bun");
  const listener = findListener({ family: "inet", address: "127.0.0.1", port: server.port ?? 0 });
  const event = { ...listener.event, data: listener.event.data + 1n };
  // The epoll of nobody's event loop.
  expect(() => adoptListener({ ...listener, event, epoll: socket.fd }, socket.fd)).toThrow("epoll_ctl");
  void server.stop(true);
});

test("serve() says in one line what to change where libc can't be called", async () => {
  using socket = tcpListener();
  const source = `await serve({ fetch() {} }).catch((error) => console.log(error.code, error.message));`;
  const { line } = start(source, [socket.fd], { BUN_JSC_useJIT: "0" });
  const message = (await line()) ?? "";
  expect(message).toStartWith("ERR_FFI_UNAVAILABLE Cannot serve on the passed socket: ");
  expect(message).toContain("set MemoryDenyWriteExecute=no in the unit");
});

test("Bun.serve() takes no fd yet; the day it does, serve() and register can do without their detour", async () => {
  using socket = tcpListener();
  const { port } = new URL(socket.url);
  const source = `
    let passed;
    try {
      const server = Bun.serve({ fd: 3, port: 0, fetch: () => new Response("x") });
      passed = server.port === ${port};
      server.stop(true);
    } catch { passed = false; }
    console.log(passed);
    process.exit();`;
  const { line } = start(source, [socket.fd]);
  expect(await line()).toBe("false");
});

// --- internal ---

function memfd(): Disposable & { fd: number } {
  const fd = createMemfd("state");
  return { fd, [Symbol.dispose]: () => sys.close(fd) };
}

/** Connects to a unix socket, but does not wait in its queue. */
function connectTo(path: string): number {
  const fd = sys.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, path);
  try {
    sys.connect(fd, { family: "unix", path: Buffer.from(path) }, path);
    return fd;
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}

/** Opens a websocket, whose messages come one by one. */
async function connect(url: string): Promise<{ socket: WebSocket; next(): Promise<string> }> {
  const socket = new WebSocket(url.replace("http", "ws"));
  const messages: string[] = [];
  let arrived = Promise.withResolvers<void>();
  socket.onmessage = ({ data }) => {
    messages.push(String(data));
    arrived.resolve();
    arrived = Promise.withResolvers();
  };
  const open = Promise.withResolvers<void>();
  socket.onopen = () => open.resolve();
  socket.onerror = () => open.reject(new Error(`no websocket at ${url}`));
  await open.promise;
  const next = async () => {
    while (messages.length === 0) await within(5000, arrived.promise, () => "no message within 5 seconds");
    return messages.shift() ?? "";
  };
  return { socket, next };
}

async function echo(url: string, message: string): Promise<string> {
  const { socket, next } = await connect(url);
  socket.send(message);
  const answer = await next();
  socket.close();
  return answer;
}

/** Restarts a server twice under load. Returns what was not answered. */
async function underLoad(where: Target, first: Started, fds: readonly number[]): Promise<string[]> {
  let current = first;
  const { sent, lost } = await restartUnderLoad(where, async () => {
    await fetch(`${where.url}stop`, { ...(where.unix && { unix: where.unix }) });
    await current.child.exited;
    current = start(OK, fds);
    await current.line();
  });
  expect(sent).toBeGreaterThan(2000);
  return lost;
}
