/**
 * The short way of a plain notification. It gives up before anything is sent when something is unusual, and explains no error: command.ts
 * then does what is left to do. Without this file the command does the same, later.
 */

import { MSG_DONTWAIT } from "../../ffi/constants.ts";
import {
  close,
  connect,
  getppid,
  openLibc,
  pipe,
  readText,
  send,
  setMessage,
  waitForHangUp,
  wasRefused,
} from "../../ffi/datagram.ts";
import { composePlain, parsePlain } from "./plain.ts";
import { BARRIER_TIMEOUT_MS, type Progress } from "./progress.ts";

/** Goes it as far as it leads. */
export function goShortWay(): Progress {
  const { argv, env } = process;
  const plain = parsePlain(argv);
  const address = env.NOTIFY_SOCKET ?? "";
  const isPath = address[0] === "/" || address[0] === "@";
  if (!plain || !isPath || address.length < 2 || !openLibc() || dashesWereDropped()) return { step: "nothing" };
  const sender = findSender();
  const text = sender === -1 ? undefined : composePlain(plain, sender || process.pid);
  if (text === undefined || !setMessage(text)) return { step: "nothing" };

  const socket = connect(address, SEND_BUFFER_SIZE);
  if (socket === -1) return { step: "nothing" };
  let shownSender = sender;
  let sent = send(socket, shownSender, -1, 0);
  if (sent === -1 && shownSender !== 0 && wasRefused()) {
    shownSender = 0;
    sent = send(socket, shownSender, -1, 0);
  }
  if (sent === -1) {
    close(socket);
    return { step: "nothing" };
  }
  if (!plain.wait) return { step: "done" };

  const ends = pipe();
  if (!ends) return { step: "sent" };
  const [readEnd, writeEnd] = ends;
  setMessage("BARRIER=1");
  const asked = send(socket, shownSender, writeEnd, MSG_DONTWAIT) !== -1;
  close(writeEnd);
  if (!asked) {
    close(readEnd);
    return { step: "sent" };
  }
  const answer = waitForHangUp(readEnd, BARRIER_TIMEOUT_MS);
  if (answer === 1) return { step: "done" };
  return { step: "asked", readEnd, leftMs: answer === 0 ? 0 : BARRIER_TIMEOUT_MS };
}

// --- internal ---

/** As in transport/connection.ts. */
const SEND_BUFFER_SIZE = 8 << 20;

/** Whether this process is a script of Bun's, which drops a `--` that is the script's first argument, and there was one. */
function dashesWereDropped(): boolean {
  if (Bun.main.startsWith("/$bunfs/")) return false;
  const commandLine = readText("/proc/self/cmdline");
  return commandLine === "" || commandLine.includes("\0--\0");
}

/** Returns the process that is to appear as the sender, as sender.ts does: 0 for this one, -1 where that takes a longer search. */
function findSender(): number {
  const { MANAGERPID, npm_lifecycle_event } = process.env;
  if (MANAGERPID !== undefined) return -1;
  let caller = getppid();
  if (npm_lifecycle_event !== undefined) {
    const environment = readText(`/proc/${caller}/environ`);
    // The launcher itself does not have what it sets for others.
    if (environment === "" || environment.includes("npm_lifecycle_event=")) return -1;
    // PID (COMM) STATE PPID …, proc_pid_stat(5)
    const stat = readText(`/proc/${caller}/stat`);
    caller = Number.parseInt(stat.slice(stat.lastIndexOf(")") + ") S ".length), 10);
    if (!(caller >= 0)) return -1;
  }
  return caller > 1 ? caller : 0;
}
