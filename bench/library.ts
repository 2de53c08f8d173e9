/** The library in a process of its own: `bun library.ts MODE COUNT`. Prints microseconds of CPU and of wall-clock time. */

import { readdirSync } from "node:fs";
import { barrier, barrierSync, notify, startWatchdog } from "sd-notify";

const [mode = "", count = "0"] = process.argv.slice(2);
const n = Number(count);

const MODES: Record<string, () => unknown> = {
  ping() {
    for (let i = 0; i < n; i++) notify({ watchdog: true });
  },
  status() {
    for (let i = 0; i < n; i++) notify({ status: `${i}`.padStart(60, "0") });
  },
  barrierSync() {
    for (let i = 0; i < n; i++) barrierSync();
  },
  async barrier() {
    for (let i = 0; i < n; i++) await barrier();
  },
  async watchdog() {
    startWatchdog();
    await Bun.sleep(n);
  },
};

const run = MODES[mode];
if (!run) throw new Error(`no mode ${mode}: there are ${Object.keys(MODES).join(", ")}`);
// What the JIT has to learn is not what a server pays.
if (mode !== "watchdog") for (let i = 0; i < 20_000; i++) notify({ watchdog: true, status: `${i}` });
const before = state();
const cpu = process.cpuUsage();
const start = performance.now();
await run();
const wall = (performance.now() - start) * 1000;
const { user, system } = process.cpuUsage(cpu);
const after = state();
console.log(user + system, wall, after.rss - before.rss, after.fds - before.fds);

function state(): { rss: number; fds: number } {
  Bun.gc(true);
  return { rss: process.memoryUsage.rss(), fds: readdirSync("/proc/self/fd").length };
}
