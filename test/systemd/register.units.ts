/**
 * Programs of all frameworks, which know nothing of systemd, as units by sd-notify/register: started, watched,
 * drained, socket-activated, and restarted under load. Those of a framework that is not installed are
 * skipped.
 */

import { beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { ROOT, titled } from "../support/command.ts";
import { describeMany, exec, type Section, Unit, unitText } from "./machine.ts";
import { MANY_LOADS_MS, nextPort, survivesRestarts, triedInFull } from "./restarts.ts";

const FRAMEWORKS = join(ROOT, "test/frameworks");
const SVELTEKIT = "sveltekit/dist/index.js";
const WITHOUT = ["bun-serve", "export-default", "node-http"];

/** The programs, and why some can't be tried. */
const programs = [
  ...readdirSync(join(FRAMEWORKS, "programs"))
    .filter((file) => file !== "answer.js")
    .map((file) => ({ name: file.replace(/\.js$/, ""), file: `programs/${file}` })),
  { name: "sveltekit", file: SVELTEKIT },
].flatMap(({ name, file }) => {
  if (triedInFull && !triedInFull.includes(name)) return [];
  const needed = WITHOUT.includes(name) ? file : name === "sveltekit" ? SVELTEKIT : "node_modules";
  const why = existsSync(join(FRAMEWORKS, needed)) ? undefined : "npm run test:frameworks has not installed it";
  return { name, file, why };
});

describeMany("register", (machine) => {
  const directory = `${machine.directory}/register`;
  const bun = `${machine.checkout}/node_modules/bun/bin/bun.exe`;
  const baseline = machine.isBaseline && "it does not concern systemd-notify";

  beforeAll(async () => {
    await machine.run(["mkdir", "-p", `${directory}/node_modules`]);
    // fastify listens on all addresses of localhost, which a container may have none of.
    const hosts = "127.0.0.1 localhost\\n::1 localhost\\n";
    await machine.run(["sh", "-c", `test -e /etc/hosts || printf '${hosts}' >/etc/hosts`]);
    symlinkSync(machine.checkout, machine.outside(`${directory}/node_modules/sd-notify`));
  });

  const service = (file: string, environment: Record<string, string | number>, section: Section = {}): Section => ({
    Type: "notify",
    Slice: "sdnotifytest.slice",
    WorkingDirectory: directory,
    Environment: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    ExecStart: exec(bun, "--preload", "sd-notify/register", `${machine.checkout}/test/frameworks/${file}`),
    ...section,
  });
  const start = async (unit: Unit) => {
    const { code, stderr } = await unit.start();
    if (code !== 0) throw new Error(`${stderr}${await unit.journal()}${await unit.output()}`);
  };
  const get = async (url: string, init: BunFetchRequestInit = {}) => (await fetch(url, init)).text();

  const MANY_STARTS = { StartLimitIntervalSec: 0 };
  // As tight as it can be, seen from here.
  const HARDENED = {
    SystemCallFilter: "@system-service",
    ProtectProc: "invisible",
    ProcSubset: "pid",
    PrivateDevices: "yes",
  };

  for (const { name, file, why } of programs) {
    const skipped = baseline || why;
    const busy = skipped || (triedInFull && "beside the loads, it would take its time from them");

    test.skipIf(Boolean(busy))(
      titled(`${name} is started, drained with a request in flight, and killed and restarted when it hangs`, busy),
      async () => {
        const [port, taken] = [nextPort(), `${directory}/taken-${name}`];
        const unit = machine.service(
          service(
            file,
            { PORT: port, TAKEN_FILE: taken },
            { WatchdogSec: 2, Restart: "on-failure", RestartSec: 0, LimitCORE: 0 },
          ),
          { Unit: MANY_STARTS },
        );
        const url = `http://127.0.0.1:${port}/`;
        await start(unit);
        await unit.until({ ActiveState: "active", StatusText: new RegExp(`^Listening on http://\\S+:${port}/$`) });
        expect(await get(url)).toBe("ok");
        const slow = get(`${url}?ms=700`);
        while (!existsSync(machine.outside(taken))) await Promise.race([slow, Bun.sleep(20)]);
        const begun = performance.now();
        expect(await unit.stop()).toMatchObject({ code: 0 });
        expect(performance.now() - begun).toBeLessThan(10_000);
        expect(await slow).toBe("ok");
        await unit.untilJournal("Deactivated successfully.");
        await start(unit);
        void get(`${url}?hang`).catch(() => {});
        await unit.untilJournal("Watchdog timeout");
        await unit.until({ NRestarts: "1", ActiveState: "active" });
        await unit.stop();
      },
    );

    test.skipIf(Boolean(skipped))(
      titled(`${name} is started by its first connection, and loses no request at restarts`, skipped),
      async () => {
        const id = `sdnotifytest-register-${machine.version}-${name}`;
        const [port, path] = [nextPort(), `${directory}/${name}`];
        // SvelteKit's server refuses to start with more than one.
        const more = name === "sveltekit" ? [] : [`[::1]:${port}`, path];
        const tried = triedInFull || ["bun-serve", "node-http"].includes(name) ? more : [];
        machine.install({
          [`${id}.socket`]: unitText({ Socket: { ListenStream: [`127.0.0.1:${port}`, ...more], Backlog: 4096 } }),
          [`${id}.service`]: unitText({ Unit: MANY_STARTS, Service: service(file, { PORT: 3999 }, HARDENED) }),
        });
        const unit = new Unit(machine, `${id}.service`);
        expect(await machine.systemctl("start", `${id}.socket`)).toMatchObject({ code: 0, stderr: "" });
        expect(await get(`http://127.0.0.1:${port}/`)).toBe("ok");
        await unit.until({ ActiveState: "active", StatusText: new RegExp(`^Listening on http://127.0.0.1:${port}/`) });
        await survivesRestarts(unit, { url: `http://127.0.0.1:${port}/` });
        if (tried.length > 0) await survivesRestarts(unit, { url: `http://[::1]:${port}/` });
        if (tried.length > 0) await survivesRestarts(unit, { url: "http://localhost/", unix: machine.outside(path) });
        await machine.systemctl("stop", `${id}.socket`, unit.name);
      },
      MANY_LOADS_MS,
    );

    test.skipIf(Boolean(skipped))(
      titled(`${name} keeps its own port in the fd store, and loses no request at restarts`, skipped),
      async () => {
        const port = nextPort();
        const unit = machine.service(service(file, { PORT: port }, { FileDescriptorStoreMax: 4 }), {
          Unit: MANY_STARTS,
        });
        await start(unit);
        await survivesRestarts(unit, { url: `http://127.0.0.1:${port}/` });
        await unit.stop();
      },
      MANY_LOADS_MS,
    );
  }

  test.skipIf(Boolean(baseline))(
    titled("under MemoryDenyWriteExecute=yes a passed socket is one line with the cure", baseline),
    async () => {
      const id = `sdnotifytest-register-${machine.version}-memory`;
      const [port, output] = [nextPort(), `${directory}/memory`];
      const section = { MemoryDenyWriteExecute: "yes", StandardError: `append:${output}` };
      machine.install({
        [`${id}.socket`]: unitText({ Socket: { ListenStream: `127.0.0.1:${port}` } }),
        [`${id}.service`]: unitText({ Service: service("programs/bun-serve.js", {}, section) }),
      });
      const unit = new Unit(machine, `${id}.service`);
      expect(await machine.systemctl("start", `${id}.socket`)).toMatchObject({ code: 0, stderr: "" });
      expect((await unit.start()).code).toBe(1);
      const lines = readFileSync(machine.outside(output), "utf8").split("\n");
      expect(lines.filter((line) => /^FFIUnavailableError: .*: set MemoryDenyWriteExecute=no/.test(line))).toHaveLength(
        1,
      );
      expect(lines.length).toBeLessThan(8);
      await machine.systemctl("stop", `${id}.socket`, unit.name);
    },
  );

  test.skipIf(Boolean(baseline))(
    titled("a unix socket of the program's own is kept in the fd store", baseline),
    async () => {
      for (const name of ["bun-serve", "node-http"]) {
        if (triedInFull && !triedInFull.includes(name)) continue;
        const path = `${directory}/own-${name}`;
        const unit = machine.service(
          service(`programs/${name}.js`, { SOCKET_PATH: path }, { FileDescriptorStoreMax: 4 }),
          { Unit: MANY_STARTS },
        );
        await start(unit);
        await survivesRestarts(unit, { url: "http://localhost/", unix: machine.outside(path) });
        await unit.stop();
      }
    },
    MANY_LOADS_MS,
  );

  const busy = baseline || (triedInFull && "beside the loads, it would take its time from them");

  test.skipIf(Boolean(busy))(
    titled("a path that RuntimeDirectory= has removed at a restart is opened again, and stored", busy),
    async () => {
      const runtime = `sdnotifytest-register-${machine.version}`;
      const section = { RuntimeDirectory: runtime, FileDescriptorStoreMax: 1 };
      const unit = machine.service(service("programs/bun-serve.js", { SOCKET_PATH: `/run/${runtime}/http` }, section));
      await start(unit);
      const unix = machine.outside(`/run/${runtime}/http`);
      for (const _ of "123") {
        expect(await get("http://localhost/", { unix })).toBe("ok");
        await unit.until({ NFileDescriptorStore: "1" });
        expect(await machine.systemctl("restart", unit.name)).toMatchObject({ code: 0, stderr: "" });
      }
      expect(await get("http://localhost/", { unix })).toBe("ok");
      await unit.stop();
    },
  );

  test.skipIf(Boolean(busy))(
    titled("no unit can give its socket a name that looks as if register had stored it", busy),
    async () => {
      const port = nextPort();
      for (const [i, name] of [` register *-${port}`, `" register *-${port}"`, `register-*-${port}`].entries()) {
        const id = `sdnotifytest-register-${machine.version}-named-${i}`;
        machine.install({
          [`${id}.socket`]: unitText({ Socket: { ListenStream: `127.0.0.1:${port}`, FileDescriptorName: name } }),
          [`${id}.service`]: unitText({ Service: service("programs/bun-serve.js", { PORT: 3999 }) }),
        });
        const unit = new Unit(machine, `${id}.service`);
        expect(await machine.systemctl("start", `${id}.socket`)).toMatchObject({ code: 0, stderr: "" });
        expect(await get(`http://127.0.0.1:${port}/`)).toBe("ok");
        await unit.until({ StatusText: `Listening on http://127.0.0.1:${port}/` });
        await machine.systemctl("stop", `${id}.socket`, unit.name);
      }
    },
  );
});
