/** Aborting operations that wait. */

import { startTimer } from "../bun/timers.ts";

/** Calls back when the signal is aborted, or at once if it already is. Disposing cancels the callback. */
export function onAbort(signal: AbortSignal, action: () => void): Disposable {
  if (signal.aborted) action();
  else signal.addEventListener("abort", action);
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", action) };
}

/** Resolves after a time. @throws the signal's reason, when it is aborted before. */
export async function sleep(timeMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  using _aborting = onAbort(signal, () => reject(signal.reason));
  using _timer = startTimer(timeMs, resolve);
  await promise;
}

/**
 * Returns a signal that is aborted when the time is up, or together with another one, for the same reason. Disposing
 * ends the timer. (AbortSignal.any() and AbortSignal.timeout() would live on until they are garbage-collected.)
 */
export function abortAfter(
  timeMs: number,
  why: () => unknown,
  signal: AbortSignal,
): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const timer = startTimer(timeMs, () => controller.abort(why()));
  const forwarding = onAbort(signal, () => controller.abort(signal.reason));
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      timer[Symbol.dispose]();
      forwarding[Symbol.dispose]();
    },
  };
}
