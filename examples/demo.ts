/**
 * What `npm start` shows: a Bun server and a shell script notify an embedded receiver, which takes the place of the
 * service manager. Each message is printed as it was received, with its sender and its fields.
 */

import { readFileSync } from "node:fs";
import { type Message, openReceiver } from "sd-notify/testing";

const start = performance.now();
using receiver = openReceiver({ barriers: "show" });
console.log(`A receiver listens at NOTIFY_SOCKET=${receiver.address}\n`);
const env = {
  ...process.env,
  PATH: `${import.meta.dir}/../dist:${process.env.PATH}`,
  ...receiver.env,
};

console.log("1. examples/server.ts, a Bun server that imports the library\n");
const server = Bun.spawn([process.execPath, `${import.meta.dir}/server.ts`], { env });
await showUntil(({ state }) => state.ready === true);
console.log("   SIGHUP: the server reloads\n");
server.kill("SIGHUP");
await showUntil(({ state }) => state.ready === true);
console.log("   SIGTERM: the server stops\n");
server.kill("SIGTERM");
await showUntil(({ state }) => state.stopping === true);

console.log("2. examples/daemon.sh, a shell script that calls the standalone binary\n");
const daemon = Bun.spawn([`${import.meta.dir}/daemon.sh`], { env, stdin: Buffer.from("first\nsecond\n") });
await showUntil(({ state }) => state.stopping === true);

const exits = [await server.exited, await daemon.exited];
console.log(`Both have ended: exit ${exits.join(" and ")}.`);
process.exitCode = Math.max(...exits);

async function showUntil(isLast: (message: Message) => boolean): Promise<void> {
  for await (const message of receiver) {
    show(message);
    if (isLast(message)) return;
  }
}

function show({ text, state, isBarrier, pid, uid, gid }: Message): void {
  const seconds = ((performance.now() - start) / 1000).toFixed(3);
  console.log(
    `   ${seconds} s  from ${processName(pid)}, pid ${pid}, uid ${uid}, gid ${gid}${isBarrier ? ", with one fd" : ""}`,
  );
  for (const line of text.split("\n")) console.log(`            ${line}`);
  console.log(`            ${Bun.inspect(state, { colors: false, compact: true })}\n`);
}

function processName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return "a process that has gone";
  }
}
