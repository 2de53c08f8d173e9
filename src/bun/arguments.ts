/**
 * The arguments of the command, byte for byte. Bun loses bytes when it decodes process.argv, and drops a `--` that is
 * the first argument of a script. No issue filed. This goes when process.argv keeps both.
 */

import { FFIUnavailableError } from "../../ffi/errors.ts";
import { readFile } from "../../ffi/syscalls.ts";
import { node } from "./node.ts";
import { standalone } from "./runtime.ts";

/** Strings that stand for bytes: `encoding` says how. */
export interface Arguments {
  args: string[];
  encoding: "utf8" | "latin1";
}

/**
 * Returns the arguments as they were given. process.argv may differ from them: Bun puts U+FFFD in place of bytes that
 * are not UTF-8, and drops a `--` that is the first argument of a script. If it may differ, the arguments are read
 * from the kernel, with one character for each byte.
 */
export function commandArguments(): Arguments {
  const args = process.argv.slice(2);
  const lossy = args.join().includes("\uFFFD");
  if (standalone && !lossy) return { args, encoding: "utf8" };
  const all = readCommandLine().split("\0").slice(0, -1);
  const start = all.length - args.length;
  const dropped = !standalone && all[start - 1] === "--" ? ["--"] : [];
  return lossy
    ? { args: [...dropped, ...all.slice(start)], encoding: "latin1" }
    : { args: [...dropped, ...args], encoding: "utf8" };
}

// --- internal ---

/** Returns the command line, with one character for each byte. */
function readCommandLine(): string {
  const file = "/proc/self/cmdline";
  try {
    return Buffer.from(readFile(file)).toString("latin1");
  } catch (error) {
    // A mistake in the arguments is reported first. A problem with libc is reported when the message is sent.
    if (error instanceof FFIUnavailableError) return node.fs.readFileSync(file, "latin1");
    throw error;
  }
}
