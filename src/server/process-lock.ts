/** Locks that only one thread can hold at a time. */

import { tryLock } from "../../ffi/process.ts";
import { close } from "../../ffi/syscalls.ts";
import { fromNodeError } from "../bun/fs-errors.ts";
import { node } from "../bun/node.ts";

/**
 * Runs the action while no other thread of this process runs one. It waits at most a second, because a worker that is
 * terminated in the middle of its action never releases the lock.
 */
export function withProcessLock<T>(action: () => T): T {
  // It belongs to this process alone, and other users can't open it.
  return lockedBy(openDirectory("/proc/self/fd"), 1000, action);
}

/**
 * Runs the action while nobody else holds the lock of a directory: threads and processes that call this, and
 * systemd-tmpfiles. It waits only a moment, because anybody who can read the directory can keep its lock. A directory
 * that can't be opened has no lock.
 */
export function withDirectoryLock<T>(path: string, action: () => T): T {
  let fd: number;
  try {
    fd = openDirectory(path);
  } catch {
    return action();
  }
  return lockedBy(fd, 250, action);
}

// --- internal ---

/** flock(2) takes any file. */
function openDirectory(path: string): number {
  try {
    return node.fs.openSync(path, "r");
  } catch (error) {
    throw fromNodeError(error, `Cannot lock ${path}`);
  }
}

function lockedBy<T>(fd: number, timeoutMs: number, action: () => T): T {
  try {
    for (const deadline = performance.now() + timeoutMs; !tryLock(fd) && performance.now() < deadline; ) {
      Bun.sleepSync(1);
    }
    return action();
  } finally {
    close(fd);
  }
}
