/** What this process knows about the fd store: what it has put there, and how much room there is. */

import { node } from "../bun/node.ts";
import { readNumber } from "../linux/environment.ts";

/** Returns FileDescriptorStoreMax= of the unit, which systemd 254 and later tell; undefined if it is not known. */
export function fdStoreMax(): number | undefined {
  const max = readNumber("FDSTORE", 0);
  if (max !== undefined) return max;
  // systemd.exec(5): if it is 0, $FDSTORE is not set. $MEMORY_PRESSURE_WATCH came with $FDSTORE in systemd 254.
  // $SYSTEMD_EXEC_PID says that both are meant for this process.
  const { SYSTEMD_EXEC_PID, MEMORY_PRESSURE_WATCH } = process.env;
  return SYSTEMD_EXEC_PID === `${process.pid}` && MEMORY_PRESSURE_WATCH !== undefined ? 0 : undefined;
}

/**
 * Whether the fd store has room for all of these, as far as is known. An undefined fd stands for one that is not open
 * yet. This counts only the fds that this process has stored and still has open: PID 1 drops fds that hang up, and the
 * fds of earlier starts of the service are not known.
 */
export function hasRoom(fds: readonly (number | undefined)[]): boolean {
  const max = fdStoreMax();
  if (max === undefined) return true;
  const identities = fds.map((fd) => (fd === undefined ? undefined : identityOf(fd)));
  const fits = () => {
    // PID 1 keeps one of several equal fds.
    const more = new Set(identities.filter((identity) => identity === undefined || !stored.has(identity)));
    return stored.size + more.size <= max;
  };
  if (fits()) return true;
  for (const [identity, { fd }] of stored) if (identityOf(fd) !== identity) stored.delete(identity);
  return fits();
}

/** Notes that these are in the store. */
export function noteStored(fds: readonly number[], name: string): void {
  if (process.env.FDSTORE === undefined) return;
  for (const fd of fds) {
    const identity = identityOf(fd);
    if (identity === undefined) continue;
    const before = stored.get(identity);
    // PID 1 keeps the first name of a stored fd. But if the old file is gone, another one may have its number.
    if (!before || identityOf(before.fd) !== identity) stored.set(identity, { fd, name });
  }
}

/** Notes that the fds of this name have left the store. */
export function noteRemoved(name: string): void {
  for (const [identity, its] of stored) if (its.name === name) stored.delete(identity);
}

/**
 * Returns what identifies the file of an fd, because the number may be another file's later; undefined if it is not
 * open.
 */
export function identityOf(fd: number): string | undefined {
  try {
    const { dev, ino } = node.fs.fstatSync(fd);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

// --- internal ---

/** The stored fds, by identity. Without $FDSTORE nothing is noted. */
const stored = new Map<string, { fd: number; name: string }>();
