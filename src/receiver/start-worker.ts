/** Starts the receiver's thread. */

import { callerStateKept } from "../bun/runtime.ts";

/** Returns the thread, which has begun. */
export function startWorker(): Worker {
  const here = import.meta.url;
  if (here.endsWith("/src/receiver/start-worker.ts")) return new Worker(new URL("./worker.ts", here).href);
  // The command's own executable, which runs no code from strings, has it as a file.
  if (callerStateKept) return new Worker(new URL("../receiver/worker.js", here).href);
  url ??= URL.createObjectURL(new Blob([embedded()], { type: "text/javascript" }));
  return new Worker(url);
}

// --- internal ---

/** One, which stays: a thread reads it when it starts, which nobody is told of. */
let url: string | undefined;

/**
 * What a bundle has in place of a file. From source it is not loaded, because a macro takes time, and for
 * ever without the JIT.
 */
function embedded(): string {
  const { SOURCE } = require("./embedded-worker.ts") as typeof import("./embedded-worker.ts");
  return SOURCE;
}
