/** Starts the receiver's thread. */

import { callerStateKept } from "../bun/runtime.ts";

/** Starts the thread and returns it. */
export function startWorker(): Worker {
  const here = import.meta.url;
  if (here.endsWith("/src/receiver/start-worker.ts")) return new Worker(new URL("./worker.ts", here).href);
  // The command's own executable has the thread as a file, because it runs no code from strings.
  if (callerStateKept) return new Worker(new URL("../receiver/worker.js", here).href);
  url ??= URL.createObjectURL(new Blob([embedded()], { type: "text/javascript" }));
  return new Worker(url);
}

// --- internal ---

/** One URL for all threads. It is never revoked, because a thread reads it at an unknown time after its start. */
let url: string | undefined;

/**
 * Returns the thread's source, which a bundle has in place of a file. When the library runs from source, this is not
 * loaded: a macro takes time, and never ends without the JIT.
 */
function embedded(): string {
  const { SOURCE } = require("./embedded-worker.ts") as typeof import("./embedded-worker.ts");
  return SOURCE;
}
