/** The processes of the unit: this process' descendants, those too that their parents have left. */

import { adoptOrphans, exitOf } from "../../../ffi/process.ts";
import { signalName } from "../../linux/signals.ts";
import type { End } from "../unit/lifecycle.ts";
import { descendants, processInfo } from "../unit/processes.ts";

type Signal = "SIGHUP" | "SIGTERM" | "SIGABRT" | "SIGKILL";

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
  /** How those have ended that were adopted. */
  readonly #ends = new Map<number, End>();
  /** Those that this user may not end. */
  readonly #refused = new Set<number>();

  /** Tells of each signal that there was somebody for. */
  constructor(onSignal: (sent: Sent) => void) {
    adoptOrphans();
    this.#onSignal = onSignal;
  }

  /** Those that run. Those that have ended, and were adopted, are forgotten. */
  pids(): number[] {
    const all = descendants(process.pid);
    const adopted = all.filter(({ parent, pid }) => parent === process.pid && pid !== this.child?.pid);
    for (const { pid, isZombie } of adopted) if (isZombie) this.#reap(pid);
    return all.filter(({ isZombie }) => !isZombie).map(({ pid }) => pid);
  }

  /**
   * Resolves when a process has ended that is not the child, or nothing is left of the family and it is no
   * longer waited for. (An event tells of the child's end only.)
   */
  async endOf(pid: number, isWaitedFor: () => boolean): Promise<End> {
    while (isWaitedFor() || this.pids().length > 0) {
      const info = processInfo(pid);
      if (info?.isZombie && info.parent === process.pid) this.#reap(pid);
      if (info === undefined || info.isZombie) break;
      await Bun.sleep(10);
    }
    return this.#ends.get(pid) ?? { code: null, signal: null };
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
    for (const pid of refused) this.#refused.add(pid);
    if (reached.length + refused.length === 0) return;
    this.#onSignal({ signal, pids: reached, ...(refused.length > 0 && { refused }), why });
  }

  /** Ends what is left, but for what this user may not end. */
  async end(timeoutMs: number): Promise<void> {
    const left = () => this.pids().filter((pid) => !this.#refused.has(pid));
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const pids = left();
      if (pids.length === 0) return;
      this.signal(signal, "left over", pids);
      const deadline = performance.now() + timeoutMs;
      // They are nobody's children that an event would tell of.
      while (left().length > 0 && performance.now() < deadline) await Bun.sleep(5);
    }
  }

  /** Whatever /proc may say: ends the child, and waits for it no longer. */
  abandon(): void {
    try {
      this.child?.kill("SIGKILL");
    } catch {
      // It is another user's.
    }
    // It may be one that can't be killed.
    this.child?.unref();
  }

  // --- internal ---

  #reap(pid: number): void {
    try {
      const end = exitOf(pid);
      if (end === undefined) return;
      const told = "code" in end ? { code: end.code, signal: null } : { code: null, signal: signalName(end.signal) };
      this.#ends.set(pid, told);
      const [oldest] = this.#ends.keys();
      if (this.#ends.size > MAX_ENDS && oldest !== undefined) this.#ends.delete(oldest);
    } catch {
      // Somebody else in this process has asked before.
    }
  }
}

/** The main process ends last, most often. */
const MAX_ENDS = 1000;
