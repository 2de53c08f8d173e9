import { expect, test } from "bun:test";
import { titled } from "../support/command.ts";
import { describeEach, exec, type Section, type Unit } from "./machine.ts";

/** A plain HTTP server, which knows nothing of systemd: it listens after a while, and does what its path says. */
const SERVER = `
  let greeting = "one";
  process.on("SIGHUP", () => { console.log("HUP"); greeting = "two"; });
  process.on("SIGTERM", () => { console.log("TERM"); setTimeout(() => process.exit(0), 300); });
  setTimeout(() => Bun.serve({ hostname: "127.0.0.1", port: Number(process.argv[1]), fetch({ url }) {
    if (url.endsWith("/hang")) greeting = "";
    return greeting === "" ? new Promise(() => {}) : new Response(greeting);
  } }), 500);
`;

describeEach("run", (machine) => {
  const bun = `${machine.checkout}/node_modules/bun/bin/bun.exe`;
  const baseline = machine.isBaseline && "it is no command of systemd-notify";
  const noReload = baseline || (machine.version < 253 && `systemd ${machine.version} has no Type=notify-reload`);
  const define = (title: string, skipped: string | false, body: () => Promise<void>) =>
    test.skipIf(Boolean(skipped))(titled(title, skipped), body);

  const service = (options: string[], program: string[], section: Section = {}) =>
    machine.service({
      Type: "notify",
      ExecStart: exec(machine.command, "run", ...options, "--", ...program),
      ...section,
    });
  const server = (section: Section = {}, options: string[] = []) => {
    const port = freePort();
    const url = `http://127.0.0.1:${port}/`;
    return { url, unit: service([`--ready-http=${url}`, ...options], [bun, "-e", SERVER, `${port}`], section) };
  };
  const text = async (url: string) =>
    (await machine.run([bun, "-e", `console.log(await (await fetch("${url}")).text())`])).stdout.trim();
  const started = async (unit: Unit) => {
    const { code, stderr } = await unit.start();
    if (code !== 0) throw new Error(`${stderr}\n${await unit.journal()}\n${await unit.output()}`);
  };

  define("a plain server has started when it answers, restarts, and gets one SIGTERM", baseline, async () => {
    const { unit, url } = server();
    await started(unit);
    expect(await text(url)).toBe("one");
    const { StatusText, MainPID } = await unit.until({
      ActiveState: "active",
      StatusText: /^ready after/,
      MainPID: /./,
    });
    expect(StatusText).toMatch(/^ready after [\d.]+ s$/);
    expect(await unit.journal()).toContain(`STATUS=waiting for ${url}: connection refused`);
    expect((await machine.systemctl("restart", unit.name)).code).toBe(0);
    expect(await text(url)).toBe("one");
    expect((await unit.show("MainPID")).MainPID).not.toBe(MainPID);
    expect((await unit.stop()).code).toBe(0);
    await unit.until({ ActiveState: "inactive", Result: "success", ExecMainStatus: "0" });
    // Of the two processes, one after another: KillMode=control-group sends it to both.
    expect((await unit.output()).match(/^TERM$/gm)).toHaveLength(2);
  });

  define("with KillMode=mixed, the program gets SIGTERM from it", baseline, async () => {
    const { unit } = server({ KillMode: "mixed" });
    await started(unit);
    await unit.stop();
    await unit.until({ ActiveState: "inactive", Result: "success" });
    expect((await unit.output()).match(/^TERM$/gm)).toHaveLength(1);
  });

  define("ExecReload=kill -HUP reloads the program", baseline, async () => {
    const { unit, url } = server({ ExecReload: `/bin/sh -c "kill -HUP $MAINPID"` });
    await started(unit);
    expect((await machine.systemctl("reload", unit.name)).code).toBe(0);
    await unit.until({ ActiveState: "active", SubState: "running", StatusText: /^reloaded in/ });
    expect(await text(url)).toBe("two");
  });

  define("Type=notify-reload reloads the program, and waits for it", noReload, async () => {
    const { unit, url } = server({ Type: "notify-reload" });
    await started(unit);
    for (let i = 0; i < 2; i++) {
      expect((await machine.systemctl("reload", unit.name)).code).toBe(0);
      await unit.until({ ActiveState: "active", SubState: "running", StatusText: /^reloaded in/ });
    }
    expect(await text(url)).toBe("two");
  });

  define("Type=notify-reload leaves a program as it is that has no handler for SIGHUP", noReload, async () => {
    const unit = service([], ["sleep", "infinity"], { Type: "notify-reload" });
    await started(unit);
    const { MainPID } = await unit.show("MainPID");
    for (let i = 0; i < 2; i++) {
      expect((await machine.systemctl("reload", unit.name)).code).toBe(0);
      const StatusText = "not reloaded: sleep has no handler for SIGHUP";
      await unit.until({ ActiveState: "active", SubState: "running", StatusText });
    }
    expect(await unit.show("MainPID", "NRestarts")).toEqual({ MainPID: `${MainPID}`, NRestarts: "0" });
    expect((await unit.stop()).code).toBe(0);
    await unit.until({ ActiveState: "inactive", Result: "success" });
  });

  define("a reload that kills its program is a failure, and Restart=on-failure starts it again", noReload, async () => {
    // As a program in Go, which catches SIGHUP, and dies of it.
    const program = "trap 'trap - HUP; kill -HUP $$' HUP; while :; do sleep 0.05; done";
    const unit = service([], ["sh", "-c", program], { Type: "notify-reload", Restart: "on-failure", RestartSec: 0 });
    await started(unit);
    // The shell needs a moment to set its trap.
    await Bun.sleep(300);
    await machine.systemctl("reload", unit.name);
    await unit.until({ ActiveState: "active", SubState: "running", NRestarts: "1" });
  });

  define("a server that answers keeps its unit alive, and one that hangs gets it killed", baseline, async () => {
    const { unit, url } = server({ WatchdogSec: 1, TimeoutAbortSec: 5 }, ["--healthy-http=http://127.0.0.1:1/"]);
    // Nothing is healthy there.
    await started(unit);
    await unit.until({ ActiveState: "failed", Result: "watchdog" });
    expect(await unit.journal()).toContain("STATUS=unhealthy: http://127.0.0.1:1/: connection refused");

    const { unit: healthy, url: other } = server({ WatchdogSec: 1, TimeoutAbortSec: 5 });
    await started(healthy);
    await Bun.sleep(3000);
    expect(await healthy.show("ActiveState", "NRestarts")).toEqual({ ActiveState: "active", NRestarts: "0" });
    const hang = machine.run([bun, "-e", `await fetch("${other}hang", { signal: AbortSignal.timeout(500) })`]);
    await healthy.until({ ActiveState: "failed", Result: "watchdog" });
    await hang;
    // Nobody listens on the ports any more.
    for (const gone of [url, other]) expect(await text(gone)).toBe("");
  });

  define("the start lasts longer than TimeoutStartSec= while probes are tried", baseline, async () => {
    const unit = service(["--ready-after=4"], ["sleep", "infinity"], { TimeoutStartSec: 1 });
    await started(unit);
    await unit.until({ ActiveState: "active", StatusText: /^ready after 4/ });
  });

  define("a start that takes too long fails, and says why", baseline, async () => {
    const unit = service(["--ready-file=/nosuch", "--timeout=1"], ["sleep", "infinity"]);
    expect((await unit.start()).code).not.toBe(0);
    await unit.until({ ActiveState: "failed", Result: "exit-code", ExecMainStatus: "1" });
    expect(await unit.output()).toContain(
      "sd-notify: run: sleep was not ready in 1 s: waiting for /nosuch: no such file",
    );
  });

  define("the exit status and the signal are the program's", baseline, async () => {
    const exits = service([], ["/bin/sh", "-c", "sleep 0.5; exit 42"]);
    await started(exits);
    await exits.until({ ActiveState: "failed", Result: "exit-code", ExecMainCode: "1", ExecMainStatus: "42" });
    const dies = service([], ["/bin/sh", "-c", "sleep 0.5; kill -KILL $$"]);
    await started(dies);
    await dies.until({ ActiveState: "failed", Result: "signal", ExecMainCode: "2", ExecMainStatus: "9" });
    const absent = service([], ["/nosuch"]);
    expect((await absent.start()).code).not.toBe(0);
    await absent.until({ ActiveState: "failed", Result: "exit-code", ExecMainStatus: "203" });
  });

  define("nothing is left when it is killed", baseline, async () => {
    const unit = service(["--healthy-exec=sleep 1000"], ["sleep", "1001"], { KillMode: "process", WatchdogSec: 60 });
    await started(unit);
    await machine.systemctl("kill", "--signal=KILL", unit.name);
    await unit.until({ ActiveState: "failed", Result: "signal" });
    const { ControlGroup } = await unit.show("ControlGroup");
    expect(ControlGroup).toBe("");
  });

  define("an unprivileged unit has a line of the log as its sign, and the log has all lines", baseline, async () => {
    const program = "echo first; sleep 0.3; echo now ready; exec sleep infinity";
    const unit = service(["--ready-log=^now ready$"], ["/bin/sh", "-c", program], { DynamicUser: "yes" });
    await started(unit);
    await unit.until({ ActiveState: "active", StatusText: /^ready after/ });
    // Before it, the manager's own process writes too.
    expect(await unit.output()).toEndWith("\nfirst\nnow ready\n");
    await unit.stop();
    await unit.until({ ActiveState: "inactive", Result: "success" });
  });
});

// --- internal ---

/** A port that is free here; the machines share the network. */
function freePort(): number {
  using listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  return listener.port;
}
