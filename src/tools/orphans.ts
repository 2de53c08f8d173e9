/** Orphans that this process inherits: if it is PID 1 of a container, those of the container. */

import { endedChild, waitForExit } from "../../ffi/process.ts";

/** How a process has ended: with an exit status, or by a signal. */
export type OrphanEnd = ReturnType<typeof waitForExit>;

/** Reaps each orphan that ends, and tells of it. Returns a function that stops this. */
export function reapOrphans(
  own: ReadonlySet<number>,
  onEnd: (pid: number, end: OrphanEnd) => void = () => {},
): () => void {
  let retry: Timer | undefined;
  const reap = () => {
    clearTimeout(retry);
    for (let pid = endedChild(); pid !== undefined; pid = endedChild()) {
      if (own.has(pid)) {
        // It hides the other children until the code that started it has waited for it.
        retry = setTimeout(reap, RETRY_MS).unref();
        return;
      }
      onEnd(pid, waitForExit(pid));
    }
  };
  process.on("SIGCHLD", reap);
  reap();
  return () => {
    process.off("SIGCHLD", reap);
    clearTimeout(retry);
  };
}

// --- internal ---

const RETRY_MS = 20;
