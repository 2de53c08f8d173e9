/**
 * A macro that returns the receiver's thread as text. So the thread is part of whatever contains the receiver: a
 * bundle, or a standalone executable.
 */

import { join } from "node:path";

/** Returns the bundled thread. It is minified, so that it contains no paths. */
export function workerSource(): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [process.execPath, "build", join(import.meta.dir, "worker.ts"), "--target=bun", "--format=esm", "--minify"],
    { env: { ...process.env, BUN_BE_BUN: "1" } },
  );
  if (exitCode !== 0) throw new Error(`Cannot bundle the receiver's thread: ${stderr}`);
  return stdout.toString();
}
