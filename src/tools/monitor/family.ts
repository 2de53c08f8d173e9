/** The processes of the unit: this process' descendants, those too that their parents have left. */

import { adoptOrphans, waitForExit } from "../../../ffi/process.ts";
import { signalName } from "../../linux/signals.ts";
import { descendants, processInfo } from "./processes.ts";

/** Told of each signal that has reached anybody. */
type OnSignal = (signal: "SIGHUP" | "SIGTERM" | "SIGKILL", pids: number[], why: string) => void;

/** How a process has ended; both null where nobody can tell. */
export interface End {
  code: number | null;
  signal: string | null;
}

export class Family {
  /** The child whose end Bun waits for. */
  child: number | undefined;
  readonly #onSignal: OnSignal;

  constructor(onSignal: OnSignal) {
    adoptOrphans();
    this.#onSignal = onSignal;
  }

  /** Those that run. Those that have ended, and were adopted, are forgotten. */
  pids(): number[] {
    const all = descendants(process.pid);
    const adopted = all.filter(({ parent, pid }) => parent === process.pid && pid !== this.child);
    for (const { pid, isZombie } of adopted) if (isZombie) reap(pid);
    return all.filter(({ isZombie }) => !isZombie).map(({ pid }) => pid);
  }

  /**
   * Resolves when a process has ended that is not the child, or nothing is left of the family and it is no longer waited for. (An
   * event tells of the child's end only.)
   */
  async endOf(pid: number, isWaitedFor: () => boolean): Promise<End> {
    while (isWaitedFor() || this.pids().length > 0) {
      const info = processInfo(pid);
      if (info?.isZombie && info.parent === process.pid) return readEnd(waitForExit(pid));
      if (info === undefined || info.isZombie) break;
      await Bun.sleep(10);
    }
    return { code: null, signal: null };
  }

  signal(signal: "SIGHUP" | "SIGTERM" | "SIGKILL", why: string, pids = this.pids()): void {
    const reached = pids.filter((pid) => {
      try {
        return process.kill(pid, signal);
      } catch {
        // It has ended meanwhile.
        return false;
      }
    });
    if (reached.length > 0) this.#onSignal(signal, reached, why);
  }

  /** Ends what is left, but for what this user may not end. */
  async end(timeoutMs: number): Promise<void> {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (this.pids().length === 0) return;
      this.signal(signal, "left over");
      const deadline = performance.now() + timeoutMs;
      // They are nobody's children that an event would tell of.
      while (this.pids().length > 0 && performance.now() < deadline) await Bun.sleep(5);
    }
  }
}

// --- internal ---

/** Somebody else in this process may have done it. */
function reap(pid: number): void {
  try {
    waitForExit(pid);
  } catch {
    // It is gone.
  }
}

function readEnd(end: { code: number } | { signal: number }): End {
  return "code" in end ? { code: end.code, signal: null } : { code: null, signal: signalName(end.signal) };
}
