/** How processes ended that are not children of this one. After MAINPID=, the main process may be one of them. */

import { startTimer } from "../../bun/timers.ts";
import { exists } from "../../linux/manager.ts";
import { signalName } from "../../linux/signals.ts";
import type { OrphanEnd } from "../orphans.ts";
import type { End } from "../unit/lifecycle.ts";

export class Ends {
  readonly #ends = new Map<number, End>();
  #onEnd: () => void = () => {};

  /** Remembers a process that was reaped. */
  add(pid: number, end: OrphanEnd): void {
    this.#ends.set(pid, "code" in end ? { ...end, signal: null } : { code: null, signal: signalName(end.signal) });
    const [oldest] = this.#ends.keys();
    if (this.#ends.size > MAX_ENDS && oldest !== undefined) this.#ends.delete(oldest);
    this.#onEnd();
  }

  /** A running process may have the pid of one that has ended. */
  forget(pid: number): void {
    this.#ends.delete(pid);
  }

  /** Resolves when the process has ended, or when nobody waits for it any more. */
  async of(pid: number, isWaitedFor: () => boolean): Promise<End> {
    while (isWaitedFor() && !this.#ends.has(pid) && exists(pid)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onEnd = resolve;
      // It may not be this process's orphan, and then no event tells of its end.
      using _ = startTimer(LOOK_MS, resolve);
      await promise;
    }
    return this.#ends.get(pid) ?? { code: null, signal: null };
  }
}

// --- internal ---

/** How often to check whether a process still runs that is not a child of this one. */
const LOOK_MS = 500;

/** The main process usually ends last. */
const MAX_ENDS = 1000;
