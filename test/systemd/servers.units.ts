/** Servers by manageServer(), in real units: a scenario by line, from start to stop. */

import { expect, test } from "bun:test";
import { titled } from "../support/command.ts";
import { describeEach, exec, type Machine, type Section, UNPRIVILEGED, type Unit } from "./machine.ts";

/** What is tried: a program, in a unit, and what is done to it. */
interface Scenario {
  title: string;
  /** The program. It has `manageServer`, `notify` and what else the package has, `web()` and `node()`. */
  program: string;
  section?: Section;
  /** The oldest systemd that knows what the unit asks for. */
  since?: number;
  act(server: Server): Promise<void>;
}

/**
 * Makes the servers of a program. /slow?ms=N tells that it was taken, and is answered after that time, or
 * when SIGUSR2 comes.
 */
const PRELUDE = `
import { createServer } from "node:http";
let requests = 0, slow = 0;
const released = new Promise((resolve) => process.on("SIGUSR2", resolve));
async function answer(url) {
  requests++;
  const { pathname, searchParams } = new URL(url, "http://localhost");
  if (pathname === "/slow") {
    notify({ status: "taken " + ++slow });
    await Promise.race([Bun.sleep(Number(searchParams.get("ms"))), released]);
  }
  return "answered " + process.pid;
}
const web = (options = {}) =>
  Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch: async ({ url }) => new Response(await answer(url)), ...options });
const node = () => createServer(async (request, response) => response.end(await answer(request.url)));
`;

class Server {
  readonly machine: Machine;
  readonly unit: Unit;
  #taken = 0;

  constructor(machine: Machine, unit: Unit) {
    this.machine = machine;
    this.unit = unit;
  }

  async start(): Promise<void> {
    const { code, stderr } = await this.unit.start();
    if (code !== 0) throw new Error(`${stderr}${await this.unit.journal()}`);
    expect(await this.unit.show("ActiveState")).toEqual({ ActiveState: "active" });
  }

  /** Starts it, for it to fail. */
  async fail(expected: Record<string, string | RegExp>): Promise<void> {
    expect((await this.unit.start()).code).not.toBe(0);
    await this.unit.until({ ActiveState: "failed", ...expected });
  }

  /** Stops it, which is to be clean. Returns how long that took. */
  async stop(): Promise<number> {
    const begun = performance.now();
    expect((await this.unit.stop()).code).toBe(0);
    const timeMs = performance.now() - begun;
    await this.ended();
    return timeMs;
  }

  /** Waits for a clean end. By then the manager may have forgotten the unit, but not what it wrote. */
  async ended(how = "code=exited, status=0/SUCCESS"): Promise<void> {
    await this.unit.untilJournal("Deactivated successfully.");
    expect(await this.unit.journal()).toContain(`Main process exited, ${how}`);
  }

  async reload(): Promise<void> {
    const { code, stderr } = await this.machine.systemctl("reload", this.unit.name);
    if (code !== 0) throw new Error(`${stderr}${await this.unit.journal()}`);
    // ExecReload= does not wait for READY=1.
    await this.unit.until({ ActiveState: "active" });
  }

  async kill(signal: string): Promise<void> {
    expect((await this.machine.systemctl("kill", "--kill-whom=main", `--signal=${signal}`, this.unit.name)).code).toBe(
      0,
    );
  }

  /** The addresses in the status that it had first. The containers have the machine's network. */
  async urls(): Promise<string[]> {
    const places = [...(await this.unit.journal()).matchAll(/STATUS=Listening on ([^\n"]+)/g)];
    const [, first = ""] = places[0] ?? [];
    return [...first.matchAll(/127\.0\.0\.1:\d+/g)].map(([place]) => `http://${place}/`);
  }

  async get(path = "", index = 0): Promise<string> {
    return (await fetch((await this.urls())[index] + path)).text();
  }

  /** Sends a request that is answered late, and returns when the server has taken it. SIGUSR2 has it answered. */
  async slow(ms = 60_000, index = 0): Promise<{ answer: Promise<string> }> {
    const answer = this.get(`slow?ms=${ms}`, index);
    answer.catch(() => {});
    await this.unit.until({ StatusText: `taken ${++this.#taken}` });
    return { answer };
  }
}

const answered = expect.stringMatching(/^answered \d+$/);
const RELOADING = { Type: "notify-reload" };
const BY_HUP = { ExecReload: exec("/bin/sh", "-c", 'kill -HUP "$MAINPID"') };

const starts: Scenario[] = [
  {
    title: "Bun.serve() is active with its URL",
    program: "manageServer(web())",
    async act(server) {
      await server.start();
      await server.unit.until({ StatusText: /^Listening on http:\/\/127\.0\.0\.1:\d+\/$/ });
      expect(await server.get()).toEqual(answered);
      await server.stop();
    },
  },
  {
    title: "Bun.listen() is active with its address",
    program: `manageServer(Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } }))`,
    async act(server) {
      await server.start();
      await server.unit.until({ StatusText: /^Listening on 127\.0\.0\.1:\d+$/ });
      await server.stop();
    },
  },
  {
    title: "node:http is active when it listens, and not before",
    program: `const server = node(); manageServer(server); setTimeout(() => server.listen(0, "127.0.0.1"), 300)`,
    async act(server) {
      const begun = performance.now();
      await server.start();
      expect(performance.now() - begun).toBeGreaterThan(300);
      expect(await server.get()).toEqual(answered);
      await server.stop();
    },
  },
  {
    title: "several servers are active when the last one listens",
    program: `const late = node(); manageServer([web(), late]); setTimeout(() => late.listen(0, "127.0.0.1"), 200)`,
    async act(server) {
      await server.start();
      await server.unit.until({ StatusText: /^Listening on http:\S+, 127\.0\.0\.1:\d+$/ });
      for (const index of [0, 1]) expect(await server.get("", index)).toEqual(answered);
      await server.stop();
    },
  },
  {
    title: "a start that outlasts TimeoutStartSec= is waited for",
    program: "manageServer(async () => { await Bun.sleep(1800); return web(); })",
    section: { TimeoutStartSec: "700ms" },
    async act(server) {
      await server.start();
      expect(await server.unit.journal()).toContain("STATUS=Starting, for 1 s");
      await server.stop();
    },
  },
  {
    title: "a start that fails is told with its errno",
    program: `manageServer(async () => { throw Object.assign(new Error("no database"), { code: "ECONNREFUSED" }); })`,
    act: (server) =>
      server.fail({ StatusText: "Failed to start: no database", StatusErrno: "111", Result: "exit-code" }),
  },
  {
    title: "a server that never listens is ended by TimeoutStartSec=",
    program: "manageServer(node()); setInterval(() => {}, 1e6)",
    section: { TimeoutStartSec: "700ms" },
    act: (server) => server.fail({ Result: "timeout" }),
  },
  {
    title: "a stop while the servers are being made is clean",
    program: "manageServer(() => new Promise(() => {})); setInterval(() => {}, 1e6)",
    async act(server) {
      await server.unit.start("--no-block");
      await server.unit.until({ ActiveState: "activating", StatusText: /^Starting/ });
      await server.stop();
    },
  },
  {
    title: "a port that is taken is told with EADDRINUSE, by node:http too",
    program:
      "const taken = web(); const server = node(); manageServer(server); server.listen(taken.port, taken.hostname)",
    act: (server) => server.fail({ StatusText: /^Failed: /, StatusErrno: "98" }),
  },
  {
    title: "a program that throws before it listens has failed, with its error",
    program: `manageServer(node()); throw new Error("line 3")`,
    act: (server) => server.fail({ StatusText: "Failed: line 3", Result: "exit-code" }),
  },
  {
    title: "SIGHUP before it listens makes it active no sooner, and reloads it then",
    program: `const server = node();
      manageServer(server, { reload() {} });
      process.kill(process.pid, "SIGHUP");
      setTimeout(() => { notify({ status: "not yet" }); server.listen(0, "127.0.0.1"); }, 200)`,
    async act(server) {
      await server.start();
      await server.unit.untilJournal("RELOADING=1");
      await server.unit.until({ ActiveState: "active", StatusText: /^Listening/ });
      expect(await server.unit.journal()).toMatch(/STATUS=not yet[\s\S]*READY=1[\s\S]*RELOADING=1[\s\S]*READY=1/);
      await server.stop();
    },
  },
  {
    title: "status() is shown beside the address, and then alone",
    program: `manageServer(web(), { status: () => requests + " requests", statusIntervalMs: 50 })`,
    async act(server) {
      await server.start();
      await server.unit.until({ StatusText: "0 requests" });
      await server.get();
      await server.unit.until({ StatusText: "1 requests" });
      await server.stop();
    },
  },
  {
    title: "a status() that hangs delays nothing",
    program: "manageServer(web(), { status: () => new Promise(() => {}) })",
    async act(server) {
      await server.start();
      await server.stop();
    },
  },
  {
    title: "a status() that throws delays nothing",
    program: `manageServer(web(), { status() { throw new Error("no"); } })`,
    async act(server) {
      await server.start();
      await server.stop();
    },
  },
  {
    title: "a status() that is too long is cut at a character",
    program: `manageServer(web(), { status: () => "ü".repeat(100_000) })`,
    async act(server) {
      await server.start();
      const { StatusText = "" } = await server.unit.until({ StatusText: /^Listening on \S+: ü+…$/ });
      expect(StatusText.length).toBeGreaterThan(1500);
      await server.stop();
    },
  },
  {
    title: "a status() of several lines injects nothing",
    program: `manageServer(web(), { status: () => "fine\\rSTOPPING=1\\nERRNO=5" })`,
    async act(server) {
      await server.start();
      await server.unit.until({ StatusText: /: fine$/, StatusErrno: "0", ActiveState: "active" });
      await server.stop();
    },
  },
  {
    title: "a status() with backslashes arrives as it is",
    program: `manageServer(web(), { status: () => "C:\\\\new\\\\" })`,
    async act(server) {
      await server.start();
      await server.unit.until({ StatusText: /: C:\\+new\\+$/ });
      await server.stop();
    },
  },
  {
    title: "an unprivileged server is heard",
    program: "manageServer(web())",
    section: UNPRIVILEGED,
    async act(server) {
      await server.start();
      await server.stop();
    },
  },
  {
    title: "a server whose messages are refused still serves and stops",
    program: "manageServer(web())",
    section: { Type: "exec", NotifyAccess: "none" },
    async act(server) {
      await server.start();
      // It tells nobody when it is there: proc_pid_status(5) shows that it has a handler for SIGTERM.
      const { MainPID } = await server.unit.show("MainPID");
      const caught = async () => {
        const { stdout } = await server.machine.run(["grep", "SigCgt", `/proc/${MainPID}/status`]);
        return BigInt(`0x${stdout.split("\t")[1]?.trim()}`) & (1n << 14n);
      };
      while ((await caught()) === 0n) await Bun.sleep(50);
      await server.stop();
    },
  },
  {
    title: "a second call ends a program that has no cure for it",
    program: "manageServer(web()); manageServer(web())",
    async act(server) {
      await server.unit.start("--no-block");
      await server.unit.until({ ActiveState: "failed", StatusText: /^Failed: .*all servers at once/ });
    },
  },
];

const reloads: Scenario[] = [
  {
    title: "systemctl reload waits for reload()",
    program: `let value = "old"; manageServer(web(), { status: () => value, reload: async () => { await Bun.sleep(200); value = "new"; } })`,
    section: RELOADING,
    since: 253,
    async act(server) {
      await server.start();
      await server.reload();
      await server.unit.until({ StatusText: /: new$/ });
      await server.stop();
    },
  },
  {
    title: "ExecReload= by SIGHUP reloads a unit of Type=notify",
    program: `let value = "old"; manageServer(web(), { status: () => value, reload: () => { value = "new"; } })`,
    section: BY_HUP,
    async act(server) {
      await server.start();
      await server.reload();
      await server.unit.until({ ActiveState: "active", StatusText: /: new$/ });
      await server.stop();
    },
  },
  {
    title: "a reload that outlasts TimeoutStartSec= is waited for",
    program: "manageServer(web(), { reload: () => Bun.sleep(1800) })",
    section: { ...RELOADING, TimeoutStartSec: "700ms" },
    since: 253,
    async act(server) {
      await server.start();
      await server.reload();
      expect(await server.unit.journal()).toContain("STATUS=Reloading, for 1 s");
      await server.stop();
    },
  },
  {
    title: "a reload that hangs is given up, and the next one works",
    program: `let count = 0;
      manageServer(web(), { reloadTimeoutMs: 300, status: () => count + " reloads", reload: () => count++ === 0 && new Promise(() => {}) })`,
    section: RELOADING,
    since: 253,
    async act(server) {
      await server.start();
      await server.reload();
      await server.unit.until({ StatusText: /^Reload failed.*given up after 300 ms$/ });
      await server.reload();
      await server.unit.until({ StatusText: /2 reloads$/ });
      await server.stop();
    },
  },
  {
    title: "a reload that fails is shown until the status changes",
    program: `let value = "quiet";
      manageServer(web(), { status: () => value, statusIntervalMs: 30, reload() { throw new Error("line 3"); } });
      process.on("SIGUSR2", () => { value = "busy"; })`,
    section: BY_HUP,
    async act(server) {
      await server.start();
      await server.unit.until({ StatusText: "quiet" });
      await server.reload();
      await server.unit.until({ ActiveState: "active", StatusText: /^Reload failed.*: line 3$/ });
      await Bun.sleep(200);
      await server.unit.until({ StatusText: /^Reload failed/ });
      await server.kill("USR2");
      await server.unit.until({ StatusText: "busy" });
      await server.stop();
    },
  },
  {
    title: "a reload that rejects leaves the server as it is",
    program: "manageServer(web(), { reload: async () => { throw new Error('line 3'); } })",
    section: RELOADING,
    since: 253,
    async act(server) {
      await server.start();
      await server.reload();
      expect(await server.get()).toEqual(answered);
      await server.stop();
    },
  },
  {
    title: "a reload ends although status() hangs",
    program: "manageServer(web(), { status: () => new Promise(() => {}), reload() {} })",
    section: RELOADING,
    since: 253,
    async act(server) {
      await server.start();
      await server.reload();
      await server.stop();
    },
  },
  {
    title: "a reload ends although status() is too long",
    program: `manageServer(web(), { status: () => "x".repeat(10_000), reload() {} })`,
    section: RELOADING,
    since: 253,
    async act(server) {
      await server.start();
      await server.reload();
      await server.stop();
    },
  },
  {
    title: "a server without reload() reloads too",
    program: "manageServer(web())",
    section: RELOADING,
    since: 253,
    async act(server) {
      await server.start();
      await server.reload();
      await server.stop();
    },
  },
  {
    title: "several reloads at once end active",
    program: "manageServer(web(), { reload: () => Bun.sleep(100) })",
    section: BY_HUP,
    async act(server) {
      await server.start();
      await Promise.all([1, 2, 3, 4].map(() => server.kill("HUP")));
      await server.reload();
      await server.unit.until({ ActiveState: "active", StatusText: /^Listening/ });
      await server.stop();
    },
  },
  {
    title: "requests are answered during a reload",
    program: "manageServer(web(), { reload: () => Bun.sleep(2500) })",
    section: BY_HUP,
    async act(server) {
      await server.start();
      const { answer } = await server.slow();
      await server.kill("HUP");
      await server.unit.until({ ActiveState: "reloading" });
      expect(await server.get()).toEqual(answered);
      await server.kill("USR2");
      expect(await answer).toEqual(answered);
      await server.unit.until({ ActiveState: "active", StatusText: /^Listening/ });
      await server.stop();
    },
  },
  {
    title: "a stop during a reload that hangs is clean",
    program: "manageServer(web(), { reload: () => new Promise(() => {}) })",
    async act(server) {
      await server.start();
      await server.kill("HUP");
      await server.unit.until({ ActiveState: "reloading" });
      expect(await server.stop()).toBeLessThan(5000);
    },
  },
  {
    title: "an error out of reload()'s reach fails the unit, with its words",
    program: `manageServer(web(), { reload() { setTimeout(() => { throw new Error("later"); }, 50); return Bun.sleep(500); } })`,
    async act(server) {
      await server.start();
      await server.kill("HUP");
      await server.unit.until({ ActiveState: "failed", StatusText: "Failed: later", Result: "exit-code" });
    },
  },
];

const stops: Scenario[] = [
  {
    title: "an idle server stops at once",
    program: "manageServer(web())",
    async act(server) {
      await server.start();
      expect(await server.stop()).toBeLessThan(2000);
    },
  },
  {
    title: "KillSignal=SIGINT stops it in the same way",
    program: "manageServer(web())",
    section: { KillSignal: "SIGINT" },
    async act(server) {
      await server.start();
      const { answer } = await server.slow(300);
      await server.stop();
      expect(await answer).toEqual(answered);
    },
  },
  {
    title: "a request in flight is answered",
    program: "manageServer(web())",
    async act(server) {
      await server.start();
      const { answer } = await server.slow(700);
      await server.stop();
      expect(await answer).toEqual(answered);
    },
  },
  {
    title: "a request in flight at node:http is answered, and its connection not waited for",
    program: `const server = node(); manageServer(server); server.listen(0, "127.0.0.1")`,
    async act(server) {
      await server.start();
      const { answer } = await server.slow(700);
      expect(await server.stop()).toBeLessThan(3500);
      expect(await answer).toEqual(answered);
    },
  },
  {
    title: "idle connections of node:http are not waited for",
    program: `const server = node(); manageServer(server); server.listen(0, "127.0.0.1")`,
    async act(server) {
      await server.start();
      await Promise.all([1, 2, 3, 4, 5].map(() => server.get()));
      expect(await server.stop()).toBeLessThan(2500);
    },
  },
  {
    title: "requests at several servers are answered",
    program: `const second = node(); manageServer([web(), second]); second.listen(0, "127.0.0.1")`,
    async act(server) {
      await server.start();
      const answers = [await server.slow(900), await server.slow(900, 1)];
      await server.stop();
      for (const { answer } of answers) expect(await answer).toEqual(answered);
    },
  },
  {
    title: "a drain that outlasts TimeoutStopSec=500ms is waited for",
    program: "manageServer(web())",
    section: { TimeoutStopSec: "500ms" },
    async act(server) {
      await server.start();
      const { answer } = await server.slow(2500);
      await server.stop();
      expect(await answer).toEqual(answered);
    },
  },
  {
    title: "the status counts requests in flight",
    program: "manageServer(web())",
    async act(server) {
      await server.start();
      const { answer } = await server.slow();
      await server.unit.stop("--no-block");
      await server.unit.until({ ActiveState: "deactivating", StatusText: "Stopping: 1 request in flight" });
      await server.kill("USR2");
      expect(await answer).toEqual(answered);
      await server.ended();
    },
  },
  {
    title: "SIGTERM from elsewhere is a clean stop too",
    program: "manageServer(web())",
    async act(server) {
      await server.start();
      const { answer } = await server.slow(500);
      await server.kill("TERM");
      expect(await answer).toEqual(answered);
      await server.ended();
    },
  },
  {
    title: "a second SIGTERM ends it, which is clean",
    program: "manageServer(web())",
    async act(server) {
      await server.start();
      await server.slow(60_000);
      await server.unit.stop("--no-block");
      await server.unit.until({ ActiveState: "deactivating", StatusText: /^Stopping/ });
      await server.kill("TERM");
      await server.ended("code=killed, status=15/TERM");
    },
  },
  {
    title: "SIGHUP while it stops harms nobody",
    program: "manageServer(web())",
    async act(server) {
      await server.start();
      const { answer } = await server.slow();
      await server.unit.stop("--no-block");
      await server.unit.until({ StatusText: /^Stopping/ });
      await server.kill("HUP");
      await server.kill("USR2");
      expect(await answer).toEqual(answered);
      await server.ended();
    },
  },
  {
    title: "SendSIGHUP=yes harms nobody",
    program: "manageServer(web())",
    section: { SendSIGHUP: "yes" },
    async act(server) {
      await server.start();
      const { answer } = await server.slow(500);
      await server.stop();
      expect(await answer).toEqual(answered);
    },
  },
  {
    title: "websockets are closed by stopping()",
    program: `const sockets = new Set();
      const server = web({
        fetch: (request, server) => server.upgrade(request) ? undefined : new Response("x"),
        websocket: { open(socket) { sockets.add(socket); notify({ status: "open" }); }, message() {} },
      });
      manageServer(server, { stopping() { for (const socket of sockets) socket.close(1001); } })`,
    async act(server) {
      await server.start();
      const socket = await openSocket(server);
      expect(await server.stop()).toBeLessThan(3000);
      expect(await socket.closed).toBe(1001);
    },
  },
  {
    title: "websockets that stay open are counted, and end with drainTimeoutMs",
    program: `const server = web({
        fetch: (request, server) => server.upgrade(request) ? undefined : new Response("x"),
        websocket: { open: () => notify({ status: "open" }), message() {} },
      });
      manageServer(server, { drainTimeoutMs: 4000 })`,
    async act(server) {
      await server.start();
      await openSocket(server);
      await server.unit.stop("--no-block");
      await server.unit.until({ StatusText: "Stopping: 0 requests in flight, 1 websocket open" });
      await server.ended();
    },
  },
  {
    title: "a request that hangs ends with drainTimeoutMs",
    program: "manageServer(web(), { drainTimeoutMs: 500 })",
    async act(server) {
      await server.start();
      await server.slow(60_000);
      expect(await server.stop()).toBeLessThan(4000);
    },
  },
  {
    title: "stopping() that hangs ends with drainTimeoutMs",
    program: "manageServer(web(), { drainTimeoutMs: 500, stopping: () => new Promise(() => {}) })",
    async act(server) {
      await server.start();
      expect(await server.stop()).toBeLessThan(4000);
    },
  },
  {
    title: "stop() is called after the last request, and waited for",
    program: `manageServer(web(), { stop: async () => { notify({ status: requests + " by stop()" }); await Bun.sleep(300); } })`,
    async act(server) {
      await server.start();
      const { answer } = await server.slow(300);
      expect(await server.stop()).toBeGreaterThan(300);
      expect(await answer).toEqual(answered);
      expect(await server.unit.journal()).toContain("STATUS=1 by stop()");
    },
  },
  {
    title: "stop() that fails is told, and is exit status 1",
    program: `manageServer(web(), { stop() { throw Object.assign(new Error("no disk"), { code: "ENOSPC" }); } })`,
    async act(server) {
      await server.start();
      await server.unit.stop();
      await server.unit.until({ ActiveState: "failed", Result: "exit-code", ExecMainStatus: "1" });
      expect(await server.unit.journal()).toContain("STATUS=Failed to stop: no disk");
    },
  },
  {
    title: "stop() that hangs is ended by TimeoutStopSec=",
    program: "manageServer(web(), { stop: () => new Promise((resolve) => setTimeout(resolve, 1e8)) })",
    section: { TimeoutStopSec: 1 },
    async act(server) {
      await server.start();
      await server.unit.stop();
      await server.unit.until({ ActiveState: "failed", Result: "timeout" });
    },
  },
  {
    title: "drainDelayMs goes on serving, longer than TimeoutStopSec=500ms",
    program: "manageServer(web(), { drainDelayMs: 3000 })",
    section: { TimeoutStopSec: "500ms" },
    async act(server) {
      await server.start();
      await server.unit.stop("--no-block");
      await server.unit.until({ ActiveState: "deactivating", StatusText: /^Stopping soon/ });
      expect(await server.get()).toEqual(answered);
      await server.ended();
    },
  },
  {
    title: "a restart answers what was in flight, and serves again",
    program: "manageServer(web())",
    async act(server) {
      await server.start();
      const { answer } = await server.slow(400);
      const { MainPID } = await server.unit.show("MainPID");
      expect((await server.machine.systemctl("restart", server.unit.name)).code).toBe(0);
      expect(await answer).toBe(`answered ${MainPID}`);
      await server.unit.until({ ActiveState: "active", NRestarts: "0" });
      await server.stop();
    },
  },
];

const watchdogs: Scenario[] = [
  {
    title: "pings keep it alive",
    program: "manageServer(web())",
    section: { WatchdogSec: "600ms" },
    async act(server) {
      await server.start();
      await Bun.sleep(1500);
      await server.unit.until({ ActiveState: "active", NRestarts: "0" });
      await server.stop();
    },
  },
  {
    title: "an event loop that does not turn ends it",
    program: `process.on("SIGUSR2", () => { for (;;); }); manageServer(web())`,
    section: { WatchdogSec: "800ms", TimeoutAbortSec: 1 },
    async act(server) {
      await server.start();
      await server.kill("USR2");
      await server.unit.until({ ActiveState: "failed", Result: "watchdog" });
    },
  },
  {
    title: "healthy() that asks the server itself keeps it alive",
    program: "const server = web(); manageServer(server, { healthy: async () => (await fetch(server.url)).ok })",
    section: { WatchdogSec: "800ms" },
    async act(server) {
      await server.start();
      await Bun.sleep(1800);
      await server.unit.until({ ActiveState: "active" });
      await server.stop();
    },
  },
  ...["() => false", "async () => { throw new Error('no database') }", "() => new Promise(() => {})"].map(
    (healthy): Scenario => ({
      title: `healthy: ${healthy} ends it`,
      program: `manageServer(web(), { healthy: ${healthy} })`,
      section: { WatchdogSec: "800ms", TimeoutAbortSec: 1 },
      async act(server) {
        await server.start();
        await server.unit.until({ ActiveState: "failed", Result: "watchdog" });
      },
    }),
  ),
  {
    title: "healthy() is not asked while it stops",
    program:
      "let well = true; process.on('SIGTERM', () => { well = false; }); manageServer(web(), { healthy: () => well })",
    section: { WatchdogSec: "500ms" },
    async act(server) {
      await server.start();
      const { answer } = await server.slow(2000);
      await server.kill("TERM");
      expect(await answer).toEqual(answered);
      await server.ended();
    },
  },
  {
    title: "a reload longer than WatchdogSec= is survived",
    program: "manageServer(web(), { reload: () => Bun.sleep(1500) })",
    section: { ...BY_HUP, WatchdogSec: "500ms" },
    async act(server) {
      await server.start();
      await server.reload();
      await server.unit.until({ ActiveState: "active", StatusText: /^Listening/ });
      await server.stop();
    },
  },
  {
    title: "a time-out changed at runtime is pinged for",
    program: "manageServer(web()); notify({ watchdogTimeoutMs: 500 }); startWatchdog({ timeoutMs: 500 })",
    section: { WatchdogSec: "1h" },
    async act(server) {
      await server.start();
      await server.unit.until({ WatchdogUSec: "500ms" });
      await Bun.sleep(1500);
      await server.unit.until({ ActiveState: "active" });
      await server.stop();
    },
  },
  {
    title: "a watchdog that was stopped pings no more",
    program: "manageServer(web()); startWatchdog().stop()",
    section: { WatchdogSec: "800ms", TimeoutAbortSec: 1 },
    async act(server) {
      await server.start();
      await server.unit.until({ ActiveState: "failed", Result: "watchdog" });
    },
  },
  {
    title: "a burst of statuses ends nobody",
    program: `manageServer(web(), { status: () => "x".repeat(100) + Math.random(), statusIntervalMs: 1 })`,
    section: { WatchdogSec: "1s" },
    async act(server) {
      await server.start();
      await Bun.sleep(1500);
      expect(await server.get()).toEqual(answered);
      await server.stop();
    },
  },
];

const errors: Scenario[] = [
  {
    title: "an exception is told with its errno",
    program: `manageServer(web()); process.on("SIGUSR2", () => { throw Object.assign(new Error("boom"), { code: "ENOSPC" }); })`,
    async act(server) {
      await server.start();
      await server.kill("USR2");
      await server.unit.until({
        ActiveState: "failed",
        StatusText: "Failed: boom",
        StatusErrno: "28",
        ExecMainStatus: "1",
      });
    },
  },
  {
    title: "a rejection is told, and ends it at once",
    program: `manageServer(web()); process.on("SIGUSR2", () => void Promise.reject(new Error("boom")))`,
    async act(server) {
      await server.start();
      await server.kill("USR2");
      await server.unit.until({ ActiveState: "failed", StatusText: "Failed: boom", ExecMainStatus: "1" });
    },
  },
  {
    title: "Restart=on-failure starts it again after an exception",
    program: `manageServer(web()); process.on("SIGUSR2", () => { throw new Error("boom"); })`,
    section: { Restart: "on-failure", RestartSec: "100ms" },
    async act(server) {
      await server.start();
      await server.kill("USR2");
      await server.unit.until({ ActiveState: "active", NRestarts: "1", StatusText: /^Listening/ });
      await server.stop();
    },
  },
  ...[
    ["uncaughtException", "throw new Error('boom')"],
    ["unhandledRejection", "Promise.reject(new Error('boom'))"],
    ["uncaughtException", "Promise.reject(new Error('boom'))"],
  ].map(
    ([event, action]): Scenario => ({
      title: `a handler for ${event} decides: ${action}`,
      program: `process.on("${event}", () => notify({ status: "handled" }));
        manageServer(web());
        process.on("SIGUSR2", () => { ${action}; })`,
      async act(server) {
        await server.start();
        await server.kill("USR2");
        await server.unit.until({ ActiveState: "active", StatusText: "handled", NRestarts: "0" });
        expect(await server.unit.journal()).not.toContain("STATUS=Failed");
        await server.stop();
      },
    }),
  ),
  {
    title: "onError() that throws ends nobody",
    program: `manageServer(web(), { onError() { throw new Error("no"); }, status() { throw new Error("no"); }, statusIntervalMs: 20 })`,
    async act(server) {
      await server.start();
      expect(await server.get()).toEqual(answered);
      await server.stop();
    },
  },
  {
    title: "an end by process.exit() is its own",
    program: `manageServer(web()); process.on("SIGUSR2", () => process.exit(3))`,
    async act(server) {
      await server.start();
      await server.kill("USR2");
      await server.unit.until({ ActiveState: "failed", ExecMainStatus: "3" });
    },
  },
];

const PROBES = `const managed = manageServer(web(), { probes: { port: 0, hostname: "127.0.0.1" }, status: () => managed.probesUrl.href`;
const probes: Scenario[] = [
  {
    title: "the probes say yes when it is active, and no from the stop on",
    program: `${PROBES}, statusIntervalMs: 20, drainDelayMs: 4000 })`,
    async act(server) {
      await server.start();
      const { StatusText = "" } = await server.unit.until({ StatusText: /^http:\S+$/ });
      const ask = async (path: string) => (await fetch(`${StatusText}${path}`)).status;
      for (const path of ["livez", "readyz", "startupz"]) expect(await ask(path)).toBe(200);
      await server.unit.stop("--no-block");
      await server.unit.until({ StatusText: /^Stopping soon/ });
      expect([await ask("readyz"), await ask("livez"), await server.get()]).toEqual([503, 200, answered]);
      await server.ended();
    },
  },
  {
    title: "probes on a port that is taken fail the start, with EADDRINUSE",
    program: "const taken = web(); manageServer(web(), { probes: { port: taken.port, hostname: taken.hostname } })",
    act: (server) => server.fail({ Result: "exit-code" }),
  },
];

/** What the fd store keeps across a restart. */
const stores: Scenario[] = [
  {
    title: "state that stop() saves is there after a restart",
    program: `const before = Number(new TextDecoder().decode(loadState("count")));
      manageServer(web(), { status: () => before + " before", stop: () => saveState("count", String(before + requests)) })`,
    section: { FileDescriptorStoreMax: 8 },
    async act(server) {
      await server.start();
      await server.get();
      expect((await server.machine.systemctl("restart", server.unit.name)).code).toBe(0);
      await server.unit.until({ StatusText: /: 1 before$/ });
      await server.stop();
    },
  },
];

describeEach("servers", (machine) => {
  const bun = `${machine.checkout}/node_modules/bun/bin/bun.exe`;
  let count = 0;
  const groups = { starts, reloads, stops, watchdogs, errors, probes, stores };
  for (const [group, scenarios] of Object.entries(groups)) {
    for (const { title, program, section, since = 0, act } of scenarios) {
      const tooOld = machine.version < since && `systemd ${machine.version} has no Type=notify-reload`;
      const skipped = machine.isBaseline ? "it does not concern systemd-notify" : tooOld;
      test.skipIf(Boolean(skipped))(titled(`${group}: ${title}`, skipped), async () => {
        const path = `${machine.directory}/server-${process.pid}-${machine.version}-${++count}.mjs`;
        const names = "loadState, manageServer, notify, saveState, startWatchdog";
        machine.write(path, `import { ${names} } from "${machine.checkout}/dist/index.js";\n${PRELUDE}\n${program}\n`);
        const unit = machine.service({
          Type: "notify",
          TimeoutStopSec: 20,
          ExecStart: exec(bun, path),
          ...section,
        });
        await act(new Server(machine, unit));
      });
    }
  }
});

// --- internal ---

async function openSocket(server: Server): Promise<{ closed: Promise<number> }> {
  const [url = ""] = await server.urls();
  const socket = new WebSocket(url.replace("http", "ws"));
  const { promise, resolve } = Promise.withResolvers<number>();
  socket.onclose = ({ code }) => resolve(code);
  await server.unit.until({ StatusText: "open" });
  return { closed: promise };
}
