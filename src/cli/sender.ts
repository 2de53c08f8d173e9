/** Which process a notification is from. */

import { ESRCH } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/errno.ts";
import { pidfdInodeOf } from "../process.ts";
import { callerPid } from "./caller.ts";
import { parseUnsigned } from "./numbers.ts";
import { UsageError } from "./usage-error.ts";

/** A process, and the inode number of its pidfd where the kernel has one. */
export interface Sender {
  pid: number;
  pidfdInode: bigint | undefined;
}

/**
 * Returns the default sender: the caller, so that the shell of a service and not this command appears as the one
 * who notifies; but this command when the service manager itself started it.
 */
export function defaultSender(warn: (message: string) => void): number {
  const caller = callerPid();
  return caller <= 1 || isManager(caller, warn) ? process.pid : caller;
}

/** Reads the value of --pid: undefined for "auto". @throws UsageError when it names no process. */
export function parsePid(value: string | undefined): Sender | undefined {
  if (value === undefined || value === "" || value === "auto") return undefined;
  if (value === "self") return identify(process.pid);
  if (value === "parent") return identify(callerPid());
  const pid = parseUnsigned(value);
  if (pid === undefined || pid < 1n || pid > 0x7fffffffn) {
    throw new UsageError(`--pid=${value} is no process: it must be a number, auto, parent or self`);
  }
  try {
    return identify(Number(pid));
  } catch (error) {
    if (isErrno(error, ESRCH)) throw new UsageError(`--pid=${value} is no process: ${pid} does not exist`);
    throw error;
  }
}

/** Looks up what identifies the process. @throws SystemError with code "ESRCH" when there is none. */
export function identify(pid: number): Sender {
  return { pid, pidfdInode: pidfdInodeOf(pid) };
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

function exists(pid: number): boolean {
  try {
    pidfdInodeOf(pid);
    return true;
  } catch {
    return false;
  }
}
