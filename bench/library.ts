/**
 * The library in a process of its own: `bun library.ts MODE COUNT`. Prints microseconds of CPU and of
 * wall-clock time.
 */

import { readdirSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { barrier, barrierSync, notify, saveState, startWatchdog } from "sd-notify";

const [mode = "", count = "0"] = process.argv.slice(2);

const STATE = new Uint8Array(1000).fill(1);

const MODES: Record<string, (n: number) => unknown> = {
  ping(n) {
    for (let i = 0; i < n; i++) notify({ watchdog: true });
  },
  status(n) {
    for (let i = 0; i < n; i++) notify({ status: `${i}`.padStart(60, "0") });
  },
  barrierSync(n) {
    for (let i = 0; i < n; i++) barrierSync();
  },
  async barrier(n) {
    for (let i = 0; i < n; i++) await barrier();
  },
  saveState(n) {
    for (let i = 0; i < n; i++) saveState("bench", STATE);
  },
  // What a service without an fd store does: a file in memory, replaced as a whole.
  rename(n) {
    const path = `/dev/shm/sd-notify-bench-${process.pid}`;
    for (let i = 0; i < n; i++) {
      writeFileSync(`${path}.new`, STATE);
      renameSync(`${path}.new`, path);
    }
    unlinkSync(path);
  },
  async watchdog(ms) {
    startWatchdog();
    await Bun.sleep(ms);
  },
};

const run = MODES[mode];
if (!run) throw new Error(`no mode ${mode}: there are ${Object.keys(MODES).join(", ")}`);
// What the JIT has to learn is not what a server pays.
if (mode !== "watchdog") await run(Math.min(Number(count), 100_000));
const before = state();
const cpu = process.cpuUsage();
const start = performance.now();
await run(Number(count));
const wall = (performance.now() - start) * 1000;
const { user, system } = process.cpuUsage(cpu);
const after = state();
console.log(user + system, wall, after.rss - before.rss, after.fds - before.fds);

function state(): { rss: number; fds: number } {
  Bun.gc(true);
  return { rss: process.memoryUsage.rss(), fds: readdirSync("/proc/self/fd").length };
}
