/** A worker with a watchdog, whose count survives a restart in the fd store: examples/worker.service. */

import { loadState, notify, saveState, startWatchdog } from "sd-notify";

let jobs = Number(new TextDecoder().decode(loadState("jobs")));
let lastJob = performance.now();

function work(): void {
  jobs++;
  lastJob = performance.now();
  saveState("jobs", `${jobs}`);
  notify({ status: `${jobs} jobs done` });
}

// A worker that has not worked for a second is not healthy, even if its timers still run.
startWatchdog({ check: () => performance.now() - lastJob < 1000 });
setInterval(work, Number(process.env.INTERVAL_MS ?? 500));
process.on("SIGTERM", () => {
  notify({ stopping: true });
  process.exit(0);
});
notify({ ready: true, status: `${jobs} jobs done before` });
