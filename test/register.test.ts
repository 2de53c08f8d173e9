import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { openReceiver } from "../src/receiver/receiver.ts";
import { temporaryDirectory } from "./support/command.ts";
import { tcpListener, unixListener } from "./support/listeners.ts";
import { LIBRARY, startProgram, urlOf, words } from "./support/register.ts";

const BUN_SERVE = `const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("x") });`;
const text = async (url: string, init: BunFetchRequestInit = {}) => (await fetch(url, init)).text();

/** What stands in the way of a program that is ended by register: READY, then the stop. */
const WHOLE_LIFE = ["READY STATUS", "STOPPING STATUS EXTEND_TIMEOUT_USEC"];

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
    expect(words(receiver)).toEqual(WHOLE_LIFE);
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

describe("the program is left to do itself:", () => {
  test("manageServer()", async () => {
    using receiver = openReceiver();
    const source = `import { manageServer } from ${LIBRARY}; ${BUN_SERVE} manageServer(server, { status: () => "own" });`;
    const { child } = startProgram(source, { receiver });
    expect((await receiver.waitFor({ ready: true })).state.status).toEndWith(": own");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(words(receiver)).toEqual(WHOLE_LIFE);
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
    expect(words(receiver)).toEqual(["READY STATUS", "STOPPING EXTEND_TIMEOUT_USEC"]);
  });

  test("its stop, but for STOPPING=1", async () => {
    using receiver = openReceiver();
    const source = `process.on("SIGTERM", async () => { await Bun.sleep(100); await server.stop(); process.exit(3); }); ${BUN_SERVE}`;
    const { child } = startProgram(source, { receiver });
    await receiver.waitFor({ ready: true });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(3);
    expect(words(receiver)).toEqual(["READY STATUS", "STOPPING STATUS"]);
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
    expect(receiver.history.at(-1)?.state.status).toStartWith("Failed: Cannot serve on port 3000");
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
