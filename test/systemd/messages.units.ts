import { expect, test } from "bun:test";
import type { Unit } from "../../src/tools/doctor/facts.ts";
import { explainLine } from "../../src/tools/doctor/journal.ts";
import { titled } from "../support/command.ts";
import { describeEach, type Machine, UNPRIVILEGED } from "./machine.ts";

/** Why a scenario can't be tried with this command: systemd's own, of an old version. */
const lacks = (machine: Machine, option: string, since: number) =>
  machine.commandVersion < since && `systemd-notify ${machine.commandVersion} has no ${option}`;
const old = (machine: Machine, what: string, since: number) =>
  machine.version < since && `systemd ${machine.version} has no ${what}`;

describeEach("messages", (machine) => {
  test("Type=notify is activating until READY=1, and active from then on", async () => {
    using unit = await machine.shell();
    await unit.start("--no-block");
    unit.tell('"$N" --status=warming');
    await unit.until({ ActiveState: "activating", SubState: "start", StatusText: "warming" });
    unit.tell('"$N" --ready --status="up and running"');
    await unit.until({ ActiveState: "active", SubState: "running", StatusText: "up and running" });
  });

  test("a unit that never says READY=1 fails", async () => {
    using unit = await machine.shell({ TimeoutStartSec: "500ms" });
    unit.tell('"$N" --status="never ready"');
    expect((await unit.start()).code).toBe(1);
    await unit.until({ ActiveState: "failed", Result: "timeout" });
  });

  test.each([
    ["UTF-8", "grüße 世界 🚀", "grüße 世界 🚀"],
    ["nothing", "", ""],
    ["4,000 bytes", "x".repeat(4000), "x".repeat(4000)],
  ])("STATUS= shows %s", async (_, status, shown) => {
    using unit = await machine.shell();
    await unit.ready("--ready --status=before");
    unit.tell(`"$N" --status='${status}'`);
    await unit.until({ StatusText: shown });
  });

  test("STATUS= of invalid bytes is refused, and the old one is gone", async () => {
    using unit = await machine.shell();
    await unit.ready("--ready --status=before");
    unit.tell(`"$N" "$(printf 'STATUS=a\\377b')"`);
    await unit.until({ StatusText: "" });
  });

  test.each<[string, string, { StatusText: string; StatusErrno: string }]>([
    ["ends a line at a carriage return", "STATUS=a\\rERRNO=5", { StatusText: "a", StatusErrno: "5" }],
    ["takes a backslash off what follows it", "STATUS=a\\\\b\\nERRNO=5", { StatusText: "ab", StatusErrno: "5" }],
    ["reads a doubled one as one", "STATUS=C:\\\\\\\\\\nERRNO=5", { StatusText: "C:\\", StatusErrno: "5" }],
  ])("PID 1 %s", async (_, message, shown) => {
    using unit = await machine.shell();
    await unit.ready("--ready --status=before");
    unit.tell(`"$N" "$(printf '${message}')"`);
    await unit.until(shown);
  });

  test("PID 1 drops a message that ends with a single backslash, READY=1 and all", async () => {
    using unit = await machine.shell();
    await unit.start("--no-block");
    unit.tell(`"$N" READY=1 'STATUS=C:\\'; "$N" STATUS=after`);
    await unit.until({ ActiveState: "activating", StatusText: "after" });
    const lines = (await machine.journal()).split("\n").filter((line) => line.includes("Out of memory"));
    expect(explainLine(lines[0] ?? "", {} as Unit)?.why).toContain("single backslash");
  });

  test("a message over 4,096 bytes is not accepted, and the command can't know", async () => {
    using unit = await machine.shell();
    await unit.ready("--ready --status=before");
    unit.tell(`"$N" --status='${"x".repeat(5000)}'; "$N" --status="after $?"`);
    await unit.until({ StatusText: "after 0" });
  });

  test("STOPPING=1 shows a unit as deactivating, until it ends", async () => {
    using unit = await machine.shell();
    await unit.ready();
    unit.tell('"$N" STOPPING=1 STATUS=leaving');
    await unit.until({ ActiveState: "deactivating", SubState: "stop-sigterm", StatusText: "leaving" });
    unit.tell("exit 0");
    await unit.until({ ActiveState: "inactive", Result: "success" });
  });

  test("ERRNO=, BUSERROR= and VARLINKERROR= are shown", async () => {
    using unit = await machine.shell();
    await unit.ready();
    unit.tell(
      '"$N" ERRNO=13 BUSERROR=org.freedesktop.DBus.Error.TimedOut VARLINKERROR=org.varlink.service.InvalidParameter STATUS=told',
    );
    const properties = ["StatusErrno", ...(machine.version >= 257 ? ["StatusBusError", "StatusVarlinkError"] : [])];
    await unit.until({ StatusText: "told" });
    expect(await unit.show(...properties)).toEqual(
      machine.version >= 257
        ? {
            StatusErrno: "13",
            StatusBusError: "org.freedesktop.DBus.Error.TimedOut",
            StatusVarlinkError: "org.varlink.service.InvalidParameter",
          }
        : { StatusErrno: "13" },
    );
  });

  test("EXTEND_TIMEOUT_USEC= keeps a slow start alive", async () => {
    using unit = await machine.shell({ TimeoutStartSec: "600ms" });
    unit.tell('"$N" EXTEND_TIMEOUT_USEC=5000000; sleep 1; "$N" --ready');
    expect((await unit.start()).code).toBe(0);
    await unit.until({ ActiveState: "active" });
  });

  const noAccess = old(machine, "NOTIFYACCESS=", 254);
  test.skipIf(Boolean(noAccess))(titled("NOTIFYACCESS= narrows who may send", noAccess), async () => {
    using unit = await machine.shell(UNPRIVILEGED);
    await unit.ready("--ready --status=open NOTIFYACCESS=main");
    await unit.until({ ActiveState: "active", NotifyAccess: "main", StatusText: "open" });
    // Without privilege, the command is not heard as the shell, which is the main process.
    unit.tell('"$N" --status=refused; exec sleep 1000');
    await unit.untilJournal("reception only permitted for main PID");
    expect(await unit.show("StatusText")).toEqual({ StatusText: "open" });
  });

  const noReset = old(machine, "RESTART_RESET=1", 254);
  test.skipIf(Boolean(noReset))(titled("RESTART_RESET=1 counts the restarts from the start", noReset), async () => {
    using unit = await machine.shell({ Restart: "always", RestartSec: "10ms" });
    await unit.ready();
    unit.tell("exit 0");
    unit.tell('"$N" --ready');
    await unit.until({ NRestarts: "1", ActiveState: "active" });
    unit.tell('"$N" RESTART_RESET=1');
    await unit.untilJournal("RESTART_RESET=1");
    await unit.until({ NRestarts: "0", ActiveState: "active" });
  });

  test.each([
    ["root", {}],
    ["unprivileged", UNPRIVILEGED],
  ])("MAINPID= hands the unit over to another process of it, %s", async (_, user) => {
    using unit = await machine.shell(user);
    await unit.ready();
    unit.tell('sleep 1000 & other=$!; "$N" MAINPID=$other STATUS="now $other"');
    const { StatusText = "" } = await unit.until({ StatusText: /^now \d+$/ });
    await unit.until({ MainPID: StatusText.slice(4) });
  });

  test("--pid makes the shell that calls the main process", async () => {
    using unit = await machine.shell();
    await unit.ready();
    unit.tell(`sh -c '"$N" --pid STATUS="of $$"; exec sleep 1000' &`);
    const { StatusText = "" } = await unit.until({ StatusText: /^of \d+$/ });
    await unit.until({ MainPID: StatusText.slice(3) });
  });

  const noReloadType = old(machine, "Type=notify-reload", 253) || lacks(machine, "--reloading", 253);
  const reloading = (title: string, define: () => Promise<void>) =>
    test.skipIf(Boolean(noReloadType))(titled(title, noReloadType), define);
  const RELOAD = { Type: "notify-reload", TimeoutStartSec: 3 };

  for (const [title, act, status] of [
    ["a reload takes from RELOADING=1 to READY=1, at once", "", "reloaded"],
    ["a slow reload takes as long", "sleep 1; ", "reloaded"],
    ["a reload that fails is over at READY=1, with a status", "", "Reload failed"],
  ] as const) {
    reloading(title, async () => {
      using unit = await machine.shell(RELOAD);
      unit.tell(`trap '"$N" --reloading; ${act}"$N" --ready --status="${status}"' HUP`);
      await unit.ready();
      unit.tell("sleep 1000 & wait; sleep 1000");
      expect((await machine.systemctl("reload", unit.name)).code).toBe(0);
      await unit.until({ ActiveState: "active", StatusText: status });
      expect(await unit.journal()).toContain("-> reload-notify");
    });
  }

  reloading("a reload without RELOADING=1 does not succeed", async () => {
    using unit = await machine.shell({ ...RELOAD, TimeoutStartSec: 1 });
    unit.tell(`trap '"$N" --status=ignored' HUP`);
    await unit.ready();
    unit.tell("sleep 1000 & wait; sleep 1000");
    expect((await machine.systemctl("reload", unit.name)).code).toBe(1);
    expect((await unit.show("ReloadResult")).ReloadResult).toBe("timeout");
  });

  test("RELOADING=1 and READY=1 of the service's own accord show it as reloading, and active again", async () => {
    using unit = await machine.shell();
    await unit.ready();
    unit.tell('"$N" RELOADING=1 STATUS=rereading');
    await unit.until({ ActiveState: "reloading", StatusText: "rereading" });
    unit.tell('"$N" --ready');
    await unit.until({ ActiveState: "active" });
  });
});
