import { expect, test } from "bun:test";
import { startTimer } from "../src/bun/timers.ts";
import { abortAfter, onAbort, sleep } from "../src/tools/abort.ts";

test("startTimer() waits for longer than a timer of Bun's takes, and for ever", async () => {
  const fired: string[] = [];
  using _long = startTimer(2 ** 31, () => fired.push("2^31 ms"));
  using _longer = startTimer(600 * 3_600_000, () => fired.push("600 h"));
  using _ever = startTimer(Number.POSITIVE_INFINITY, () => fired.push("for ever"));
  const { promise, resolve } = Promise.withResolvers<void>();
  using _short = startTimer(20, resolve);
  await promise;
  expect(fired).toEqual([]);
});

test("startTimer() calls back no more when it was disposed", async () => {
  let fired = false;
  startTimer(1, () => {
    fired = true;
  })[Symbol.dispose]();
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ = startTimer(10, resolve);
  await promise;
  expect(fired).toBe(false);
});

test("onAbort() calls back once, at once when it is aborted already, and not after it was disposed", () => {
  const controller = new AbortController();
  let count = 0;
  onAbort(controller.signal, () => count++)[Symbol.dispose]();
  onAbort(controller.signal, () => count++);
  controller.abort();
  onAbort(controller.signal, () => count++);
  expect(count).toBe(2);
});

test("sleep() ends with the signal's reason", async () => {
  const reason = new Error("enough");
  expect(sleep(10_000, AbortSignal.abort(reason))).rejects.toBe(reason);
  const controller = new AbortController();
  const sleeping = sleep(10_000, controller.signal);
  controller.abort(reason);
  expect(sleeping).rejects.toBe(reason);
});

test("abortAfter() aborts when the time is up, or with the other signal", async () => {
  const controller = new AbortController();
  using first = abortAfter(10_000, () => "time", controller.signal);
  controller.abort("other");
  expect(first.signal.reason).toBe("other");
  using second = abortAfter(1, () => "time", new AbortController().signal);
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ = onAbort(second.signal, resolve);
  await promise;
  expect(second.signal.reason).toBe("time");
});
