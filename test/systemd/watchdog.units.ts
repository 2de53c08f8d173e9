import { expect, test } from "bun:test";
import { describeEach, exec } from "./machine.ts";

describeEach("watchdog", (machine) => {
  test("pings in time keep a unit alive", async () => {
    using unit = await machine.shell({ WatchdogSec: "800ms" });
    await unit.ready();
    unit.tell('i=0; while [ $i -lt 12 ]; do "$N" WATCHDOG=1; sleep 0.2; i=$((i + 1)); done; "$N" --status=pinged');
    await unit.until({ StatusText: "pinged", ActiveState: "active", NRestarts: "0" });
  });

  test("a missed ping ends it", async () => {
    using unit = await machine.shell({ WatchdogSec: "300ms" });
    await unit.ready();
    await unit.until({ ActiveState: "failed", Result: "watchdog" });
  });

  test("WATCHDOG=trigger ends it at once", async () => {
    using unit = await machine.shell({ WatchdogSec: "1h" });
    await unit.ready();
    unit.tell('"$N" WATCHDOG=trigger');
    await unit.until({ ActiveState: "failed", Result: "watchdog" });
  });

  test("WATCHDOG_USEC= sets another time-out, which counts", async () => {
    using unit = await machine.shell({ WatchdogSec: "1h" });
    await unit.ready();
    unit.tell('"$N" WATCHDOG_USEC=300000 WATCHDOG=1');
    await unit.until({ ActiveState: "failed", Result: "watchdog" });
  });

  test.skipIf(machine.isBaseline)(
    "startWatchdog() keeps a server alive, and its frozen event loop ends it",
    async () => {
      const source = `
      const { notify, startWatchdog } = await import("${machine.checkout}/dist/index.js");
      startWatchdog();
      notify({ ready: true });
      // Three time-outs long it answers; then its event loop does not turn any more.
      setTimeout(() => { notify({ status: "frozen" }); for (;;); }, 3000);
    `;
      const unit = machine.service({
        Type: "notify",
        WatchdogSec: 1,
        ExecStart: exec(`${machine.checkout}/node_modules/bun/bin/bun.exe`, "--eval", source),
      });
      expect((await unit.start()).code).toBe(0);
      await unit.until({ StatusText: "frozen", ActiveState: "active" });
      await unit.until({ ActiveState: "failed", Result: "watchdog" });
    },
  );
});
