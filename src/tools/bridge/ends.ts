/** How processes have ended that are no children of this one's own: the main process may be one, by MAINPID=. */

import { startTimer } from "../../bun/timers.ts";
import { exists } from "../../linux/manager.ts";
import { signalName } from "../../linux/signals.ts";
import type { OrphanEnd } from "../orphans.ts";
import type { End } from "../unit/lifecycle.ts";

export class Ends {
  readonly #ends = new Map<number, End>();
  #onEnd: () => void = () => {};

  /** Remembers one that was reaped. */
  add(pid: number, end: OrphanEnd): void {
    this.#ends.set(pid, "code" in end ? { ...end, signal: null } : { code: null, signal: signalName(end.signal) });
    const [oldest] = this.#ends.keys();
    if (this.#ends.size > MAX_ENDS && oldest !== undefined) this.#ends.delete(oldest);
    this.#onEnd();
  }

  /** A process runs that may have the number of one that has ended. */
  forget(pid: number): void {
    this.#ends.delete(pid);
  }

  /** Resolves when the process has ended, or is not waited for any more. */
  async of(pid: number, isWaitedFor: () => boolean): Promise<End> {
    while (isWaitedFor() && !this.#ends.has(pid) && exists(pid)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onEnd = resolve;
      // It may be nobody's orphan.
      using _ = startTimer(LOOK_MS, resolve);
      await promise;
    }
    return this.#ends.get(pid) ?? { code: null, signal: null };
  }
}

// --- internal ---

/** How often to look whether a process runs that is nobody's child here. */
const LOOK_MS = 500;

/** The main process ends last, most often. */
const MAX_ENDS = 1000;
