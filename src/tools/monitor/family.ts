/** The processes of the unit: this process' descendants, those too that their parents have left. */

import { adoptOrphans, exitOf } from "../../../ffi/process.ts";
import { signalName } from "../../linux/signals.ts";
import type { End } from "./lifecycle.ts";
import { descendants, processInfo } from "./processes.ts";

type Signal = "SIGHUP" | "SIGTERM" | "SIGKILL";

/** A signal that was sent: whom it has reached, and who belongs to somebody whose processes this user may not end. */
export interface Sent {
  signal: Signal;
  pids: number[];
  refused?: number[];
  why: string;
}

export class Family {
  /** The child whose end Bun waits for. */
  child: Bun.Subprocess | undefined;
  readonly #onSignal: (sent: Sent) => void;

  /** Tells of each signal that there was somebody for. */
  constructor(onSignal: (sent: Sent) => void) {
    adoptOrphans();
    this.#onSignal = onSignal;
  }

  /** Those that run. Those that have ended, and were adopted, are forgotten. */
  pids(): number[] {
    const all = descendants(process.pid);
    const adopted = all.filter(({ parent, pid }) => parent === process.pid && pid !== this.child?.pid);
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
      if (info?.isZombie && info.parent === process.pid) {
        const end = reap(pid);
        if (end) return end;
      }
      if (info === undefined || info.isZombie) break;
      await Bun.sleep(10);
    }
    return { code: null, signal: null };
  }

  /** Sends a signal to all, or to one of them. */
  signal(signal: Signal, why: string, pids = this.pids()): void {
    const reached: number[] = [];
    const refused: number[] = [];
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
        reached.push(pid);
      } catch (error) {
        // Else it has ended meanwhile.
        if ((error as NodeJS.ErrnoException).code === "EPERM") refused.push(pid);
      }
    }
    if (reached.length + refused.length === 0) return;
    this.#onSignal({ signal, pids: reached, ...(refused.length > 0 && { refused }), why });
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

  /** Whatever /proc may say: ends the child, and waits for it no longer. */
  abandon(): void {
    this.child?.kill("SIGKILL");
    // It may be one that can't be killed.
    this.child?.unref();
  }
}

// --- internal ---

/** How a child has ended; undefined if it has not, or somebody else in this process has asked before. */
function reap(pid: number): End | undefined {
  try {
    const end = exitOf(pid);
    if (end === undefined) return undefined;
    return "code" in end ? { code: end.code, signal: null } : { code: null, signal: signalName(end.signal) };
  } catch {
    return undefined;
  }
}
