/**
 * What `npm start` shows: a Bun server and a shell script notify an embedded receiver, which takes the place of the
 * service manager. Each message is printed as it was received, with its sender and its fields.
 */

import { decode } from "../src/message.ts";
import { openReceiver, type Receiver } from "../src/testing/open-receiver.ts";
import type { Received } from "../src/testing/receiver.ts";

const start = performance.now();
await using receiver = await openReceiver();
console.log(`A receiver listens at NOTIFY_SOCKET=${receiver.address}\n`);
const env = {
  ...process.env,
  PATH: `${import.meta.dir}/../dist:${process.env.PATH}`,
  NOTIFY_SOCKET: receiver.address,
};

console.log("1. examples/server.ts, a Bun server that imports the library\n");
const server = Bun.spawn([process.execPath, `${import.meta.dir}/server.ts`], { env });
await showUntil(receiver, (message) => message.text.includes("READY=1"));
console.log("   SIGHUP: the server reloads\n");
server.kill("SIGHUP");
await showUntil(receiver, (message) => message.text.includes("READY=1"));
console.log("   SIGTERM: the server stops\n");
server.kill("SIGTERM");
await showUntil(receiver, (message) => message.text.includes("STOPPING=1"));

console.log("2. examples/daemon.sh, a shell script that calls the standalone binary\n");
const daemon = Bun.spawn([`${import.meta.dir}/daemon.sh`], { env, stdin: Buffer.from("first\nsecond\n") });
await showUntil(receiver, (message) => message.text.includes("STOPPING=1"));

const exits = [await server.exited, await daemon.exited];
console.log(`Both have ended: exit ${exits.join(" and ")}.`);
process.exitCode = Math.max(...exits);

async function showUntil(receiver: Receiver, isLast: (message: Received) => boolean): Promise<void> {
  for (;;) {
    const message = await receiver.next();
    show(message);
    if (isLast(message)) return;
  }
}

function show({ text, pid, uid, gid, name, fds }: Received): void {
  const seconds = ((performance.now() - start) / 1000).toFixed(3);
  const sent = fds.length > 0 ? `, ${fds.length} fd` : "";
  console.log(`   ${seconds} s  from ${name || "a process that has gone"}, pid ${pid}, uid ${uid}, gid ${gid}${sent}`);
  for (const line of text.split("\n")) console.log(`            ${line}`);
  console.log(`            ${Bun.inspect(decode(text), { colors: false, compact: true })}\n`);
}
