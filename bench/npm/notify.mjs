// The npm package sd-notify on Node.js: `node notify.mjs MODE COUNT`. Prints microseconds of CPU and of wall-clock time.
import notify from "sd-notify";

const [mode, count] = process.argv.slice(2);
const send = mode === "ping" ? () => notify.watchdog() : (i) => notify.sendStatus(`${i}`.padStart(60, "0"));
for (let i = 0; i < 2000; i++) send(i);
const cpu = process.cpuUsage();
const start = performance.now();
for (let i = 0; i < Number(count); i++) send(i);
const wall = (performance.now() - start) * 1000;
const { user, system } = process.cpuUsage(cpu);
console.log(user + system, wall);
