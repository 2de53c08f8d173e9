/**
 * The receiver's thread as text, so that it is wherever the receiver is: in a bundle, and in a standalone
 * executable. A macro.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Returns the thread as a module that imports nothing of this package; undefined when nothing is being built. */
export function workerSource(): string | undefined {
  if (!isBuild()) return undefined;
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    // Minified, it has no paths in it.
    [process.execPath, "build", join(import.meta.dir, "worker.ts"), "--target=bun", "--format=esm", "--minify"],
    { env: { ...process.env, BUN_BE_BUN: "1" } },
  );
  if (exitCode !== 0) throw new Error(`Cannot bundle the receiver's thread: ${stderr}`);
  return stdout.toString();
}

// --- internal ---

/**
 * Whether this is `bun build`, or a program of src/build/: Bun evaluates macros of modules too that it runs
 * at once.
 */
function isBuild(): boolean {
  const [, command = ""] = readFileSync("/proc/self/cmdline", "latin1").split("\0");
  return command === "build" || /(^|\/)src\/build\//.test(command);
}
