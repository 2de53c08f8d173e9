/**
 * The short way of a plain notification. If something is unusual, it gives up before anything is sent. It explains no
 * error. command.ts then does what is left to do. Without this file the command would do the same, but more slowly.
 */

import { close, connect, openLibc, pipe, readText, send, setMessage, waitForHangUp } from "../../ffi/datagram.ts";
import { constants } from "../../ffi/datagram-layout.ts" with { type: "macro" };
import { composePlain, type Plain, parsePlain } from "./plain.ts";
import { BARRIER_TIMEOUT_MS, type Progress } from "./progress.ts";

const { MSG_DONTWAIT } = constants();

/** Set by the build of the standalone executable. */
declare const CALLER_STATE_KEPT: boolean | undefined;
const IS_SCRIPT = typeof CALLER_STATE_KEPT === "undefined";

/** Goes the short way as far as possible. */
export function goShortWay(): Progress {
  const plain = parsePlain(process.argv);
  const prepared = plain && prepare(plain);
  if (!prepared) return { step: "nothing" };
  const { socket, sender } = prepared;
  let shown = sender;
  while (send(socket, shown, -1, 0) === -1) {
    if (shown === 0) {
      close(socket);
      return { step: "nothing" };
    }
    // Most often EPERM: no CAP_SYS_ADMIN.
    shown = 0;
  }
  if (!plain.wait) return { step: "done" };

  const ends = pipe();
  if (!ends) return { step: "sent" };
  const { readEnd, writeEnd } = ends;
  setMessage("BARRIER=1");
  const asked = send(socket, shown, writeEnd, MSG_DONTWAIT) !== -1;
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

/**
 * Prepares the message: connects a socket, and finds the sender. Returns undefined if that takes more than the short
 * way can do, or if something is wrong.
 */
function prepare(plain: Plain): { socket: number; sender: number } | undefined {
  const address = process.env.NOTIFY_SOCKET ?? "";
  if (address.length < 2 || (address[0] !== "/" && address[0] !== "@")) return undefined;
  try {
    openLibc();
    const sender = IS_SCRIPT && dashesWereDropped() ? -1 : findSender();
    const text = sender === -1 ? undefined : composePlain(plain, sender || process.pid);
    const socket = text !== undefined && setMessage(text) ? connect(address) : -1;
    return socket === -1 ? undefined : { socket, sender };
  } catch {
    return undefined;
  }
}

/** Whether Bun may have dropped a `--`, as it does if that is the first argument of a script. */
function dashesWereDropped(): boolean {
  const commandLine = readText("/proc/self/cmdline");
  return commandLine === "" || commandLine.includes("\0--\0");
}

/**
 * Returns the process that is to appear as the sender, as sender.ts does: 0 for this process, -1 if it takes a longer
 * search.
 */
function findSender(): number {
  const { MANAGERPID, npm_lifecycle_event } = process.env;
  if (MANAGERPID !== undefined) return -1;
  let caller = process.ppid;
  if (npm_lifecycle_event !== undefined) {
    const environment = readText(`/proc/${caller}/environ`);
    // The launcher does not have the variable that it sets for others.
    if (environment === "" || environment.includes("npm_lifecycle_event=")) return -1;
    // PID (COMM) STATE PPID …, proc_pid_stat(5)
    const stat = readText(`/proc/${caller}/stat`);
    caller = Number.parseInt(stat.slice(stat.lastIndexOf(")") + ") S ".length), 10);
    if (!(caller >= 0)) return -1;
  }
  return caller > 1 ? caller : 0;
}
