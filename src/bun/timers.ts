/**
 * Timers of any length. One of setTimeout() that is longer than 2^31 - 1 ms fires at once, Infinity included, in
 * Bun as in Node.js. No issue filed: that is compatible. This stays.
 */

/** The longest time that a timer of Bun's takes, in milliseconds. */
export const MAX_TIMER_MS = 0x7fffffff;

/**
 * Calls back once, after a time; never for Infinity. Disposing takes that back. It keeps the program alive
 * meanwhile.
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
