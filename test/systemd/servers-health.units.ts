/** What watches over servers: the watchdog, uncaught errors and probes; and what the fd store keeps of them. */

import { expect } from "bun:test";
import { answered, BY_HUP, defineServers, type Scenario } from "./servers.ts";

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

defineServers({ watchdogs, errors, probes, stores });
