/** Finds the process that a notification is from. */

import { callerPid } from "../bun/caller.ts";
import { UsageError } from "../console/usage-error.ts";
import { exists, isManager } from "../linux/manager.ts";
import { parseUnsigned } from "../protocol/numbers.ts";

/** The value of --pid. "auto" and "parent" are looked up when the message is sent. */
export type PidOption = number | "auto" | "parent";

/** Reads the value of --pid. @throws UsageError if it names no process. */
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

// --- internal ---

/**
 * Returns the default sender. It is the caller, so that a notification comes from a service's shell and not from this
 * command. If the service manager itself started this command, it is this command.
 */
function defaultSender(warn: (message: string) => void): number {
  const caller = callerPid();
  return caller <= 1 || isManager(caller, warn) ? process.pid : caller;
}
