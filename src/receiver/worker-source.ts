/**
 * The receiver's thread as text, so that it is wherever the receiver is: in a bundle, and in a standalone
 * executable. A macro.
 */

import { join } from "node:path";

/** Returns the bundled thread. Minified, it has no paths in it. */
export function workerSource(): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [process.execPath, "build", join(import.meta.dir, "worker.ts"), "--target=bun", "--format=esm", "--minify"],
    { env: { ...process.env, BUN_BE_BUN: "1" } },
  );
  if (exitCode !== 0) throw new Error(`Cannot bundle the receiver's thread: ${stderr}`);
  return stdout.toString();
}
