/** Ways to wait: repeatedly, for at most a time, and for one turn of the event loop. */

import { MAX_TIMER_MS, startTimer } from "../bun/timers.ts";

/** A timer that is switched on and off, and does not keep the program alive. With a time of Infinity it never fires. */
export class Ticker {
  readonly #intervalMs: number;
  readonly #action: () => void;
  #timer: Timer | undefined;

  constructor(intervalMs: number, action: () => void) {
    this.#intervalMs = intervalMs;
    this.#action = action;
  }

  /** Switches it on or off. If it is on already, it goes on undisturbed. */
  run(on: boolean): void {
    if (on === (this.#timer !== undefined) || this.#intervalMs === Number.POSITIVE_INFINITY) return;
    clearInterval(this.#timer);
    this.#timer = on ? setInterval(this.#action, Math.min(this.#intervalMs, MAX_TIMER_MS)).unref() : undefined;
  }
}

/** Resolves when the time is up. Disposing ends the wait. */
export function timeUp(timeMs: number): Disposable & { promise: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { promise, ...startTimer(timeMs, resolve) };
}

/** Waits for a promise, but only for a time. @throws Error that says why, if the time is up. */
export async function within(timeMs: number, promise: Promise<unknown>, why: string): Promise<void> {
  const deadline = timeUp(timeMs);
  try {
    const isLate = await Promise.race([promise.then(() => false), deadline.promise.then(() => true)]);
    if (isLate) throw new Error(why);
  } finally {
    deadline[Symbol.dispose]();
  }
}

/** Returns what a promise resolves to within a turn of the event loop; otherwise undefined. */
export async function quickly<Value>(promise: Promise<Value>): Promise<Value | undefined> {
  const { promise: turn, resolve } = Promise.withResolvers<undefined>();
  setImmediate(resolve, undefined);
  return Promise.race([promise, turn]);
}
