import { beforeAll, expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { titled } from "../support/command.ts";
import { restartUnderLoad, type Target } from "../support/load.ts";
import { describeEach, exec, Unit, unitText } from "./machine.ts";

const PROGRAM = `
  import { manageServer, serve } from "sd-notify";
  const [unix] = process.argv.slice(2);
  manageServer(await serve({ ...(unix && { unix }), port: Number(process.env.PORT ?? 0), fetch: () => new Response("ok") }));`;

describeEach("serve", (machine) => {
  const directory = `${machine.directory}/serve`;
  const bun = `${machine.checkout}/node_modules/bun/bin/bun.exe`;
  const baseline = machine.isBaseline && "it does not concern systemd-notify";

  beforeAll(async () => {
    await machine.run(["mkdir", "-p", `${directory}/node_modules`]);
    machine.write(`${directory}/server.ts`, PROGRAM);
    symlinkSync(machine.checkout, machine.outside(`${directory}/node_modules/sd-notify`));
  });

  const service = (section: Record<string, string>, ...args: string[]) => ({
    Type: "notify",
    Slice: "sdnotifytest.slice",
    ExecStart: exec(bun, `${directory}/server.ts`, ...args),
    ...section,
  });
  const survives = async (unit: Unit, where: Target) => {
    const restart = async () => expect((await machine.systemctl("restart", unit.name)).stderr).toBe("");
    const { sent, lost } = await restartUnderLoad(where, restart, { restarts: 3, everyMs: 1000 });
    expect(lost).toEqual([]);
    expect(sent).toBeGreaterThan(3000);
  };

  const MANY_STARTS = { StartLimitIntervalSec: 0 };
  // As tight as it can be, seen from here: what the adoption calls is in @system-service.
  const HARDENED = {
    SystemCallFilter: "@system-service",
    ProtectProc: "invisible",
    ProcSubset: "pid",
    PrivateDevices: "yes",
  };

  test.skipIf(Boolean(baseline))(
    titled("all sockets of a .socket unit are served, through restarts under load", baseline),
    async () => {
      const name = `sdnotifytest-serve-${machine.version}`;
      const [port, path] = [freePort(), `${directory}/http`];
      machine.install({
        [`${name}.socket`]: unitText({
          Socket: {
            ListenStream: [`127.0.0.1:${port}`, `[::1]:${port}`, path],
            FileDescriptorName: "http",
            Backlog: 2048,
          },
        }),
        [`${name}.service`]: unitText({ Unit: MANY_STARTS, Service: service(HARDENED) }),
      });
      const unit = new Unit(machine, `${name}.service`);
      expect(await machine.systemctl("start", `${name}.socket`)).toMatchObject({ code: 0, stderr: "" });
      // The first connection starts it.
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("ok");
      await unit.until({ ActiveState: "active", StatusText: new RegExp(`^Listening on http://127.0.0.1:${port}/`) });
      await survives(unit, { url: `http://127.0.0.1:${port}/` });
      await survives(unit, { url: `http://[::1]:${port}/` });
      await survives(unit, { url: "http://localhost/", unix: machine.outside(path) });
      await machine.systemctl("stop", `${name}.socket`, unit.name);
    },
  );

  test.skipIf(Boolean(baseline))(
    titled("a socket in the fd store goes through restarts under load", baseline),
    async () => {
      const [port, path] = [freePort(), `${directory}/stored`];
      for (const [env, args, where] of [
        [{ Environment: `PORT=${port}` }, [], { url: `http://127.0.0.1:${port}/` }],
        [{}, [path], { url: "http://localhost/", unix: machine.outside(path) }],
      ] as const) {
        const unit = machine.service(service({ ...env, FileDescriptorStoreMax: "4" }, ...args), { Unit: MANY_STARTS });
        expect(await unit.start()).toMatchObject({ code: 0, stderr: "" });
        await survives(unit, where);
        await unit.stop();
      }
    },
  );
});

// --- internal ---

/** The containers have the machine's network, so each needs a port of its own. */
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop();
  return listener.port;
}
