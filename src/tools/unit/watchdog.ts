/** The watchdog of the unit: sd_watchdog_enabled(3). */

import { monotonicUsec } from "../../../ffi/syscalls.ts";
import { startTimer } from "../../bun/timers.ts";

/** A ping, and how early or late it came. */
export interface Ping {
  afterUsec: number;
  timeoutUsec: number;
  /** It came after more than half the time plus the delay that an event loop's timer may have. */
  late: boolean;
}

export class Watchdog {
  /** WatchdogSec=, in microseconds; 0: there is none. */
  timeoutUsec = 0;
  readonly #onOver: () => void;
  #lastUsec: number | undefined;
  #endUsec = 0;
  #timer: Disposable | undefined;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** Starts the watchdog's time, at a time of CLOCK_MONOTONIC. */
  start(usec: number): void {
    this.stop();
    if (this.timeoutUsec === 0) return;
    this.#lastUsec = usec;
    this.#endAt(usec + this.timeoutUsec);
  }

  /** Makes its time end no sooner than in this time: EXTEND_TIMEOUT_USEC= of sd_notify(3). */
  extend(ms: number): void {
    const endUsec = monotonicUsec() + ms * 1000;
    if (this.#lastUsec !== undefined && endUsec > this.#endUsec) this.#endAt(endUsec);
  }

  /** Restarts its time. Returns undefined if it had not started. */
  ping(usec: number): Ping | undefined {
    if (this.#lastUsec === undefined) return undefined;
    const afterUsec = usec - this.#lastUsec;
    const { timeoutUsec } = this;
    this.start(usec);
    return { afterUsec, timeoutUsec, late: afterUsec > timeoutUsec * 0.6 };
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#lastUsec = undefined;
  }

  // --- internal ---

  #endAt(usec: number): void {
    this.#timer?.[Symbol.dispose]();
    this.#endUsec = usec;
    this.#timer = startTimer(Math.max(0, (usec - monotonicUsec()) / 1000), this.#onOver);
  }
}
