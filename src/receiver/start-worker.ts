/** Starts the receiver's thread. */

import { callerStateKept } from "../bun/runtime.ts";
import { workerSource } from "./worker-source.ts" with { type: "macro" };

/** Returns the thread, which has begun. */
export function startWorker(): Worker {
  if (callerStateKept) return new Worker(new URL("../receiver/worker.js", import.meta.url).href);
  if (source === undefined) return new Worker(new URL("./worker.ts", import.meta.url).href);
  url ??= URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return new Worker(url);
}

// --- internal ---

/** Set by the build. */
const source: string | undefined = workerSource();

/** One, which stays: a thread reads it when it starts, which nobody is told of. */
let url: string | undefined;
