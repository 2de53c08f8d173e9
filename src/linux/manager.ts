/** The service manager that started this process, according to the environment. */

import { parseUnsigned } from "../protocol/numbers.ts";
import { printable } from "../protocol/printable.ts";
import { pidfdInodeOf } from "./pidfd.ts";

/** Whether $MANAGERPID, and $MANAGERPIDFDID if it is set, say that the process is the service manager. */
export function isManager(pid: number, warn: (message: string) => void = () => {}): boolean {
  const { MANAGERPID, MANAGERPIDFDID } = process.env;
  if (MANAGERPID === undefined) return false;
  const manager = parseUnsigned(MANAGERPID);
  if (manager === undefined || manager < 1n || manager > 0x7fffffffn || !exists(Number(manager))) {
    warn(`$MANAGERPID is no process, ignoring it: ${printable(MANAGERPID)}`);
    return false;
  }
  if (Number(manager) !== pid) return false;
  if (MANAGERPIDFDID === undefined) return true;
  const inode = parseUnsigned(MANAGERPIDFDID);
  if (inode === undefined) {
    warn(`$MANAGERPIDFDID is no inode number, ignoring $MANAGERPID: ${printable(MANAGERPIDFDID)}`);
    return false;
  }
  return inode === pidfdInodeOf(pid);
}

/** Whether a process exists. This needs no libc, so that a mistake in the arguments is reported without it too. */
export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
