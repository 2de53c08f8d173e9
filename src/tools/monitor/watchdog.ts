/** The watchdog of the unit: sd_watchdog_enabled(3). */

import { monotonicUsec } from "../../../ffi/syscalls.ts";

/** A ping, and how it lies in its time. */
export interface Ping {
  afterUsec: number;
  timeoutUsec: number;
  /** It came after more than half the time, and what a timer of an event loop may be late. */
  late: boolean;
}

export class Watchdog {
  /** WatchdogSec=, in microseconds; 0: there is none. */
  timeoutUsec = 0;
  readonly #onOver: () => void;
  #lastUsec: number | undefined;
  #timer: Timer | undefined;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** Begins its time, at a time of CLOCK_MONOTONIC. */
  start(usec: number): void {
    this.stop();
    if (this.timeoutUsec === 0) return;
    this.#lastUsec = usec;
    const ms = Math.max(0, (usec + this.timeoutUsec - monotonicUsec()) / 1000);
    // One that is longer than timers can be never ends: it would be over at once.
    if (ms < 0x7fffffff) this.#timer = setTimeout(this.#onOver, ms);
  }

  /** Begins its time anew. Returns undefined where it had not begun. */
  ping(usec: number): Ping | undefined {
    if (this.#lastUsec === undefined) return undefined;
    const afterUsec = usec - this.#lastUsec;
    const { timeoutUsec } = this;
    this.start(usec);
    return { afterUsec, timeoutUsec, late: afterUsec > timeoutUsec * 0.6 };
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#lastUsec = undefined;
  }
}
