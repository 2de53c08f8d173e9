/** How servers start. */

import { expect } from "bun:test";
import { UNPRIVILEGED } from "./machine.ts";
import { answered, defineServers, type Scenario } from "./servers.ts";

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

defineServers({ starts });
