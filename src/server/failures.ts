/** Errors that end a server: what the manager shows of them, and who else would have handled them. */

import { node } from "../bun/node.ts";
import type { State } from "../protocol/state.ts";

/** How the manager shows why a service has failed. */
export type Failure = Pick<State, "errno" | "exitStatus">;

/** Returns what the manager shows of an error: ERRNO= if it is the system's, else EXIT_STATUS=1. */
export function failureOf(error: unknown): Failure {
  // The first of several has a number, or none has.
  if (error instanceof AggregateError && error.errors.length > 0) return failureOf(error.errors[0]);
  const { code, errno } = (typeof error === "object" && error !== null ? error : {}) as Record<string, unknown>;
  const numbers: Record<string, number> = node.os.constants.errno;
  // EADDRINUSE of node:http has errno 0 in Bun, so the code comes first.
  if (typeof code === "string" && Object.hasOwn(numbers, code)) return { errno: numbers[code] };
  // The numbers of Node.js are negative, those of this package are as in C. Some libraries make up their own numbers.
  const value = typeof errno === "number" ? Math.abs(errno) : 0;
  return value > 0 && Object.values(numbers).includes(value) ? { errno: value } : { exitStatus: 1 };
}

/**
 * Calls `tell` with an error that ends the process, just before the end. The process then ends as it would have
 * without this, with the original stack. `tell` is not called for an error that the application handles.
 */
export function onFatalError(tell: (error: unknown) => void): Disposable {
  const onException = (error: unknown) => {
    if (!isCaught("uncaughtException") && !process.hasUncaughtExceptionCaptureCallback()) tell(error);
  };
  const onRejection = (error: unknown) => {
    if (process.listenerCount("unhandledRejection") > 1) return;
    // As in Node.js: without a handler for rejections, Bun would end the process here.
    if (isCaught("uncaughtException")) {
      process.emit("uncaughtException", error as Error, "unhandledRejection");
      return;
    }
    tell(error);
    process.off("unhandledRejection", onRejection);
    // This rejects again, and nobody handles it. So Bun prints the error and its stack, and ends the process.
    void Promise.reject(error);
    // Bun does so at the next turn of the event loop, which may be far away.
    setTimeout(() => {}, 0);
  };
  process.on("uncaughtExceptionMonitor", onException);
  if (rejectionsAreBuns()) process.on("unhandledRejection", onRejection);
  return {
    [Symbol.dispose]() {
      process.off("uncaughtExceptionMonitor", onException).off("unhandledRejection", onRejection);
    },
  };
}

// --- internal ---

function isCaught(event: "uncaughtException"): boolean {
  return process.listenerCount(event) > 0;
}

/**
 * Whether Bun treats rejections as it does by default: it tells no uncaughtExceptionMonitor (no issue filed). With
 * --unhandled-rejections=, they may be exceptions, or may not end the process.
 */
function rejectionsAreBuns(): boolean {
  return !process.execArgv.some((argument) => argument.startsWith("--unhandled-rejections"));
}
