/**
 * The arguments of the command, byte for byte. Bun decodes process.argv with loss, and drops a `--` that is the
 * first argument of a script. No issue filed. This goes when process.argv keeps both.
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
 * Returns the arguments as they were given, which process.argv is not always: Bun puts U+FFFD where they are
 * no UTF-8, and drops a `--` that is the first argument of a script. Then they are read from the kernel, a
 * byte as a character.
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

/** Returns it with a character for a byte. */
function readCommandLine(): string {
  const file = "/proc/self/cmdline";
  try {
    return Buffer.from(readFile(file)).toString("latin1");
  } catch (error) {
    // What is wrong with libc is told when the message is to be sent, not before a mistake in the arguments.
    if (error instanceof FFIUnavailableError) return node.fs.readFileSync(file, "latin1");
    throw error;
  }
}
