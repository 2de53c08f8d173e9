/** What the service manager does when the main process ends that MAINPID= has named: the bridge does the same. */

import { expect, test } from "bun:test";
import { describeEach } from "./machine.ts";

const WORKER = 'sleep 1000 & w=$!; "$N" MAINPID=$w --status=named';

describeEach("main process", (machine) => {
  test("the end of one that is not its child goes unnoticed, and the next one counts", async () => {
    using unit = await machine.shell();
    await unit.ready();
    unit.tell(WORKER);
    await unit.until({ StatusText: "named" });
    const { MainPID: first = "" } = await unit.show("MainPID");
    unit.tell('kill -SEGV $w; wait $w; "$N" --status=ended');
    await unit.until({ StatusText: "ended" });
    // Nothing tells of what is not noticed.
    await Bun.sleep(2000);
    await unit.until({ MainPID: first, ActiveState: "active", Result: "success" });
    unit.tell(WORKER);
    await unit.until({ StatusText: "named", ActiveState: "active" });
    expect((await unit.show("MainPID")).MainPID).not.toBe(first);
  });

  test("a stopped one takes the SIGABRT of the watchdog", async () => {
    using unit = await machine.shell({ WatchdogSec: 1, TimeoutStopSec: "1h" });
    await unit.ready();
    unit.tell("kill -STOP $$");
    await unit.until({ ActiveState: "failed", Result: "watchdog", ExecMainStatus: "6" });
  });
});
