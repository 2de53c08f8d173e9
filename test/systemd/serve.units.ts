import { beforeAll, expect, test } from "bun:test";
import { readFileSync, symlinkSync } from "node:fs";
import { titled } from "../support/command.ts";
import { describeEach, exec, type Section, Unit, unitText } from "./machine.ts";
import { MANY_LOADS_MS, nextPort, survivesRestarts, triedInFull } from "./restarts.ts";

const PROGRAM = `
  import { manageServer, serve } from "sd-notify";
  const { HOST: hostname, PORT = "0", SOCKET_PATH: unix } = process.env;
  const where = unix ? { unix } : { hostname, port: Number(PORT) };
  manageServer(await serve({ ...where, fetch: () => new Response("ok") }));`;

describeEach("serve", (machine) => {
  const directory = `${machine.directory}/serve`;
  const bun = `${machine.checkout}/node_modules/bun/bin/bun.exe`;
  const baseline = machine.isBaseline && "it does not concern systemd-notify";
  const otherLoads = triedInFull && !triedInFull.includes("serve") && "$SD_NOTIFY_TEST_LOAD does not name it";

  beforeAll(async () => {
    await machine.run(["mkdir", "-p", `${directory}/node_modules`]);
    machine.write(`${directory}/server.ts`, PROGRAM);
    symlinkSync(machine.checkout, machine.outside(`${directory}/node_modules/sd-notify`));
  });

  const service = (environment: Record<string, string | number>, section: Section): Section => ({
    Type: "notify",
    Slice: "sdnotifytest.slice",
    Environment: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    ExecStart: exec(bun, `${directory}/server.ts`),
    ...section,
  });

  const MANY_STARTS = { StartLimitIntervalSec: 0 };
  // As tight as it can be, seen from here: what the adoption calls is in @system-service.
  const HARDENED = {
    SystemCallFilter: "@system-service",
    ProtectProc: "invisible",
    ProcSubset: "pid",
    PrivateDevices: "yes",
  };

  test.skipIf(Boolean(baseline || otherLoads))(
    titled("all sockets of a .socket unit are served, through restarts under load", baseline || otherLoads),
    async () => {
      const name = `sdnotifytest-serve-${machine.version}`;
      const [port, path] = [nextPort(), `${directory}/http`];
      machine.install({
        [`${name}.socket`]: unitText({
          Socket: {
            ListenStream: [`127.0.0.1:${port}`, `[::1]:${port}`, path],
            FileDescriptorName: "http",
            Backlog: 4096,
          },
        }),
        [`${name}.service`]: unitText({ Unit: MANY_STARTS, Service: service({}, HARDENED) }),
      });
      const unit = new Unit(machine, `${name}.service`);
      expect(await machine.systemctl("start", `${name}.socket`)).toMatchObject({ code: 0, stderr: "" });
      // The first connection starts it.
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("ok");
      await unit.until({ ActiveState: "active", StatusText: new RegExp(`^Listening on http://127.0.0.1:${port}/`) });
      await survivesRestarts(unit, { url: `http://127.0.0.1:${port}/` });
      await survivesRestarts(unit, { url: `http://[::1]:${port}/` });
      await survivesRestarts(unit, { url: "http://localhost/", unix: machine.outside(path) });
      await machine.systemctl("stop", `${name}.socket`, unit.name);
    },
    MANY_LOADS_MS,
  );

  test.skipIf(Boolean(baseline || otherLoads))(
    titled("a socket in the fd store goes through restarts under load", baseline || otherLoads),
    async () => {
      const [port, path] = [nextPort(), `${directory}/stored`];
      for (const [environment, where] of [
        [{ PORT: port }, { url: `http://127.0.0.1:${port}/` }],
        [{ PORT: port, HOST: "::1" }, { url: `http://[::1]:${port}/` }],
        [{ SOCKET_PATH: path }, { url: "http://localhost/", unix: machine.outside(path) }],
      ] as const) {
        const unit = machine.service(service(environment, { FileDescriptorStoreMax: 4 }), { Unit: MANY_STARTS });
        expect(await unit.start()).toMatchObject({ code: 0, stderr: "" });
        await survivesRestarts(unit, where);
        await unit.stop();
      }
    },
    MANY_LOADS_MS,
  );

  const told = otherLoads ? "it would take its time from the loads" : false;

  test.skipIf(Boolean(baseline || told))(
    titled("a path that RuntimeDirectory= has removed at a restart is opened again, and stored", baseline || told),
    async () => {
      const runtime = `sdnotifytest-serve-${machine.version}`;
      const section = { RuntimeDirectory: runtime, FileDescriptorStoreMax: 1 };
      const unit = machine.service(service({ SOCKET_PATH: `/run/${runtime}/http` }, section));
      expect(await unit.start()).toMatchObject({ code: 0, stderr: "" });
      const unix = machine.outside(`/run/${runtime}/http`);
      for (const _ of "123") {
        expect(await (await fetch("http://localhost/", { unix })).text()).toBe("ok");
        await unit.until({ NFileDescriptorStore: "1" });
        expect(await machine.systemctl("restart", unit.name)).toMatchObject({ code: 0, stderr: "" });
      }
      expect(await (await fetch("http://localhost/", { unix })).text()).toBe("ok");
      await unit.stop();
    },
  );

  test.skipIf(Boolean(baseline || told))(
    titled("a port, or an address, that has changed is served after a restart, and nothing else", baseline || told),
    async () => {
      const [before, after] = [nextPort(), nextPort()];
      const settings = `${directory}/settings`;
      const section = { EnvironmentFile: settings, FileDescriptorStoreMax: 1 };
      const places = [`HOST=127.0.0.1\nPORT=${before}`, `PORT=${after}`, `HOST=0.0.0.0\nPORT=${after}`];
      machine.write(settings, places[0] ?? "");
      const unit = machine.service(service({ HOST: "127.0.0.1" }, section));
      expect(await unit.start()).toMatchObject({ code: 0, stderr: "" });
      for (const [place, host, port] of [
        [places[1], "127.0.0.1", after],
        [places[2], "0.0.0.0", after],
        [places[0], "127.0.0.1", before],
      ] as const) {
        machine.write(settings, place ?? "");
        expect(await machine.systemctl("restart", unit.name)).toMatchObject({ code: 0, stderr: "" });
        await unit.until({ StatusText: `Listening on http://${host}:${port}/` });
        expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("ok");
        const other = port === before ? after : before;
        // Before version 254, the program does not know that the store is full, and gives up the old one later.
        const refused = () =>
          fetch(`http://127.0.0.1:${other}/`, { signal: AbortSignal.timeout(500) }).catch(({ code }) => code);
        while (!["ConnectionRefused", "ECONNREFUSED"].includes(await refused())) await Bun.sleep(200);
        await unit.until({ NFileDescriptorStore: "1" });
      }
      // It is the new one that is kept.
      await survivesRestarts(unit, { url: `http://127.0.0.1:${before}/` });
      await unit.stop();
    },
    MANY_LOADS_MS,
  );

  test.skipIf(Boolean(baseline))(
    titled("under MemoryDenyWriteExecute=yes a passed socket is one line with the cure", baseline),
    async () => {
      const name = `sdnotifytest-serve-${machine.version}-memory`;
      const [port, output] = [nextPort(), `${directory}/memory`];
      const section = { MemoryDenyWriteExecute: "yes", StandardError: `append:${output}` };
      machine.install({
        [`${name}.socket`]: unitText({ Socket: { ListenStream: `127.0.0.1:${port}` } }),
        [`${name}.service`]: unitText({ Service: service({}, section) }),
      });
      const unit = new Unit(machine, `${name}.service`);
      expect(await machine.systemctl("start", `${name}.socket`)).toMatchObject({ code: 0, stderr: "" });
      expect((await unit.start()).code).toBe(1);
      const lines = readFileSync(machine.outside(output), "utf8").split("\n");
      expect(lines.filter((line) => /^FFIUnavailableError: .*: set MemoryDenyWriteExecute=no/.test(line))).toHaveLength(
        1,
      );
      expect(lines.length).toBeLessThan(8);
      await machine.systemctl("stop", `${name}.socket`, unit.name);
    },
  );
});
