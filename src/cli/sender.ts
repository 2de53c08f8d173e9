/** Which process a notification is from. */

import { parseUnsigned } from "../numbers.ts";
import { pidfdInodeOf } from "../process.ts";
import { callerPid } from "./caller.ts";
import { UsageError } from "./usage-error.ts";

/** The value of --pid: "auto" and "parent" are found out when the message is sent. */
export type PidOption = number | "auto" | "parent";

/** Reads the value of --pid. @throws UsageError when it names no process. */
export function parsePid(value: string): PidOption {
  if (value === "" || value === "auto") return "auto";
  if (value === "self") return process.pid;
  if (value === "parent") return "parent";
  const pid = parseUnsigned(value);
  if (pid === undefined || pid < 1n || pid > 0x7fffffffn) {
    throw new UsageError(`--pid=${value} is no process: it must be a number, auto, parent or self`);
  }
  if (!exists(Number(pid))) throw new UsageError(`--pid=${value} is no process: ${pid} does not exist`);
  return Number(pid);
}

/** Returns the process that is to appear as the sender. */
export function findSender(pid: PidOption, warn: (message: string) => void): number {
  if (pid === "parent") return callerPid();
  return pid === "auto" ? defaultSender(warn) : pid;
}

/** Whether $MANAGERPID, and $MANAGERPIDFDID where it is set, say that the process is the service manager. */
export function isManager(pid: number, warn: (message: string) => void = () => {}): boolean {
  const { MANAGERPID, MANAGERPIDFDID } = process.env;
  if (MANAGERPID === undefined) return false;
  const manager = parseUnsigned(MANAGERPID);
  if (manager === undefined || manager < 1n || manager > 0x7fffffffn || !exists(Number(manager))) {
    warn(`$MANAGERPID is no process, ignoring it: ${MANAGERPID}`);
    return false;
  }
  if (Number(manager) !== pid) return false;
  if (MANAGERPIDFDID === undefined) return true;
  const inode = parseUnsigned(MANAGERPIDFDID);
  if (inode === undefined) {
    warn(`$MANAGERPIDFDID is no inode number, ignoring $MANAGERPID: ${MANAGERPIDFDID}`);
    return false;
  }
  return inode === pidfdInodeOf(pid);
}

// --- internal ---

/**
 * Returns the default sender: the caller, so that the shell of a service and not this command appears as the one
 * who notifies; but this command when the service manager itself started it.
 */
function defaultSender(warn: (message: string) => void): number {
  const caller = callerPid();
  return caller <= 1 || isManager(caller, warn) ? process.pid : caller;
}

/** Asks without libc, because a mistake in the arguments is told without it too. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
