import { expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { titled } from "../support/command.ts";
import { codeOf, examples } from "../support/passed-fds-examples.ts";
import { describeEach, exec, type Section, type Unit, unitText } from "./machine.ts";

describeEach("docs/passed-fds.md", (machine) => {
  const baseline = machine.isBaseline && "it does not concern systemd-notify";
  const bun = `${machine.checkout}/node_modules/bun/bin/bun.exe`;
  const scenario = (title: string, define: () => Promise<void>, skipped: string | false = false) =>
    test.skipIf(Boolean(baseline || skipped))(titled(title, baseline || skipped), define);

  /** The service that runs an example, and what the page has for its unit, with another address. */
  const prepare = (title: string, section: Section = {}) => {
    const path = `${machine.directory}/passed-${process.pid}-${title.replaceAll(/\W/g, "-")}.ts`;
    machine.write(path, codeOf(title, `${machine.checkout}/dist/index.js`));
    return { Type: "exec", TimeoutStopSec: 5, Slice: "sdnotifytest.slice", ...section, ExecStart: exec(bun, path) };
  };
  /** A unit whose output is in a file: that of one who has ended is not always found in the journal. */
  const outputOf = new Map<string, string>();
  const start = (title: string, section?: Section) => {
    const path = `${machine.directory}/output-${process.pid}-${++outputs}`;
    const unit = machine.service({ ...prepare(title, section), StandardOutput: `file:${path}` });
    outputOf.set(unit.name, path);
    return unit;
  };
  const socketUnit = (title: string, from: string, to: string) => {
    const unit = examples.find((example) => example.title === title)?.unit ?? "";
    expect(unit).toContain(from);
    return unit.replace(from, to);
  };
  /** Starts the socket unit and the service of an example. */
  const activate = async (title: string, from: string, to: string, section?: Section): Promise<Unit> => {
    const service = start(title, section);
    const socket = service.name.replace(".service", ".socket");
    machine.install({ [socket]: `${socketUnit(title, from, to)}RemoveOnStop=yes\n` });
    expect(await machine.systemctl("start", socket)).toMatchObject({ code: 0, stderr: "" });
    expect(await service.start()).toMatchObject({ code: 0, stderr: "" });
    return service;
  };
  const evaluate = async (source: string) => (await machine.run([bun, "--eval", source])).stdout.trim();
  /** Waits until an example has printed a line. */
  const untilOutput = async (unit: Unit, text: string) => {
    const path = machine.outside(outputOf.get(unit.name) ?? "");
    const output = () => (existsSync(path) ? readFileSync(path, "utf8") : "");
    for (const deadline = performance.now() + 15_000; performance.now() < deadline; await Bun.sleep(20)) {
      if (output().includes(text)) return;
    }
    throw new Error(`no ${JSON.stringify(text)} in ${JSON.stringify(output())}\n${await unit.journal()}`);
  };
  const ask = (port: number, words: string) =>
    evaluate(`
      const { promise, resolve } = Promise.withResolvers();
      await Bun.connect({ hostname: "127.0.0.1", port: ${port}, socket: {
        open: (socket) => void socket.write(${JSON.stringify(words)}),
        data: (socket, data) => { process.stdout.write(data); socket.shutdown(); },
        close: resolve } });
      await promise;`);

  scenario("a listening socket is taken by a server of node:net", async () => {
    const port = freePort();
    const unit = await activate("A listening socket", "7000", `127.0.0.1:${port}`, { Type: "notify" });
    expect(await ask(port, "hello")).toBe("hello");
    await unit.stop();
  });

  for (const [title, words, answer] of [
    ["A connection", "hello", "you said hello"],
    ["A connection (2)", "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "you asked for /hello"],
  ] as const) {
    scenario(`Accept=yes starts an instance for each connection: ${title}`, async () => {
      const port = freePort();
      const name = `sdnotifytest-accept-${process.pid}-${machine.version}-${port}`;
      machine.install({ [`${name}.socket`]: socketUnit(title, "7000", `127.0.0.1:${port}`) });
      const template = `/run/systemd/system/${name}@.service`;
      machine.write(template, unitText({ Service: prepare(title) }));
      expect(await machine.systemctl("start", `${name}.socket`)).toMatchObject({ code: 0, stderr: "" });
      expect(await Promise.all([ask(port, words), ask(port, words)])).toEqual([
        expect.stringContaining(answer),
        expect.stringContaining(answer),
      ]);
      await machine.systemctl("stop", `${name}.socket`, `${name}@*.service`);
      rmSync(machine.outside(template));
    });
  }

  for (const NonBlocking of ["no", "yes"]) {
    scenario(`UDP is answered, NonBlocking=${NonBlocking}`, async () => {
      const port = freePort();
      const unit = await activate("UDP", ":7000", `:${port}`, { NonBlocking });
      const answer = await evaluate(`
        const { promise, resolve } = Promise.withResolvers();
        const socket = await Bun.udpSocket({ socket: { data: (_, data) => resolve(String(data)) } });
        socket.send("now", ${port}, "127.0.0.1");
        console.log(await promise);
        process.exit();`);
      expect(answer).toMatch(/^now: \d{4}$/);
      await unit.stop();
    });

    scenario(`datagrams of a unix socket are read, NonBlocking=${NonBlocking}`, async () => {
      const path = `${machine.directory}/log-${process.pid}-${NonBlocking}`;
      const unit = await activate("A unix datagram socket", "/run/log.socket", path, { NonBlocking });
      // What sends a line to a unix datagram socket is there already.
      await machine.run(["env", `NOTIFY_SOCKET=${path}`, "systemd-notify", "--no-block", "X_LINE=hello"]);
      await untilOutput(unit, "logged: X_LINE=hello");
      await unit.stop();
    });

    scenario(`a FIFO is read, NonBlocking=${NonBlocking}`, async () => {
      const path = `${machine.directory}/commands-${process.pid}-${NonBlocking}`;
      const unit = await activate("A FIFO", "/run/commands", path, { NonBlocking });
      for (const command of ["one", "two"]) {
        await machine.run(["sh", "-c", `echo ${command} >${path}`]);
        await untilOutput(unit, `commands: ${command}`);
      }
      await unit.stop();
    });
  }

  scenario("a message queue is read", async () => {
    const queue = `/jobs-${process.pid}`;
    const unit = await activate("A message queue", "/jobs", queue);
    await evaluate(`
      const { dlopen } = require("bun:ffi");
      const { mq_open, mq_send } = dlopen("libc.so.6", {
        mq_open: { args: ["cstring", "i32"], returns: "i32" }, mq_send: { args: ["i32", "ptr", "u64", "u32"], returns: "i32" } }).symbols;
      mq_send(mq_open("${queue}", 1), Buffer.from("sweep"), 5, 0);`);
    await untilOutput(unit, "job: sweep");
    await unit.stop();
  });

  const noOpenFile = machine.version < 253 && `systemd ${machine.version} has no OpenFile=`;
  scenario(
    "a file that the service may not open is read",
    async () => {
      const [, file = ""] = /OpenFile=(.*)/.exec(examples.find(({ title }) => title === "A file")?.unit ?? "") ?? [];
      const unit = start("A file", { OpenFile: file, User: "nobody" });
      expect(await unit.start()).toMatchObject({ code: 0, stderr: "" });
      const { stdout } = await machine.run(["sh", "-c", "wc -l </etc/shadow"]);
      await untilOutput(unit, `${stdout.trim()} users`);
    },
    noOpenFile,
  );
});

// --- internal ---

let outputs = 0;

/** The containers have the machine's network, so each needs a port of its own. */
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop();
  return listener.port;
}
