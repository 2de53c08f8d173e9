import { beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { ROOT, titled } from "../support/command.ts";
import { describeEach, exec, type Machine, Unit, unitText } from "./machine.ts";

const EXAMPLES = join(ROOT, "examples");
const TESTED = [
  "hardened.service",
  "server.service",
  "socket-activated.service",
  "socket-activated.socket",
  "worker.service",
];

test("every unit file of the examples is tried", () => {
  expect(
    readdirSync(EXAMPLES)
      .filter((file) => /\.(service|socket)$/.test(file))
      .sort(),
  ).toEqual(TESTED);
});

describeEach("examples", (machine) => {
  const directory = `${machine.directory}/example`;
  const bun = `${machine.checkout}/node_modules/bun/bin/bun.exe`;
  const baseline = machine.isBaseline && "it does not concern systemd-notify";

  beforeAll(async () => {
    await machine.run(["mkdir", "-p", `${directory}/node_modules`]);
    await machine.run(["sh", "-c", `cp ${machine.checkout}/examples/*.* ${directory}/ && chmod a+rX ${directory}`]);
    symlinkSync(machine.checkout, machine.outside(`${directory}/node_modules/sd-notify`));
  });

  /** Installs an example as it is, but for where Bun and the example are, and for its port. */
  const install = (name: string, replace: Record<string, string> = {}) => {
    let text = readFileSync(join(EXAMPLES, `${name}.service`), "utf8");
    const all = { "/usr/local/bin/bun": bun, "/opt/example": directory, ...replace };
    for (const [from, to] of Object.entries(all)) {
      if (!text.includes(from)) throw new Error(`${name}.service has no ${from}`);
      text = text.replaceAll(from, to);
    }
    const unit = new Unit(machine, `sdnotifytest-${name}.service`);
    machine.install({ [unit.name]: text.replace("[Service]", "[Service]\nSlice=sdnotifytest.slice") });
    return unit;
  };
  const start = async (name: string, replace?: Record<string, string>) => started(install(name, replace));
  const fetchText = async (url: string) =>
    (await machine.run([bun, "--eval", `console.log(await (await fetch("${url}")).text())`])).stdout.trim();

  const noReload = machine.version < 253 && `systemd ${machine.version} has no Type=notify-reload`;
  test.skipIf(Boolean(baseline || noReload))(
    titled("server.service answers, reloads and stops", baseline || noReload),
    async () => {
      const unit = await start("server", { "PORT=3000": "PORT=0" });
      const url = /http:\S+\//.exec(
        (await unit.until({ ActiveState: "active", StatusText: /http/ })).StatusText ?? "",
      )?.[0];
      expect(await fetchText(`${url}`)).toBe("Hello");
      machine.write(`${directory}/server.json`, '{ "greeting": "Changed" }');
      expect((await machine.systemctl("reload", unit.name)).code).toBe(0);
      expect(await fetchText(`${url}`)).toBe("Changed");
      expect((await unit.stop()).code).toBe(0);
      await unit.until({ ActiveState: "inactive", Result: "success" });
    },
  );

  for (const name of ["worker", "hardened"]) {
    test.skipIf(Boolean(baseline))(titled(`${name}.service keeps its count across a restart`, baseline), async () => {
      const unit = await start(name);
      await unit.until({ StatusText: /^[2-9] jobs done$/, NFileDescriptorStore: "1" });
      expect((await machine.systemctl("restart", unit.name)).code).toBe(0);
      expect(await unit.journal()).toMatch(/STATUS=[2-9] jobs done before/);
      await unit.until({ ActiveState: "active", StatusText: /^\d+ jobs done$/ });
      await unit.stop();
      await unit.until({ ActiveState: "inactive", Result: "success" });
    });
  }

  test.skipIf(Boolean(baseline))(
    titled("hardened.service has a low exposure, by systemd-analyze security", baseline),
    async () => {
      const name = "sdnotifytest-hardened-look.service";
      machine.install({ [name]: readFileSync(join(EXAMPLES, "hardened.service"), "utf8") });
      const { stdout } = await machine.run(["systemd-analyze", "security", "--no-pager", name]);
      const score = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
      expect(score).toBeGreaterThan(0);
      expect(score).toBeLessThanOrEqual(0.2);
      // What is not as it could be is what Bun needs.
      const open = [...stdout.matchAll(/^✗ (\S+)/gm)].map(([, setting]) => setting);
      expect(open).toEqual(OPEN);
    },
  );

  test.skipIf(Boolean(baseline))(
    titled("socket-activated.service answers on the socket of systemd's, across a restart", baseline),
    async () => {
      const [service, socket] = ["sdnotifytest-socket-activated.service", "sdnotifytest-socket-activated.socket"];
      const port = freePort();
      const text = readFileSync(join(EXAMPLES, "socket-activated.socket"), "utf8").replace(":3001", `:${port}`);
      machine.install({ [socket]: text });
      const unit = install("socket-activated");
      expect(await machine.systemctl("start", socket)).toMatchObject({ code: 0, stderr: "" });
      await started(unit);
      const url = `http://127.0.0.1:${port}/`;
      const first = (await unit.show("MainPID")).MainPID;
      expect(await fetchText(url)).toBe(`Hello from process ${first}`);
      expect((await machine.systemctl("restart", service)).code).toBe(0);
      expect(await fetchText(url)).toBe(`Hello from process ${(await unit.show("MainPID")).MainPID}`);
      await machine.systemctl("stop", socket, service);
    },
  );

  test("daemon.sh goes through its three states", async () => {
    const input = `${directory}/input`;
    machine.write(input, "first\nsecond\nthird\n");
    const example = readFileSync(join(EXAMPLES, "daemon.sh"), "utf8").replaceAll("sd-notify ", `${machine.command} `);
    // systemd-notify(1): --stopping is of version 253.
    const script = machine.commandVersion < 253 ? example.replace("--stopping", "STOPPING=1") : example;
    const unit = await runScript(machine, "daemon", script, { StandardInput: `file:${input}` });
    await unit.until({ ActiveState: "inactive", Result: "success" });
    const states = [...(await unit.journal()).matchAll(/STATUS=([^,)\n]+)|STOPPING=1/g)].map(([all]) => all);
    const waiting = "STATUS=Waiting for data...";
    expect(states).toEqual([
      waiting,
      ...["first", "second", "third"].flatMap((line) => [`STATUS=Processing ${line}`, waiting]),
      "STOPPING=1",
    ]);
  });

  test("the shell daemon of systemd-notify(1)", async () => {
    const fifo = `${directory}/waldo`;
    // The manual's, but for the command's name and where the FIFO is.
    const script = `#!/bin/sh

mkfifo /tmp/waldo
systemd-notify --ready --status="Waiting for data…"

while : ; do
        read -r a < /tmp/waldo
        systemd-notify --status="Processing $a"

        # Do something with $a …

        systemd-notify --status="Waiting for data…"
done
`
      .replaceAll("systemd-notify", machine.command)
      .replaceAll("/tmp/waldo", fifo);
    const unit = await runScript(machine, "manual", script);
    await unit.until({ ActiveState: "active", StatusText: "Waiting for data…" });
    for (const data of ["data", "more data"]) {
      await machine.run(["sh", "-c", `echo "${data}" >${fifo}`]);
      await unit.untilJournal(`STATUS=Processing ${data}`);
    }
    await unit.until({ ActiveState: "active", StatusText: "Waiting for data…" });
  });

  test("a unit of a user manager is heard", async () => {
    const home = `${machine.directory}/user`;
    await machine.run(["install", "-d", "-o", "nobody", `${home}`, `${home}/systemd`, `${home}/systemd/user`]);
    machine.write(
      `${home}/systemd/user/test.service`,
      unitText({
        Service: {
          Type: "notify",
          NotifyAccess: "all",
          ExecStart: exec("/bin/sh", "-c", `${machine.command} --ready --status="of a user"; exec sleep infinity`),
          ExecStartPost: exec(machine.command, "STATUS=after the start"),
        },
      }),
    );
    const manager = machine.service({
      Type: "notify",
      User: "nobody",
      Delegate: "yes",
      RuntimeDirectory: "sdnotifytest-user",
      Environment: `XDG_RUNTIME_DIR=/run/sdnotifytest-user XDG_CONFIG_HOME=${home} HOME=${home}`,
      ExecStart: exec("/usr/lib/systemd/systemd", "--user"),
    });
    await started(manager);
    const user = (...args: string[]) =>
      machine.run([
        "setpriv",
        "--reuid=nobody",
        "--clear-groups",
        "env",
        "XDG_RUNTIME_DIR=/run/sdnotifytest-user",
        "systemctl",
        "--user",
        ...args,
      ]);
    expect(await user("start", "test.service")).toMatchObject({ code: 0, stderr: "" });
    expect(
      (await user("show", "-p", "ActiveState", "-p", "StatusText", "test.service")).stdout.trim().split("\n").sort(),
    ).toEqual(["ActiveState=active", "StatusText=after the start"]);
    await manager.stop();
  });
});

// --- internal ---

/**
 * In what hardened.service is not as tight as a unit can be: it has the machine's root; bun:ffi needs the
 * JIT, notifications need AF_UNIX, and ProtectClock= lets it read the clock.
 */
const OPEN = [
  "RootDirectory=/RootImage=",
  "MemoryDenyWriteExecute=",
  "RestrictAddressFamilies=~AF_UNIX",
  "DeviceAllow=",
];

/** The containers have the machine's network, so each needs a port of its own. */
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop();
  return listener.port;
}

async function runScript(
  machine: Machine,
  name: string,
  script: string,
  section: Record<string, string> = {},
): Promise<Unit> {
  const path = `${machine.directory}/${name}.sh`;
  machine.write(path, script);
  const unit = machine.service({ Type: "notify", NotifyAccess: "all", ...section, ExecStart: exec("/bin/sh", path) });
  return started(unit);
}

async function started(unit: Unit): Promise<Unit> {
  const { code, stderr } = await unit.start();
  if (code !== 0) throw new Error(`${stderr}${await unit.output()}${await unit.journal()}`);
  return unit;
}
