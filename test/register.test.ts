import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { barrier } from "../src/barrier.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { BUN, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { freePort, tcpListener, unixListener } from "./support/listeners.ts";
import { oldBun } from "./support/old-bun.ts";
import {
  BUN_SERVE,
  endPrograms,
  LIBRARY,
  life,
  REGISTER,
  removePrograms,
  startProgram,
  text,
  urlOf,
  WHOLE_LIFE,
  words,
} from "./support/register.ts";

afterEach(endPrograms);
afterAll(removePrograms);

describe("an unmodified program is a unit:", () => {
  test.each([
    ["Bun.serve()", "ts", BUN_SERVE],
    ["import { serve }", "ts", `import { serve } from "bun"; ${BUN_SERVE.replace("Bun.serve", "serve")}`],
    ["export default", "ts", `export default { port: 0, hostname: "127.0.0.1", fetch: () => new Response("x") };`],
    [
      "export default of a class",
      "ts",
      `class App { port = 0; get hostname() { return "127.0.0.1"; } fetch() { return new Response("x"); } }
       export default new App();`,
    ],
    [
      "node:http",
      "mjs",
      `import { createServer } from "node:http";
       createServer((_, response) => response.end("x")).listen(0, "127.0.0.1");`,
    ],
    [
      "node:http in CommonJS",
      "cjs",
      `require("http").createServer((_, response) => response.end("x")).listen(0, "127.0.0.1");`,
    ],
    ["after an await", "ts", `await Bun.sleep(50); ${BUN_SERVE}`],
    ["after a timer", "ts", `setTimeout(() => { ${BUN_SERVE} }, 50);`],
  ])("%s", async (_, extension, source) => {
    using receiver = openReceiver();
    const { child } = startProgram(source, { receiver, extension, env: { WATCHDOG_USEC: "60000000" } });
    const url = urlOf(await receiver.waitFor({ ready: true }));
    expect(await text(url)).toBe("x");
    await receiver.waitFor(({ text }) => text === "WATCHDOG=1");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await life(receiver)).toEqual(WHOLE_LIFE);
  });
});

describe("READY=1 goes out when", () => {
  test("all servers listen that the program opens at its top level, with an await in between", async () => {
    using receiver = openReceiver();
    startProgram(`${BUN_SERVE} await Bun.sleep(300); { ${BUN_SERVE} }`, { receiver });
    expect((await receiver.waitFor({ ready: true })).state.status).toMatch(/^Listening on http:\S+, http:\S+$/);
  });

  test("the first listens, although the top level never ends", async () => {
    using receiver = openReceiver();
    startProgram(`${BUN_SERVE} await new Promise(() => {});`, { receiver });
    await receiver.waitFor({ ready: true });
  });
});

test("the status counts requests in flight", async () => {
  using receiver = openReceiver();
  const source = BUN_SERVE.replace("() => new Response", "async () => await Bun.sleep(8000) ?? new Response");
  startProgram(source, { receiver });
  const url = urlOf(await receiver.waitFor({ ready: true }));
  void fetch(url).catch(() => {});
  await receiver.waitFor({ status: `Listening on ${url}: 1 request in flight` }, { timeoutMs: 8000 });
}, 15_000);

test("an address that is none is told in a line, and the program serves", async () => {
  const { child, line, errors } = startProgram(`${BUN_SERVE} console.log(server.url.href);`, {
    env: { NOTIFY_SOCKET: "nonsense" },
  });
  expect(await text((await line()) ?? "")).toBe("x");
  await Bun.sleep(300);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  expect((await errors).join("\n")).toMatch(/^sd-notify: .*"nonsense".*$/);
});

describe("a program that listens on nothing", () => {
  test("is told after some seconds that READY=1 was not sent, and stops on SIGTERM", async () => {
    using receiver = openReceiver();
    const { child, errors } = startProgram("setInterval(() => {}, 1e6);", { receiver });
    await Bun.sleep(5500);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect((await errors).join("\n")).toMatch(/^sd-notify: The program listens on nothing.*SD_NOTIFY_READY=loaded$/);
    expect(await life(receiver)).toEqual(["STOPPING STATUS EXTEND_TIMEOUT_USEC"]);
  }, 10_000);

  test("is ready when it is loaded, with SD_NOTIFY_READY=loaded", async () => {
    using receiver = openReceiver();
    const env = { SD_NOTIFY_READY: "loaded", WATCHDOG_USEC: "60000000" };
    const source = `await Bun.sleep(200); console.log("loaded"); setInterval(() => {}, 1e6);`;
    const { line } = startProgram(source, { receiver, env });
    const ready = receiver.waitFor({ ready: true, status: "Running" });
    expect(await Promise.race([line(), ready])).toBe("loaded");
    await ready;
    await receiver.waitFor(({ text }) => text === "WATCHDOG=1");
  });

  test("says itself that it is ready, and is watched then", async () => {
    using receiver = openReceiver();
    const source = `import { notify } from ${LIBRARY}; notify({ ready: true }); setInterval(() => {}, 1e6);`;
    startProgram(source, { receiver, env: { WATCHDOG_USEC: "60000000" } });
    await receiver.waitFor(({ text }) => text === "WATCHDOG=1");
    expect(words(receiver)[0]).toBe("READY");
  });
});

describe("settings", () => {
  test.each([
    ["SD_NOTIFY_READY", "soon", `it must be "listening", "loaded" or "program"`],
    ["SD_NOTIFY_SOCKETS", "web", `it must be "none", or PORT=NAME, as in "3000=http 9090=metrics"`],
    ["SD_NOTIFY_DRAIN_SEC", "1 min", `it must be a number of seconds, or "infinity"`],
  ])("a wrong $%s is told in a line, and the program starts", async (name, value, why) => {
    using receiver = openReceiver();
    const { child, errors } = startProgram(BUN_SERVE, { receiver, env: { [name]: value } });
    await receiver.waitFor({ ready: true });
    child.kill("SIGTERM");
    expect(await errors).toEqual([`sd-notify: Cannot use $${name} ${JSON.stringify(value)}: ${why}`]);
  });

  test("a name that is mistyped is told in a line", async () => {
    using receiver = openReceiver();
    const { child, errors } = startProgram(BUN_SERVE, { receiver, env: { SD_NOTIFY_REDY: "loaded" } });
    await receiver.waitFor({ ready: true });
    child.kill("SIGTERM");
    expect(await errors).toEqual(["sd-notify: There is no setting $SD_NOTIFY_REDY: is it $SD_NOTIFY_READY?"]);
  });

  test("a name that no passed socket has is told, and the port decides", async () => {
    using receiver = openReceiver();
    using socket = tcpListener();
    const env = { SD_NOTIFY_SOCKETS: "3000=web" };
    const source = `Bun.serve({ port: 3000, fetch: () => new Response("x") });`;
    const { child, errors } = startProgram(source, { receiver, env, fds: [socket.fd] });
    expect(urlOf(await receiver.waitFor({ ready: true }))).toBe(socket.url);
    child.kill("SIGTERM");
    expect(await errors).toEqual([
      'sd-notify: $SD_NOTIFY_SOCKETS gives port 3000 the socket "web", which was not passed',
    ]);
  });

  test("$SD_NOTIFY_DRAIN_SEC ends a drain", async () => {
    using receiver = openReceiver();
    const source = BUN_SERVE.replace(
      "() => new Response",
      "async () => (console.log(1), await Bun.sleep(1e6), 1) && new Response",
    );
    const { child, line } = startProgram(source, { receiver, env: { SD_NOTIFY_DRAIN_SEC: "0.3" } });
    void fetch(urlOf(await receiver.waitFor({ ready: true }))).catch(() => {});
    await line();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("with SD_NOTIFY_READY=program, READY=1 is left to the program", async () => {
    using receiver = openReceiver();
    const source = `import { notify } from ${LIBRARY}; ${BUN_SERVE}
      setTimeout(() => notify({ ready: true, status: "own" }), 300);`;
    startProgram(source, { receiver, env: { SD_NOTIFY_READY: "program" } });
    expect((await receiver.waitFor({ ready: true })).state.status).toBe("own");
  });
});

describe("the program is left to do itself:", () => {
  test("startWatchdog(), whose check counts", async () => {
    using receiver = openReceiver();
    const source = `import { startWatchdog } from ${LIBRARY}; ${BUN_SERVE} startWatchdog({ check: () => false });`;
    startProgram(source, { receiver, env: { WATCHDOG_USEC: "200000" } });
    await receiver.waitFor({ ready: true });
    await Bun.sleep(400);
    await barrier({ socket: receiver.address });
    expect(receiver.history.filter(({ text }) => text.startsWith("WATCHDOG"))).toEqual([]);
  });

  test("pings of its own", async () => {
    using receiver = openReceiver();
    const source = `import { notify } from ${LIBRARY}; ${BUN_SERVE} notify({ watchdog: true });`;
    startProgram(source, { receiver, env: { WATCHDOG_USEC: "200000" } });
    await receiver.waitFor({ ready: true });
    await Bun.sleep(400);
    await barrier({ socket: receiver.address });
    expect(receiver.history.filter(({ text }) => text.startsWith("WATCHDOG"))).toHaveLength(1);
  });

  test("its reload on SIGHUP, which is told around its handler", async () => {
    using receiver = openReceiver();
    const source = `process.on("SIGHUP", () => console.log("reloaded")); ${BUN_SERVE}`;
    const { child, line } = startProgram(source, { receiver });
    await receiver.waitFor({ ready: true });
    child.kill("SIGHUP");
    await receiver.waitFor({ reloading: true });
    expect(await line()).toBe("reloaded");
    await receiver.waitFor({ ready: true });
  });

  test("RELOADING=1", async () => {
    using receiver = openReceiver();
    const source = `import { notify } from ${LIBRARY}; ${BUN_SERVE}
      process.on("SIGHUP", () => { notify({ reloading: true }); setTimeout(() => notify({ ready: true }), 100); });`;
    const { child } = startProgram(source, { receiver });
    await receiver.waitFor({ ready: true });
    child.kill("SIGHUP");
    await receiver.waitFor({ reloading: true });
    await receiver.waitFor({ ready: true });
    expect(words(receiver)).toEqual(["READY STATUS", "RELOADING MONOTONIC_USEC", "READY"]);
  });

  test("serve() of this package, on the socket that it names", async () => {
    using receiver = openReceiver();
    using a = tcpListener();
    using b = tcpListener();
    const source = `import { serve } from ${LIBRARY}; ${BUN_SERVE.replace("port: 0", "port: 1")}
      await serve({ name: "api", fetch: () => new Response("api") });`;
    const { child } = startProgram(source, {
      receiver,
      fds: [a.fd, b.fd],
      names: "web:api",
      env: { SD_NOTIFY_SOCKETS: "1=web" },
    });
    await receiver.waitFor({ ready: true, status: `Listening on ${a.url}, ${b.url}` });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await life(receiver)).toEqual(WHOLE_LIFE);
  });

  test("what another copy of this package does", async () => {
    using receiver = openReceiver();
    const source = `import { manageServer } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
      ${BUN_SERVE} manageServer(server, { status: () => "own" });`;
    const { child } = startProgram(source, { receiver });
    expect((await receiver.waitFor({ ready: true })).state.status).toEndWith(": own");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await life(receiver)).toEqual(WHOLE_LIFE);
  });

  test("a server that it opens later, reloads and stops", async () => {
    using receiver = openReceiver();
    const source = `${BUN_SERVE}
      setTimeout(async () => {
        const late = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("late") });
        server.reload({ fetch: () => new Response("new") });
        console.log(await (await fetch(server.url)).text(), late.url.href);
        await late.stop();
        console.log("stopped");
      }, 300);`;
    const { child, line } = startProgram(source, { receiver });
    await receiver.waitFor({ ready: true });
    expect(await line()).toStartWith("new http://");
    expect(await line()).toBe("stopped");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await life(receiver)).toEqual(WHOLE_LIFE);
  });

  test("manageServer()", async () => {
    using receiver = openReceiver();
    const source = `import { manageServer } from ${LIBRARY}; ${BUN_SERVE} manageServer(server, { status: () => "own" });`;
    const { child } = startProgram(source, { receiver });
    expect((await receiver.waitFor({ ready: true })).state.status).toEndWith(": own");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await life(receiver)).toEqual(WHOLE_LIFE);
  });

  test("READY=1 and the status", async () => {
    using receiver = openReceiver();
    const source = `import { notify } from ${LIBRARY}; ${BUN_SERVE}
      setTimeout(() => notify({ ready: true, status: "own" }), 100); await Bun.sleep(300);`;
    const { child } = startProgram(source, { receiver });
    await receiver.waitFor({ ready: true });
    await Bun.sleep(400);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await life(receiver)).toEqual(["READY STATUS", "STOPPING EXTEND_TIMEOUT_USEC"]);
  });

  test("its stop, but for STOPPING=1", async () => {
    using receiver = openReceiver();
    const source = `process.on("SIGTERM", async () => { await Bun.sleep(100); await server.stop(); process.exit(3); }); ${BUN_SERVE}`;
    const { child } = startProgram(source, { receiver });
    await receiver.waitFor({ ready: true });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(3);
    expect(await life(receiver)).toEqual(["READY STATUS", "STOPPING STATUS"]);
  });
});

describe("a server takes", () => {
  const SERVE = (options: string) => `Bun.serve({ ${options}, fetch: () => new Response("x") })`;
  const where = (servers: string) => `for (const server of [${servers}]) console.log(server.url.href);`;

  test.each(["IPv4", "IPv6", "unix"])("the only passed socket, whatever port it asks for: %s", async (kind) => {
    using directory = temporaryDirectory();
    using socket =
      kind === "unix" ? unixListener(join(directory.path, "http")) : tcpListener(kind === "IPv6" ? "::1" : "127.0.0.1");
    using receiver = openReceiver();
    const { child } = startProgram(SERVE("port: 1"), { receiver, fds: [socket.fd] });
    const { unix, url } = socket;
    await receiver.waitFor({ ready: true, status: `Listening on ${unix ? `unix://${unix}` : url}` });
    expect(await text(url, { ...(unix && { unix }) })).toBe("x");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    if (unix) expect(statSync(unix).isSocket()).toBe(true);
  });

  test("the only one without a service manager, too, and stops in order", async () => {
    using socket = tcpListener();
    const source = `console.log(Bun.serve({ async fetch() { await Bun.sleep(300); return new Response("late"); } }).url.href)`;
    const { child, line } = startProgram(source, { fds: [socket.fd] });
    expect(await line()).toBe(socket.url);
    const late = text(socket.url);
    await Bun.sleep(100);
    child.kill("SIGTERM");
    expect(await late).toBe("late");
    expect(await child.exited).toBe(0);
  });

  test("all addresses of a port, and the unix socket beside them", async () => {
    using directory = temporaryDirectory();
    using four = tcpListener();
    const { port } = new URL(four.url);
    using six = tcpListener("::1", Number(port));
    using unix = unixListener(join(directory.path, "http"));
    const { line } = startProgram(where(SERVE(`port: ${port}`)), { fds: [six.fd, four.fd, unix.fd] });
    await line();
    expect(await Promise.all([text(four.url), text(six.url), text(unix.url, { unix: `${unix.unix}` })])).toEqual([
      "x",
      "x",
      "x",
    ]);
  });

  test("that of its port, of several", async () => {
    using a = tcpListener();
    using b = tcpListener();
    const ports = [a, b].map(({ url }) => new URL(url).port);
    const source = where(`${SERVE(`port: ${ports[1]}`)}, ${SERVE(`port: "${ports[0]}"`)}`);
    const { line } = startProgram(source, { fds: [a.fd, b.fd] });
    expect([await line(), await line()]).toEqual([b.url, a.url]);
  });

  test("that of $PORT, where it asks for none", async () => {
    using a = tcpListener();
    using b = tcpListener();
    const env = { PORT: new URL(b.url).port };
    const { line } = startProgram(where(SERVE("routes: {}")), { fds: [a.fd, b.fd], names: "a:b", env });
    expect(await line()).toBe(b.url);
  });

  test("that which $SD_NOTIFY_SOCKETS gives to its port, and the other one goes to the other server", async () => {
    using a = tcpListener();
    using b = tcpListener();
    const env = { SD_NOTIFY_SOCKETS: "3000=web 9090=metrics" };
    const source = where(`${SERVE("port: 9090")}, ${SERVE("port: 3000")}`);
    const { line } = startProgram(source, { fds: [a.fd, b.fd], names: "web:metrics", env });
    expect([await line(), await line()]).toEqual([b.url, a.url]);
  });

  test("no socket of several that it can't tell apart, and says how to", async () => {
    using a = tcpListener();
    using b = tcpListener();
    using receiver = openReceiver();
    const { child, errors } = startProgram(SERVE("port: 3000"), { receiver, fds: [a.fd, b.fd], names: "web:metrics" });
    expect(await child.exited).toBe(1);
    const message = `Cannot serve on port 3000: "web" (port ${new URL(a.url).port}), "metrics" (port ${new URL(b.url).port}) were passed, and none is at port 3000: set Environment=SD_NOTIFY_SOCKETS=3000=web in the unit`;
    expect((await errors).join("\n")).toContain(message);
    await receiver.waitFor(({ state }) => state.status?.startsWith("Failed: Cannot serve on port 3000") === true);
  });

  test("its own where none is left, and says so", async () => {
    using socket = tcpListener();
    const source = where(`${SERVE("port: 0")}, ${SERVE(`port: 0, hostname: "127.0.0.1"`)}`);
    const { line, child, errors } = startProgram(source, { fds: [socket.fd] });
    expect(await line()).toBe(socket.url);
    expect(await text((await line()) ?? "")).toBe("x");
    child.kill("SIGTERM");
    expect(await errors).toEqual([
      "sd-notify: The server on port 0 opens its own socket: none that was passed is left for it",
    ]);
  });

  test("none with SD_NOTIFY_SOCKETS=none", async () => {
    using socket = tcpListener();
    const { line } = startProgram(where(SERVE("port: 0")), { fds: [socket.fd], env: { SD_NOTIFY_SOCKETS: "none" } });
    expect(await line()).not.toBe(socket.url);
  });

  test("none that was passed to a shell, and says how to pass it on", async () => {
    using socket = tcpListener();
    const { child, errors } = startProgram(SERVE("port: 0"), { fds: [socket.fd], shell: true });
    expect(await child.exited).toBe(1);
    expect((await errors).join("\n")).toContain("ExecStart=sh -c 'exec bun …'");
  });

  test("node:http's the same way, and says which address it has", async () => {
    using socket = tcpListener();
    const source = `const server = require("http").createServer((_, response) => response.end("x"));
      server.listen({ fd: 3 }, () => console.log(server.address().port));`;
    const { line } = startProgram(source, { fds: [socket.fd], extension: "cjs" });
    expect(await line()).toBe(new URL(socket.url).port);
    expect(await text(socket.url)).toBe("x");
  });
});

describe("at SIGTERM", () => {
  test("what is in flight is answered on all servers, and nothing new is accepted", async () => {
    using receiver = openReceiver();
    const source = `
      const fetch = async () => { console.log("taken"); await Bun.sleep(500); return new Response("late"); };
      for (const _ of "ab") Bun.serve({ port: 0, hostname: "127.0.0.1", fetch });`;
    const { child, line } = startProgram(source, { receiver });
    const { state } = await receiver.waitFor({ ready: true });
    const urls = [...(state.status ?? "").matchAll(/http:[^\s,]+/g)].map(([url]) => url);
    const answers = Promise.all(urls.map((url) => text(url)));
    for (const _ of urls) expect(await line()).toBe("taken");
    child.kill("SIGTERM");
    await receiver.waitFor({ stopping: true, status: "Stopping: 2 requests in flight" });
    expect(await answers).toEqual(["late", "late"]);
    expect(await child.exited).toBe(0);
  });

  test("a server that can't be stopped cuts no request short on the others, and each failure is told", async () => {
    using receiver = openReceiver();
    const source = `
      const options = { port: 0, hostname: "127.0.0.1" };
      for (const name of ["one", "two"]) {
        const broken = Bun.serve({ ...options, fetch: () => new Response() });
        broken.stop = () => Promise.reject(new Error(name + " is broken"));
      }
      const fetch = async () => { console.log("taken"); await Bun.sleep(500); return new Response("late"); };
      Bun.serve({ ...options, fetch });`;
    const { child, line, errors } = startProgram(source, { receiver });
    const { state } = await receiver.waitFor({ ready: true });
    const answer = text([...(state.status ?? "").matchAll(/http:[^\s,]+/g)].map(([url]) => url)[2] ?? "");
    expect(await line()).toBe("taken");
    child.kill("SIGTERM");
    expect(await answer).toBe("late");
    expect(await child.exited).toBe(1);
    expect(await errors).toEqual(["sd-notify: one is broken; two is broken"]);
    await barrier({ socket: receiver.address });
    expect(receiver.history.at(-1)?.text).toContain("one is broken; two is broken");
  });

  const OWN = `process.on("SIGTERM", () => { server.closeIdleConnections(); server.close(() => process.exit(0)); });`;
  const NODE = `const server = require("http").createServer((_, response) => response.end("x")); server.listen(3000);`;
  test.each([
    ["Bun.serve()", `Bun.serve({ fetch: () => new Response("x") });`],
    ["node:http", NODE],
    ["node:http that closes idle connections itself", NODE + OWN],
  ])("a client that has connected is given a moment for its request: %s", async (_, source) => {
    using receiver = openReceiver();
    using socket = tcpListener();
    const { child } = startProgram(source, { receiver, fds: [socket.fd], extension: "cjs" });
    await receiver.waitFor({ ready: true });
    const { promise, resolve } = Promise.withResolvers<string>();
    const client = connect(Number(new URL(socket.url).port), "127.0.0.1");
    let answer = "";
    client.on("data", (data) => (answer += data)).on("close", () => resolve(answer));
    client.on("error", ({ message }) => resolve(message));
    // It was accepted when another one that came later is answered.
    await text(socket.url, { keepalive: false, headers: { connection: "close" } });
    child.kill("SIGTERM");
    await receiver.waitFor({ stopping: true });
    await Bun.sleep(80);
    client.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    expect(await promise).toStartWith("HTTP/1.1 200 OK");
    expect(await child.exited).toBe(0);
  });

  test("signal-exit's handler, which leaves the end to others, counts as none", async () => {
    using receiver = openReceiver();
    const source = `${BUN_SERVE}
      globalThis[Symbol.for("signal-exit emitter")] = { count: 1 };
      process.on("SIGTERM", () => { if (process.listeners("SIGTERM").length === 1) process.kill(process.pid, "SIGTERM"); });`;
    const { child } = startProgram(source, { receiver });
    await receiver.waitFor({ ready: true });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await life(receiver)).toEqual(WHOLE_LIFE);
  });

  test("a second one ends the program at once", async () => {
    using receiver = openReceiver();
    const source = BUN_SERVE.replace("() => new", `async () => (console.log("taken"), await Bun.sleep(1e6), 1) && new`);
    const { child, line } = startProgram(source, { receiver });
    void fetch(urlOf(await receiver.waitFor({ ready: true }))).catch(() => {});
    await line();
    child.kill("SIGTERM");
    await receiver.waitFor({ stopping: true });
    child.kill("SIGTERM");
    await child.exited;
    expect(child.signalCode).toBe("SIGTERM");
  });
});

describe("register stands", () => {
  test("in bunfig.toml, and on the command line too: once", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const config = join(directory.path, "bunfig.toml");
    await Bun.write(config, `preload = [${JSON.stringify(REGISTER)}]`);
    const { child } = startProgram(BUN_SERVE, { receiver, flags: [`--config=${config}`] });
    await receiver.waitFor({ ready: true });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await life(receiver)).toEqual(WHOLE_LIFE);
  });

  test.each([
    ["", []],
    [" with bytecode", ["--bytecode"]],
    [" with bytecode, as ES module", ["--bytecode", "--format=esm"]],
  ])("in the first line of a compiled program%s", async (_, flags) => {
    using receiver = openReceiver();
    using socket = tcpListener();
    using directory = temporaryDirectory();
    const [source, program] = [join(directory.path, "server.ts"), join(directory.path, "server")];
    await Bun.write(
      source,
      `import ${JSON.stringify(join(ROOT, "dist/register.js"))};
       import { serve } from "bun";
       serve({ port: 3000, fetch: () => new Response("compiled") });`,
    );
    const built = await run([BUN, "build", "--compile", ...flags, source, "--outfile", program]);
    expect(built).toMatchObject({ code: 0 });
    const { child } = startProgram("", { receiver, fds: [socket.fd], command: [program] });
    expect(urlOf(await receiver.waitFor({ ready: true }))).toBe(socket.url);
    expect(await text(socket.url)).toBe("compiled");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await life(receiver)).toEqual(WHOLE_LIFE);
  });

  test.each(["passed", "its own"])(
    "before a program with bun --hot, whose new handlers count: %s socket",
    async (kind) => {
      using receiver = openReceiver();
      using socket = tcpListener();
      const port = freePort();
      const source = (answer: string) =>
        `Bun.serve({ port: ${port}, fetch: () => new Response("${answer}") }); console.log("${answer}");`;
      const fds = kind === "passed" ? [socket.fd] : [];
      const { child, line, path } = startProgram(source("one"), { receiver, fds, flags: ["--hot"] });
      expect(await line()).toBe("one");
      const url = kind === "passed" ? socket.url : `http://localhost:${port}/`;
      await receiver.waitFor({ ready: true });
      expect(await text(url)).toBe("one");
      writeFileSync(path, source("two"));
      expect(await line()).toBe("two");
      expect(await text(url)).toBe("two");
      child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
      expect(await life(receiver)).toEqual(WHOLE_LIFE);
    },
  );
});

describe("on a passed socket there are", () => {
  test("websockets, over which the program speaks", async () => {
    using receiver = openReceiver();
    using socket = tcpListener();
    const source = `Bun.serve({
      fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no")),
      websocket: { message: (socket, message) => void socket.send("echo " + message) },
    });`;
    startProgram(source, { receiver, fds: [socket.fd] });
    await receiver.waitFor({ ready: true });
    const client = new WebSocket(socket.url.replace("http", "ws"));
    const { promise, resolve } = Promise.withResolvers<unknown>();
    client.onopen = () => client.send("x");
    client.onmessage = ({ data }) => resolve(data);
    expect(await promise).toBe("echo x");
    client.close();
  });

  const noOpenssl = missing("openssl");
  test.skipIf(Boolean(noOpenssl))(titled("TLS, of node:https too", noOpenssl), async () => {
    using directory = temporaryDirectory();
    const tls = await certificate(directory.path);
    for (const source of [
      `Bun.serve({ tls: ${tls}, fetch: () => new Response("tls") });`,
      `import { createServer } from "node:https";
       const { key, cert } = ${tls};
       const options = { key: await key.text(), cert: await cert.text() };
       createServer(options, (_, response) => response.end("tls")).listen(8443);`,
    ]) {
      using receiver = openReceiver();
      using socket = tcpListener();
      startProgram(source, { receiver, fds: [socket.fd] });
      await receiver.waitFor({ ready: true });
      expect(await text(socket.url.replace("http", "https"), { tls: { rejectUnauthorized: false } })).toBe("tls");
    }
  });

  test.skipIf(Boolean(noOpenssl))(titled("no HTTP/3, which is told in a line", noOpenssl), async () => {
    using directory = temporaryDirectory();
    const tls = await certificate(directory.path);
    using receiver = openReceiver();
    using socket = tcpListener();
    const source = `Bun.serve({ tls: ${tls}, http3: true, fetch: () => new Response("tls") });`;
    const { child, errors } = startProgram(source, { receiver, fds: [socket.fd] });
    await receiver.waitFor({ ready: true });
    expect(await text(socket.url.replace("http", "https"), { tls: { rejectUnauthorized: false } })).toBe("tls");
    child.kill("SIGTERM");
    expect(await errors).toEqual(["sd-notify: HTTP/3 is off for port 3000: it has no passed socket, which is TCP"]);
  });
});

const oldest = await oldBun("1.4.0");
test.skipIf(Boolean(oldest.why))(titled("Bun 1.4.0 takes a passed socket, too", oldest.why), async () => {
  using receiver = openReceiver();
  using socket = tcpListener();
  const directory = temporaryDirectory();
  const path = join(directory.path, "server.ts");
  await Bun.write(path, `export default { fetch: () => new Response("old") };`);
  const command = [oldest.program ?? "", "--preload", REGISTER, path];
  const { child } = startProgram("", { receiver, fds: [socket.fd], command });
  expect(urlOf(await receiver.waitFor({ ready: true }))).toBe(socket.url);
  expect(await text(socket.url)).toBe("old");
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  directory[Symbol.dispose]();
});

test("where libc can't be called a passed socket is an error with the cure, and a program of its own port runs", async () => {
  using receiver = openReceiver();
  using socket = tcpListener();
  const env = { BUN_JSC_useJIT: "0" };
  const failed = startProgram(BUN_SERVE, { receiver, fds: [socket.fd], env });
  expect(await failed.child.exited).toBe(1);
  // Of an unmodified program, nobody is to read thirty lines of this package's code around it.
  expect((await failed.errors).filter((line) => line.trim() !== "")).toEqual([
    // Why the manager is not told of the error.
    expect.stringMatching(/^sd-notify: Cannot call libc: .*: set MemoryDenyWriteExecute=no/),
    expect.stringMatching(/^FFIUnavailableError: Cannot serve on the passed socket: .*: set MemoryDenyWriteExecute=no/),
    ' code: "ERR_FFI_UNAVAILABLE"',
    expect.stringMatching(/^Bun v/),
  ]);
  const { child, line } = startProgram(`${BUN_SERVE} console.log(server.url.href);`, { receiver, env });
  expect(await text((await line()) ?? "")).toBe("x");
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
});

describe("without a service manager", () => {
  test("nothing is replaced and nothing loaded", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "program.cjs");
    await Bun.write(
      path,
      `console.log(/native code/.test(Bun.serve.toString()), process.eventNames(), Object.keys(globalThis).length);
       for (const name in require.cache) if (!/register\\.[jt]s$/.test(name)) console.log(name);`,
    );
    const { stdout: without } = await run([BUN, path]);
    for (const register of [REGISTER, join(ROOT, "dist/register.js")]) {
      const { stdout } = await run([BUN, "--preload", register, path]);
      expect(stdout).toBe(without);
    }
  });
});

describe("an error ends the program, and is told before:", () => {
  test.each([
    ["at its top level", `throw new TypeError("boom");`, "STATUS=Failed: boom\nEXIT_STATUS=1"],
    ["after an await", `await 1; throw new TypeError("boom");`, "STATUS=Failed: boom\nEXIT_STATUS=1"],
    [
      "of the system",
      `${BUN_SERVE} Bun.serve({ port: server.port, hostname: "127.0.0.1", fetch() {} });`,
      /^STATUS=Failed: .*\nERRNO=98$/,
    ],
    ["of a module that is not there", `import "./missing.ts";`, /^STATUS=Failed: .*missing\.ts.*\nEXIT_STATUS=1$/],
  ])("%s", async (_, source, told) => {
    using receiver = openReceiver();
    const { child } = startProgram(source, { receiver });
    expect((await receiver.next()).text).toMatch(told);
    expect(await child.exited).toBe(1);
  });
});

// --- internal ---

/** The option `tls`, as text. */
async function certificate(directory: string): Promise<string> {
  const [key, cert] = [join(directory, "key"), join(directory, "cert")];
  const command =
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  expect((await run([...command.split(" "), "-keyout", key, "-out", cert])).code).toBe(0);
  return `{ key: Bun.file("${key}"), cert: Bun.file("${cert}") }`;
}
