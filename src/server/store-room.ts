/** What this process knows of the fd store: what it has put there, and how much there is room for. */

import { node } from "../bun/node.ts";
import { readNumber } from "../linux/environment.ts";

/** FileDescriptorStoreMax= of the unit, as systemd 254 and later tell it; undefined when that is not known. */
export function fdStoreMax(): number | undefined {
  const max = readNumber("FDSTORE", 0);
  if (max !== undefined) return max;
  // systemd.exec(5): if it is 0, $FDSTORE is not set. $MEMORY_PRESSURE_WATCH came with it in systemd 254, and
  // $SYSTEMD_EXEC_PID says that both would be meant for this very process.
  const { SYSTEMD_EXEC_PID, MEMORY_PRESSURE_WATCH } = process.env;
  return SYSTEMD_EXEC_PID === `${process.pid}` && MEMORY_PRESSURE_WATCH !== undefined ? 0 : undefined;
}

/**
 * Whether the fd store has room for all of these, as far as that is known; undefined stands for one that is not open
 * yet. Only what this process has stored and still has open is counted. PID 1 drops what is hung up, and what earlier
 * starts of the service have stored is not known.
 */
export function hasRoom(fds: readonly (number | undefined)[]): boolean {
  const max = fdStoreMax();
  if (max === undefined) return true;
  const identities = fds.map((fd) => (fd === undefined ? undefined : identityOf(fd)));
  const fits = () => {
    // PID 1 keeps one of equal ones.
    const more = new Set(identities.filter((identity) => identity === undefined || !stored.has(identity)));
    return stored.size + more.size <= max;
  };
  if (fits()) return true;
  for (const [identity, { fd }] of stored) if (identityOf(fd) !== identity) stored.delete(identity);
  return fits();
}

/** These are in the store. */
export function noteStored(fds: readonly number[], name: string): void {
  if (process.env.FDSTORE === undefined) return;
  for (const fd of fds) {
    const identity = identityOf(fd);
    if (identity === undefined) continue;
    const before = stored.get(identity);
    // PID 1 keeps the name that it was stored by first; but another file may have the number of one that is gone.
    if (!before || identityOf(before.fd) !== identity) stored.set(identity, { fd, name });
  }
}

/** Those of this name have left the store. */
export function noteRemoved(name: string): void {
  for (const [identity, its] of stored) if (its.name === name) stored.delete(identity);
}

/** What identifies the file of an fd, whose number may be another file's later; undefined when it is not open. */
export function identityOf(fd: number): string | undefined {
  try {
    const { dev, ino } = node.fs.fstatSync(fd);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

// --- internal ---

/** By identity. Without $FDSTORE nothing is noted. */
const stored = new Map<string, { fd: number; name: string }>();
