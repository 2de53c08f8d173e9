/** How servers stop. */

import { expect } from "bun:test";
import { answered, defineServers, openSocket, type Scenario } from "./servers.ts";

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

defineServers({ stops });
