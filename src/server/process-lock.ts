/** A lock that only one thread of this process can hold at a time. */

import { tryLock } from "../../ffi/process.ts";
import { close } from "../../ffi/syscalls.ts";
import { fromNodeError } from "../bun/fs-errors.ts";
import { node } from "../bun/node.ts";

/**
 * Runs the action while no other thread of this process runs one. It waits at most a second, because a worker that is
 * terminated in the middle of its action never releases the lock.
 */
export function withProcessLock<T>(action: () => T): T {
  const fd = openOwnDirectory();
  try {
    for (const deadline = performance.now() + TIMEOUT_MS; !tryLock(fd) && performance.now() < deadline; ) {
      Bun.sleepSync(1);
    }
    return action();
  } finally {
    close(fd);
  }
}

// --- internal ---

const TIMEOUT_MS = 1000;

/**
 * Opens a directory for flock(2), which takes any file. It belongs to this process alone, and other users can't open
 * it.
 */
function openOwnDirectory(): number {
  try {
    return node.fs.openSync("/proc/self/fd", "r");
  } catch (error) {
    throw fromNodeError(error, "Cannot lock /proc/self/fd");
  }
}
