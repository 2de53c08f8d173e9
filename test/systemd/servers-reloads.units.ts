/** How servers reload. */

import { expect } from "bun:test";
import { answered, BY_HUP, defineServers, RELOADING, type Scenario } from "./servers.ts";

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

defineServers({ reloads });
