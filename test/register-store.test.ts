import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { closeSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openReceiver, type Receiver } from "../src/receiver/receiver.ts";
import { temporaryDirectory } from "./support/command.ts";
import { freePort, tcpListener, unixListener } from "./support/listeners.ts";
import { endPrograms, LIBRARY, removePrograms, startProgram, text, urlOf } from "./support/register.ts";

afterEach(endPrograms);
afterAll(removePrograms);

describe("the fd store", () => {
  const SERVE = (options: string) => `Bun.serve({ ${options}, fetch: () => new Response("x") });`;

  /** What the manager has in its fd store when the program is ready. */
  async function stored(receiver: Receiver) {
    const { fds, text } = await receiver.waitFor(({ text }) => text.startsWith("FDSTORE=1"));
    await receiver.waitFor({ ready: true });
    return { fds, names: /^FDNAME=(.*)$/m.exec(text)?.[1] ?? "" };
  }

  test.each(["port", "unix"])("keeps the socket for the next start, which refuses nobody: %s", async (kind) => {
    using directory = temporaryDirectory();
    using receiver = openReceiver();
    const [unix, port] = [join(directory.path, "http"), freePort()];
    const source = SERVE(kind === "unix" ? `unix: "${unix}"` : `port: ${port}`);
    const where = { url: `http://localhost:${port}/`, ...(kind === "unix" && { unix }) };
    const { child } = startProgram(source, { receiver });
    const kept = await stored(receiver);
    expect(kept.names).toStartWith(" register ");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    const waiting = text(where.url, where);
    using another = openReceiver();
    startProgram(source, { receiver: another, ...kept });
    expect(await waiting).toBe("x");
    await another.waitFor({ ready: true });
    expect(another.history.filter(({ text }) => /^FDSTORE/.test(text))).toEqual([]);
  });

  test("gives no socket to a server that asks for another port, and gives up what nobody asks for", async () => {
    using receiver = openReceiver();
    const [before, after] = [freePort(), freePort()];
    const { child } = startProgram(SERVE(`port: ${before}`), { receiver });
    const kept = await stored(receiver);
    child.kill("SIGTERM");
    await child.exited;
    using another = openReceiver();
    startProgram(SERVE(`port: ${after}`), { receiver: another, ...kept });
    expect(urlOf(await another.waitFor({ ready: true }))).toBe(`http://localhost:${after}/`);
    await another.waitFor(({ text }) => text === `FDSTOREREMOVE=1\nFDNAME=${kept.names}`);
  });

  test("lets a server listen on the same port of another address", async () => {
    using receiver = openReceiver();
    const port = freePort();
    const { child } = startProgram(SERVE(`port: ${port}, hostname: "127.0.0.1"`), { receiver });
    const kept = await stored(receiver);
    child.kill("SIGTERM");
    await child.exited;
    using another = openReceiver();
    const second = startProgram(SERVE(`port: ${port}, hostname: "0.0.0.0"`), { receiver: another, ...kept });
    await another.waitFor(({ text }) => text.startsWith("FDSTOREREMOVE=1"));
    // As the manager does it, before it answers the barrier.
    for (const fd of kept.fds) closeSync(fd);
    expect(urlOf(await another.waitFor({ ready: true }))).toBe(`http://0.0.0.0:${port}/`);
    second.child.kill("SIGTERM");
    expect(await second.child.exited).toBe(0);
  });

  test("keeps its socket for a server that opens after the program was ready", async () => {
    using receiver = openReceiver();
    const port = freePort();
    const { child } = startProgram(SERVE(`port: ${port}`), { receiver });
    const kept = await stored(receiver);
    child.kill("SIGTERM");
    await child.exited;
    using another = openReceiver();
    const source = `import { notify } from ${LIBRARY}; notify({ ready: true });
      setTimeout(() => { ${SERVE(`port: ${port}`)} console.log("up"); }, 200);`;
    const { line } = startProgram(source, { receiver: another, ...kept });
    expect(await line()).toBe("up");
    expect(await text(`http://localhost:${port}/`)).toBe("x");
    expect(another.history.filter(({ text }) => /^FDSTORE/.test(text))).toEqual([]);
  });

  test("forgets a server that the program stops", async () => {
    using receiver = openReceiver();
    const port = freePort();
    const source = `const first = ${SERVE(`port: ${port}`)} setTimeout(() => first.stop(), 200); setInterval(() => {}, 1e6);`;
    const { child } = startProgram(source, { receiver });
    await receiver.waitFor(({ text }) => text === `FDSTOREREMOVE=1\nFDNAME= register *-${port}`);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("lets a server open again on the port of one that was stopped", async () => {
    using receiver = openReceiver();
    const port = freePort();
    const source = `const first = ${SERVE(`port: ${port}`)} first.stop(); ${SERVE(`port: ${port}`)} notify({ status: "again" });`;
    const { child } = startProgram(`import { notify } from ${LIBRARY}; ${source}`, { receiver });
    await receiver.waitFor({ status: "again" });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test("is hidden from a program that takes $LISTEN_FDS for its own", async () => {
    using receiver = openReceiver();
    using socket = tcpListener();
    const port = freePort();
    const { child } = startProgram(SERVE(`port: ${port}`), { receiver });
    const kept = await stored(receiver);
    child.kill("SIGTERM");
    await child.exited;
    const source = `console.log(process.env.LISTEN_FDS, process.env.LISTEN_FDNAMES); ${SERVE(`port: ${port}`)}`;
    for (const [fds, names, seen, url] of [
      [kept.fds, kept.names, "undefined undefined", `http://localhost:${port}/`],
      [[socket.fd, ...kept.fds], `web:${kept.names}`, "1 web", socket.url],
    ] as const) {
      using another = openReceiver();
      const { child, line } = startProgram(source, { receiver: another, fds, names });
      expect(await line()).toBe(seen);
      const { port: its } = new URL(urlOf(await another.waitFor({ ready: true })));
      expect(its).toBe(new URL(url).port);
      child.kill("SIGKILL");
      await child.exited;
    }
  });

  test.each(["is removed", "is a dead socket's now"])(
    "opens a new socket in place of one whose path %s",
    async (what) => {
      using directory = temporaryDirectory();
      using receiver = openReceiver();
      const unix = join(directory.path, "http");
      const { child } = startProgram(SERVE(`unix: "${unix}"`), { receiver });
      const kept = await stored(receiver);
      child.kill("SIGTERM");
      await child.exited;
      rmSync(unix);
      if (what.includes("dead")) unixListener(unix)[Symbol.dispose]();
      using another = openReceiver();
      const second = startProgram(SERVE(`unix: "${unix}"`), { receiver: another, ...kept });
      await another.waitFor({ ready: true });
      expect(await text("http://localhost/", { unix })).toBe("x");
      expect(another.history.map(({ text }) => text).filter((text) => text.startsWith("FDSTORE"))).toEqual([
        `FDSTOREREMOVE=1\nFDNAME=${kept.names}`,
        `FDSTORE=1\nFDNAME=${kept.names}`,
      ]);
      second.child.kill("SIGTERM");
      expect(await second.child.exited).toBe(0);
    },
  );

  test("does not give a server the path of a neighbour", async () => {
    using directory = temporaryDirectory();
    using receiver = openReceiver();
    const unix = join(directory.path, "http");
    const { child } = startProgram(SERVE(`unix: "${unix}"`), { receiver });
    const kept = await stored(receiver);
    child.kill("SIGTERM");
    await child.exited;
    rmSync(unix);
    using neighbour = Bun.listen({ unix, socket: { data() {} } });
    using another = openReceiver();
    const source = `try { ${SERVE(`unix: "${unix}"`)} console.log("yes"); } catch { console.log("no"); }`;
    const { line } = startProgram(source, { receiver: another, ...kept });
    await another.waitFor(({ text }) => text === `FDSTOREREMOVE=1\nFDNAME=${kept.names}`);
    expect(await line()).toBe("no");
    expect(neighbour.unix).toBe(unix);
  });

  test("gives up what nobody asks for, then has room for what was asked for", async () => {
    using receiver = openReceiver();
    const [before, after] = [freePort(), freePort()];
    const { child } = startProgram(SERVE(`port: ${before}`), { receiver });
    const kept = await stored(receiver);
    child.kill("SIGTERM");
    await child.exited;
    using another = openReceiver();
    startProgram(SERVE(`port: ${after}`), { receiver: another, ...kept });
    const isStore = ({ text }: { text: string }) => text === `FDSTORE=1\nFDNAME= register *-${after}`;
    using _first = await another.waitFor(isStore);
    await another.waitFor(({ text }) => text === `FDSTOREREMOVE=1\nFDNAME=${kept.names}`);
    // With FileDescriptorStoreMax=1, the first one was refused.
    using _second = await another.waitFor(isStore);
    // The test has it still open, as PID 1 might.
    const closed = await text(`http://localhost:${before}/`).catch(() => "refused");
    expect(closed).toBe("refused");
  });

  test("gives up what nobody asks for in a program that calls manageServer(), too", async () => {
    using receiver = openReceiver();
    const [before, after] = [freePort(), freePort()];
    const { child } = startProgram(SERVE(`port: ${before}`), { receiver });
    const kept = await stored(receiver);
    child.kill("SIGTERM");
    await child.exited;
    using another = openReceiver();
    const source = `import { manageServer } from ${LIBRARY}; manageServer(${SERVE(`port: ${after}`).replace(";", "")});`;
    startProgram(source, { receiver: another, ...kept });
    await another.waitFor(({ text }) => text === `FDSTOREREMOVE=1\nFDNAME=${kept.names}`);
  });

  test("gives up a socket that it gave back when its server is stopped, and clients are refused", async () => {
    using receiver = openReceiver();
    const port = freePort();
    const { child } = startProgram(SERVE(`port: ${port}`), { receiver });
    const kept = await stored(receiver);
    child.kill("SIGTERM");
    await child.exited;
    using another = openReceiver();
    const source = `process.on("SIGUSR2", () => { ${SERVE(`port: ${port}`)} console.log("again"); });
      setInterval(() => {}, 1e6);
      const first = ${SERVE(`port: ${port}`)} console.log("up"); await first.stop(); console.log("stopped");`;
    const { child: second, line } = startProgram(source, { receiver: another, ...kept });
    expect([await line(), await line()]).toEqual(["up", "stopped"]);
    expect(await text(`http://localhost:${port}/`).catch(() => "refused")).toBe("refused");
    await another.waitFor(({ text }) => text === `FDSTOREREMOVE=1\nFDNAME=${kept.names}`);
    second.kill("SIGUSR2");
    expect(await line()).toBe("again");
    expect(await text(`http://localhost:${port}/`)).toBe("x");
  });

  test("comes after what a .socket unit passed, as at a first start", async () => {
    using receiver = openReceiver();
    using socket = tcpListener();
    const source = SERVE(`port: ${freePort()}`);
    const { child } = startProgram(source, { receiver });
    const kept = await stored(receiver);
    child.kill("SIGTERM");
    await child.exited;
    using another = openReceiver();
    const passed = { fds: [socket.fd, ...kept.fds], names: `web:${kept.names}` };
    startProgram(source, { receiver: another, ...passed });
    expect(urlOf(await another.waitFor({ ready: true }))).toBe(socket.url);
    await another.waitFor(({ text }) => text === `FDSTOREREMOVE=1\nFDNAME=${kept.names}`);
  });

  test("gives a server its own back with SD_NOTIFY_SOCKETS=none, too", async () => {
    using receiver = openReceiver();
    const source = SERVE(`port: ${freePort()}`);
    const { child } = startProgram(source, { receiver });
    const kept = await stored(receiver);
    child.kill("SIGTERM");
    await child.exited;
    using another = openReceiver();
    startProgram(source, { receiver: another, ...kept, env: { SD_NOTIFY_SOCKETS: "none" } });
    await another.waitFor({ ready: true });
    expect(another.history.filter(({ text }) => text.startsWith("FDSTORE"))).toEqual([]);
  });

  test("is not what a .socket unit passed under a name that looks like register's", async () => {
    using socket = tcpListener();
    using receiver = openReceiver();
    const names = `register-*-${freePort()}`;
    const source = `console.log(process.env.LISTEN_FDNAMES); ${SERVE("port: 1")}`;
    const { line } = startProgram(source, { receiver, fds: [socket.fd], names });
    expect(await line()).toBe(names);
    expect(urlOf(await receiver.waitFor({ ready: true }))).toBe(socket.url);
    expect(receiver.history.filter(({ text }) => text.startsWith("FDSTORE"))).toEqual([]);
  });

  test("keeps the sockets of register and of serve() apart", async () => {
    using receiver = openReceiver();
    const [a, b] = [freePort(), freePort()];
    const source = `import { serve } from ${LIBRARY}; ${SERVE(`port: ${a}`)}
      await serve({ name: "api", port: ${b}, fetch: () => new Response("api") });`;
    const { child } = startProgram(source, { receiver });
    const [one, two] = [await receiver.next(), await receiver.next()];
    await receiver.waitFor({ ready: true });
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    const names = [one, two].map(({ text }) => text.split("=").at(-1)).join(":");
    expect(names).toBe(` register *-${a}: serve api 127.0.0.1-${b}`);
    for (const order of [
      { fds: [...one.fds, ...two.fds], names },
      { fds: [...two.fds, ...one.fds], names: names.split(":").toReversed().join(":") },
    ]) {
      using another = openReceiver();
      const program = startProgram(source, { receiver: another, ...order });
      await another.waitFor({ ready: true });
      expect([await text(`http://localhost:${a}/`), await text(`http://127.0.0.1:${b}/`)]).toEqual(["x", "api"]);
      program.child.kill("SIGTERM");
      expect(await program.child.exited).toBe(0);
      expect(another.history.filter(({ text }) => text.startsWith("FDSTORE"))).toEqual([]);
    }
  });
});
