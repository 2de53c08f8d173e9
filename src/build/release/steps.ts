/** What every step of the release uses: programs, the time of all files, and the files of a directory. */

import { chmodSync, lutimesSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dir, "../../..");

/**
 * Runs a program to its end, and returns what it printed. Options that a user's environment has for it would
 * make other bytes, so it has none of those.
 *
 * @throws Error when it fails.
 */
export async function succeed(command: readonly string[], { cwd = ROOT, env = {} }: RunOptions = {}): Promise<string> {
  const { XZ_OPT, XZ_DEFAULTS, TAR_OPTIONS, GZIP, ...rest } = process.env;
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...rest, LC_ALL: "C", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${command.slice(0, 2).join(" ")} ended with ${code}: ${stdout}${stderr}`.trimEnd());
  return stdout;
}

interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
}

/** The time of every file that is released, in seconds: $SOURCE_DATE_EPOCH, or that of the commit. */
export async function sourceDate(): Promise<number> {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && !/^\d{1,11}$/.test(given)) {
    throw new Error(`SOURCE_DATE_EPOCH is a number of seconds, not ${JSON.stringify(given)}`);
  }
  return Number(given ?? (await succeed(["git", "log", "-1", "--format=%ct"])));
}

/** Gives everything below a directory the same owner's modes and the same time, whatever the umask was. */
export function normalize(directory: string, epoch: number): void {
  for (const name of [".", ...readdirSync(directory, { recursive: true, encoding: "utf8" })]) {
    const path = join(directory, name);
    const stat = statSync(path);
    chmodSync(path, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644);
    lutimesSync(path, epoch, epoch);
  }
}
