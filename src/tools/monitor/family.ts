/** The processes of the unit: the descendants of this process, including orphans. */

import { adoptOrphans, exitOf } from "../../../ffi/process.ts";
import { signalName } from "../../linux/signals.ts";
import type { End } from "../unit/lifecycle.ts";
import { descendants, processInfo } from "../unit/processes.ts";

type Signal = "SIGHUP" | "SIGTERM" | "SIGABRT" | "SIGKILL";

/** A signal that was sent: the processes that it has reached, and those that this user may not end. */
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
  /** How the adopted processes have ended. */
  readonly #ends = new Map<number, End>();
  /** The processes that this user may not end. */
  readonly #refused = new Set<number>();

  /** Tells of each signal that was meant for at least one process. */
  constructor(onSignal: (sent: Sent) => void) {
    adoptOrphans();
    this.#onSignal = onSignal;
  }

  /** The processes that run. Adopted processes that have ended are forgotten. */
  pids(): number[] {
    const all = descendants(process.pid);
    const adopted = all.filter(({ parent, pid }) => parent === process.pid && pid !== this.child?.pid);
    for (const { pid, isZombie } of adopted) if (isZombie) this.#reap(pid);
    return all.filter(({ isZombie }) => !isZombie).map(({ pid }) => pid);
  }

  /**
   * Resolves when a process other than the child has ended, or when nothing is left of the family and nobody waits for
   * the process any more. (An event tells only of the child's end.)
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
        // As systemd does: a stopped process, as after Ctrl-Z, would take the signal when somebody continues it.
        if (signal !== "SIGKILL") process.kill(pid, "SIGCONT");
      } catch (error) {
        // Otherwise it has ended in the meantime.
        if ((error as NodeJS.ErrnoException).code === "EPERM") refused.push(pid);
      }
    }
    for (const pid of refused) this.#refused.add(pid);
    if (reached.length + refused.length === 0) return;
    this.#onSignal({ signal, pids: reached, ...(refused.length > 0 && { refused }), why });
  }

  /** Ends the remaining processes, except those that this user may not end. */
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

  /** Ends the child and stops waiting for it, whatever /proc says. */
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

/** The main process usually ends last. */
const MAX_ENDS = 1000;
