/**
 * Timers of any length. In Bun, as in Node.js, setTimeout() fires at once if its time is longer than 2^31 - 1 ms,
 * Infinity included. No issue filed: that is compatible. This stays.
 */

/** The longest time that a timer of Bun's takes, in milliseconds. */
export const MAX_TIMER_MS = 0x7fffffff;

/**
 * Calls `action` once after a time, and never if the time is Infinity. Disposing cancels that. A timer keeps the
 * program alive until then.
 */
export function startTimer(timeMs: number, action: () => void): Disposable {
  let timer: Timer | undefined;
  const start = (leftMs: number) => {
    const stepMs = Math.min(leftMs, MAX_TIMER_MS);
    timer = setTimeout(() => (leftMs > stepMs ? start(leftMs - stepMs) : action()), Math.max(0, stepMs));
  };
  if (timeMs !== Number.POSITIVE_INFINITY) start(timeMs);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
