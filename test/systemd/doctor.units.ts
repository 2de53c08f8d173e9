import { expect, test } from "bun:test";
import { readFileSync, readlinkSync } from "node:fs";
import type { Check } from "../../src/tools/doctor/facts.ts";
import { quoteArgument } from "../../src/tools/doctor/unit-syntax.ts";
import { titled } from "../support/command.ts";
import { NASTY_WORDS } from "../support/nasty.ts";
import { describeMany, exec, type Machine, type Section, UNPRIVILEGED, type Unit } from "./machine.ts";

interface Report {
  subject: string;
  checks: Check[];
  unit: string;
  code: number | null;
}

describeMany("doctor", (machine) => {
  const skipped = machine.isBaseline && "systemd-notify has no doctor";
  const scenario = (title: string, body: () => Promise<void>) =>
    test.skipIf(Boolean(skipped))(titled(title, skipped), body);
  const bun = (code: string) => exec("/usr/bin/env", "BUN_BE_BUN=1", machine.command, "-e", code);
  const library = `const { notify, startWatchdog } = await import("${machine.checkout}/dist/index.js");`;
  const idle = "setInterval(() => {}, 1e6);";
  /** A shell that starts Bun, and goes on after it. */
  const launched = (code: string) => exec("/bin/sh", "-c", 'BUN_BE_BUN=1 "$0" -e "$1"; exit 0', machine.command, code);

  /** Starts a unit that need not become ready, and waits until its program is there. */
  async function started(section: Section, until: Record<string, string | RegExp> = { MainPID: /^[1-9]/ }) {
    const unit = machine.service({ Type: "notify", TimeoutStopSec: 5, ...section });
    await unit.start("--no-block");
    await unit.until(until);
    return unit;
  }

  /** What the doctor says fails, until it says so: a program takes a moment to come so far. */
  async function failing(unit: Unit, name: string, { result = "failed", why = /^/ } = {}): Promise<Check> {
    for (const deadline = performance.now() + 15_000; ; await Bun.sleep(100)) {
      const report = await doctor(machine, unit.name);
      const fits = (check: Check) => check.name === name && check.result === result && why.test(check.why ?? "");
      const check = report.checks.find(fits);
      if (check && (result !== "failed" || report.code === 1)) return check;
      if (performance.now() > deadline) throw new Error(JSON.stringify(report.checks, null, 1));
    }
  }

  scenario("a unit where nothing is wrong: exit 0, and its minimal unit is one", async () => {
    const unit = machine.service({
      Type: "notify",
      ExecStart: bun(`${library} process.on("SIGHUP", () => {}); notify({ ready: true }); startWatchdog(); ${idle}`),
      WatchdogSec: 30,
      FileDescriptorStoreMax: 2,
    });
    expect((await unit.start()).code).toBe(0);
    const report = await doctor(machine, unit.name.replace(".service", ""));
    expect(report.checks.filter(({ result }) => result === "failed" || result === "unknown")).toEqual([]);
    expect(report.code).toBe(0);
    const passed = report.checks.filter(({ result }) => result === "passed").map(({ name }) => name);
    expect(passed).toEqual(["start", "socket", "type", "access", "watchdog", "fd-store", "journal"]);
    expect(report.unit).toContain("Type=notify\n");
    expect(report.unit).toContain("WatchdogSec=30s\nFileDescriptorStoreMax=2\n");
    machine.write(`${machine.directory}/minimal.service`, report.unit);
    const verified = await machine.run(["systemd-analyze", "verify", `${machine.directory}/minimal.service`]);
    expect(verified.stderr).not.toContain("minimal.service:");
  });

  scenario("the minimal unit starts what was behind a shell, whatever its arguments and directory are", async () => {
    const directory = `${machine.directory}/50% $HOME "x" ${crypto.randomUUID()}`;
    const words = NASTY_WORDS.filter((word) => word.isWellFormed() && !word.startsWith("-"));
    const script = 'mkdir "$1"; cd "$1"; shift; BUN_BE_BUN=1 "$0" -e "$@"; exit 0';
    const unit = await started({
      ExecStart: exec(
        "/bin/sh",
        "-c",
        script,
        machine.command,
        directory,
        `${library} notify({ ready: true }); ${idle}`,
      ).concat(...words.map((word) => ` ${quoteArgument(word)}`)),
      NotifyAccess: "all",
    });
    await unit.until({ ActiveState: "active" });
    const { unit: text } = await doctor(machine, unit.name);
    const minimal = machine.service({});
    const more = "Type=exec\nSlice=sdnotifytest.slice\nEnvironment=BUN_BE_BUN=1\n";
    machine.write(`/run/systemd/system/${minimal.name}`, text.replace("Type=notify\n", more));
    expect((await minimal.start()).code).toBe(0);
    const { MainPID } = await minimal.until({ MainPID: /^[1-9]/ });
    const argv = readFileSync(machine.outside(`/proc/${MainPID}/cmdline`), "utf8")
      .split("\0")
      .slice(0, -1);
    expect(argv.slice(3)).toEqual(words);
    expect(readlinkSync(machine.outside(`/proc/${MainPID}/cwd`))).toBe(directory);
  });

  scenario("the text has the cause, then a line for each check, and the line to change", async () => {
    const unit = await started({ ExecStart: "/bin/sleep infinity", RestrictAddressFamilies: "AF_INET" });
    const { code, stdout, stderr } = await machine.run([machine.command, "doctor", unit.name]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    const why = "RestrictAddressFamilies=AF_INET: its processes can open no AF_UNIX socket, so they can't send";
    expect(stdout).toStartWith(`${unit.name}: ${why}\n\nFAILED  ${unit.name} is activating (start): it waits for `);
    expect(stdout).toContain(`\nFAILED  ${why}\n        cure: RestrictAddressFamilies=AF_UNIX AF_INET\n`);
    expect(stdout).toContain("\n# A minimal unit for it:\n[Unit]\n");
  });

  scenario("no READY=1 yet", async () => {
    const unit = await started({ ExecStart: "/bin/sleep infinity", TimeoutStartSec: 50 });
    const check = await failing(unit, "start");
    expect(check.why).toMatch(
      /^it waits for .*s for a READY=1 that it takes, from its main process .*; TimeoutStartSec= is 50 s$/,
    );
    expect(check.cure).toContain("notify({ ready: true })");
  });

  scenario("no READY=1 in time", async () => {
    const unit = await started({ ExecStart: "/bin/sleep infinity", TimeoutStartSec: 1 }, { ActiveState: "failed" });
    expect((await failing(unit, "start")).why).toStartWith("no READY=1 was taken within 1 s");
  });

  scenario("the program ends before READY=1", async () => {
    const unit = await started({ ExecStart: "/bin/true" }, { ActiveState: "failed" });
    expect((await failing(unit, "start")).why).toStartWith("it ended before READY=1");
  });

  scenario("a shell is the main process, and what it starts sends", async () => {
    const unit = await started({
      NotifyAccess: "main",
      ExecStart: launched(`${library} notify({ ready: true }); ${idle}`),
    });
    const check = await failing(unit, "access");
    expect(check.why).toMatch(
      /^process \d+ is not the main process, and NotifyAccess=main takes messages from no other/,
    );
    expect(check.cure).toBe("NotifyAccess=all, or exec before the command in the script of sh");
    // PID 1 has said so too, at level debug.
    const refused = await failing(unit, "journal");
    expect(refused.why).toMatch(/^process \d+ is not the main process/);
    expect(refused.cure).toBe("NotifyAccess=all");
    expect((await doctor(machine, unit.name)).unit).toContain(
      `# Without sh, which was the main process.
ExecStart=${machine.command} -e "`,
    );
  });

  scenario("NotifyAccess=none, and a message nevertheless", async () => {
    const unit = await started({
      Type: "exec",
      NotifyAccess: "none",
      Environment: "NOTIFY_SOCKET=/run/systemd/notify",
      ExecStart: bun(`${library} notify({ ready: true }); ${idle}`),
    });
    expect((await failing(unit, "type")).cure).toBe("Type=notify");
    expect(await failing(unit, "journal")).toMatchObject({ why: "NotifyAccess=none: the unit takes no messages" });
  });

  scenario("RestrictAddressFamilies= without AF_UNIX", async () => {
    const unit = await started({ ExecStart: "/bin/sleep infinity", RestrictAddressFamilies: "AF_INET" });
    expect((await failing(unit, "families")).cure).toBe("RestrictAddressFamilies=AF_UNIX AF_INET");
  });

  scenario("SystemCallFilter= without what sending takes", async () => {
    const unit = await started({
      ExecStart: "/bin/sleep infinity",
      SystemCallFilter: "~connect sendmsg",
      SystemCallErrorNumber: "EPERM",
    });
    expect((await failing(unit, "system-calls")).cure).toStartWith("SystemCallFilter=connect sendmsg, as a line");
  });

  scenario("MemoryDenyWriteExecute=yes for a program of Bun's", async () => {
    const unit = await started({ ExecStart: bun(idle), MemoryDenyWriteExecute: "yes" });
    expect((await failing(unit, "memory")).cure).toStartWith("MemoryDenyWriteExecute=no");
  });

  scenario("MemoryDenyWriteExecute=yes for another", async () => {
    const unit = await started({ ExecStart: "/bin/sleep infinity", MemoryDenyWriteExecute: "yes" });
    await failing(unit, "memory", { result: "note" });
  });

  scenario("an abstract socket and PrivateNetwork=yes", async () => {
    const unit = await started({
      ExecStart: "/bin/sleep infinity",
      PrivateNetwork: "yes",
      Environment: "NOTIFY_SOCKET=@doctor",
    });
    const check = await failing(unit, "socket");
    // Where the container may not make a network namespace, systemd goes on without.
    expect(check.why).toMatch(/^nobody listens to this name/);
    expect(check.cure).toBe("remove NOTIFY_SOCKET= from Environment=: systemd sets it");
  });

  scenario("a socket that the mount namespace hides", async () => {
    const unit = await started({
      Type: "exec",
      NotifyAccess: "all",
      ExecStart: "/bin/sleep infinity",
      TemporaryFileSystem: "/srv",
      Environment: `NOTIFY_SOCKET=/srv/notify`,
    });
    expect((await failing(unit, "socket")).why).toBe("there is no such file");
    machine.write("/srv/notify", "");
    const check = await failing(unit, "socket");
    expect(check).toMatchObject({
      why: "there is no such file in its mount namespace, though there is outside",
      cure: "BindReadOnlyPaths=/srv/notify",
    });
  });

  scenario("an address that can't be one", async () => {
    const unit = await started({ ExecStart: "/bin/sleep infinity", Environment: "NOTIFY_SOCKET=run/notify" });
    expect(await failing(unit, "socket")).toMatchObject({
      why: "it must be /path, @name or vsock:CID:PORT",
      cure: "remove NOTIFY_SOCKET= from Environment=: systemd sets it",
    });
  });

  scenario("$NOTIFY_SOCKET is removed on the way", async () => {
    const unit = await started({ ExecStart: exec("/usr/bin/env", "-u", "NOTIFY_SOCKET", "/bin/sleep", "infinity") });
    expect((await failing(unit, "socket")).cure).toContain("env -i");
  });

  scenario("$WATCHDOG_PID of a shell, and Bun behind it", async () => {
    const unit = await started({
      NotifyAccess: "all",
      WatchdogSec: 50,
      ExecStart: launched(`${library} notify({ ready: true }); ${idle}`),
    });
    const check = await failing(unit, "watchdog");
    expect(check.why).toMatch(/^\$WATCHDOG_PID is \d+ \(sh\), so process \d+ \(.*\) takes the watchdog for another's/);
    expect(check.cure).toStartWith("exec before the command");
  });

  scenario("the watchdog's time is up", async () => {
    const code = `${library} notify({ ready: true }); ${idle}`;
    const unit = await started({ WatchdogSec: 1, ExecStart: bun(code), TimeoutAbortSec: 1 }, { ActiveState: "failed" });
    expect((await failing(unit, "start")).why).toStartWith("no WATCHDOG=1 came within 1 s");
  });

  const old = machine.version < 253 && `systemd ${machine.version} does not know it`;
  test.skipIf(Boolean(skipped || old))(titled("Type=notify-reload without a handler", skipped || old), async () => {
    const unit = await started({ Type: "notify-reload", ExecStart: bun(idle) });
    const check = await failing(unit, "reload");
    expect(check.why).toContain("has no handler for SIGHUP");
    expect(check.cure).toStartWith("Type=notify, or a handler");
  });

  scenario("an fd for FileDescriptorStoreMax=0", async () => {
    const unit = await started({
      NotifyAccess: "all",
      ExecStart: exec("/bin/sh", "-c", '"$0" --fd=5 5</dev/null; "$0" --ready; exec sleep infinity', machine.command),
    });
    const check = await failing(unit, "fd-store", { result: "note" });
    expect(check.cure).toStartWith("FileDescriptorStoreMax=1");
    expect(await failing(unit, "journal")).toMatchObject({
      why: "FileDescriptorStoreMax=0: the fds are closed",
      cure: "FileDescriptorStoreMax=1",
    });
  });

  scenario("a message that is too long", async () => {
    const script = '"$0" X_LONG="$(seq 2000)"; "$0" --ready; exec sleep infinity';
    const unit = await started({ NotifyAccess: "all", ExecStart: exec("/bin/sh", "-c", script, machine.command) });
    await failing(unit, "journal", { result: "note", why: /^it had more than 4096 bytes$/ });
  });

  scenario("a unit that is not there", async () => {
    const report = await doctor(machine, "sdnotifytest-none");
    expect(report.code).toBe(1);
    expect(report.checks).toMatchObject([
      { name: "unit", result: "failed", what: "sdnotifytest-none.service", why: "there is no such unit" },
    ]);
  });

  scenario("--user: a unit of a user's manager", async () => {
    const runtime = `${machine.directory}/user-${crypto.randomUUID()}`;
    const env = ["env", `XDG_RUNTIME_DIR=${runtime}`];
    await machine.run(["mkdir", "-p", `${runtime}/systemd/user`]);
    machine.write(`${runtime}/systemd/user/mine.service`, "[Service]\nType=simple\nExecStart=/bin/sleep infinity\n");
    const manager = machine.service({
      Type: "notify",
      Environment: `XDG_RUNTIME_DIR=${runtime}`,
      Delegate: "yes",
      ExecStart: "/usr/lib/systemd/systemd --user",
    });
    expect((await manager.start()).code).toBe(0);
    await machine.run([...env, "systemctl", "--user", "start", "mine"]);
    const { code, stdout } = await machine.run([...env, machine.command, "doctor", "--json", "--user", "mine"]);
    const { subject, checks, unit }: Report = JSON.parse(stdout);
    expect({ code, subject }).toEqual({ code: 0, subject: "mine.service" });
    expect(checks.find(({ name }) => name === "type")).toMatchObject({
      result: "note",
      what: expect.stringContaining("simple"),
    });
    expect(checks.find(({ name }) => name === "start")).toMatchObject({ result: "passed" });
    expect(unit).toEndWith("WantedBy=default.target\n");
  });

  scenario("--pid: a process, and the unit that it is of", async () => {
    const unit = await started({ Type: "simple", ExecStart: "/bin/sleep infinity" });
    const { MainPID = "" } = await unit.show("MainPID");
    const report = await doctor(machine, `--pid=${MainPID}`);
    expect(report.subject).toBe(`process ${MainPID} (sleep)`);
    expect(report.checks.find(({ name }) => name === "type")).toMatchObject({ result: "note" });
  });

  scenario("no right to read the environment of the processes", async () => {
    const unit = await started({ ExecStart: "/bin/sleep infinity" });
    const { stdout } = await machine.run([
      ...["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
      ...[machine.command, "doctor", "--json", unit.name],
    ]);
    const { checks }: Report = JSON.parse(stdout);
    expect(checks.find(({ name }) => name === "socket")).toMatchObject({
      result: "unknown",
      why: expect.stringMatching(/^no right to read the environment of process \d+: run this as root$/),
    });
    expect(checks.find(({ name }) => name === "journal")).toMatchObject({ result: "unknown" });
  });

  for (const [title, who, result] of [
    ["as root: sent as the shell", {}, "passed"],
    ["unprivileged: sent as itself", UNPRIVILEGED, "failed"],
  ] as const) {
    scenario(`from within a unit, ${title}`, async () => {
      const file = `${machine.directory}/inside-${crypto.randomUUID()}`;
      const script = `"$0" doctor --json; exec sleep infinity`;
      const unit = await started({
        ...who,
        NotifyAccess: "main",
        StandardOutput: `truncate:${file}`,
        ExecStart: exec("/bin/sh", "-c", script, machine.command),
      });
      await unit.until({ MainPID: /^[1-9]/ });
      let text = "";
      for (const deadline = performance.now() + 15_000; !text.endsWith("\n"); await Bun.sleep(50)) {
        ({ stdout: text } = await machine.run(["cat", file]));
        if (performance.now() > deadline) throw new Error("the doctor has written nothing");
      }
      const { checks }: Report = JSON.parse(text);
      expect(checks.find(({ name }) => name === "ffi")).toMatchObject({ result: "passed" });
      expect(checks.find(({ name }) => name === "connection")).toMatchObject({ result: "passed" });
      expect(checks.find(({ name, what }) => name === "access" && what.includes("here"))).toMatchObject({ result });
      expect(checks.find(({ name }) => name === "start")).toMatchObject({ result: "failed" });
    });
  }
});

async function doctor(machine: Machine, ...args: string[]): Promise<Report> {
  const { code, stdout, stderr } = await machine.run([machine.command, "doctor", "--json", ...args]);
  if (stderr !== "") throw new Error(stderr);
  return { ...JSON.parse(stdout), code };
}
