/** The files beside the executable: man pages, completions and the license, as the repository has them. */

import { chmodSync, cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./steps.ts";

/** The man pages of section 1, by their names in man/. */
export function manPages(): string[] {
  return readdirSync(join(ROOT, "man")).filter((name) => name.endsWith(".1"));
}

/** Copies a file of the repository. */
export function install(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(join(ROOT, from), to);
  chmodSync(to, 0o644);
}

/** Copies an executable. */
export function installProgram(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
  chmodSync(to, 0o755);
}

/** Writes a file as gzip(1) does with --best --no-name. */
export function installCompressed(text: string | Buffer, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  const { stdout, exitCode } = Bun.spawnSync(["gzip", "--best", "--no-name"], { stdin: Buffer.from(text), env: PATH });
  if (exitCode !== 0) throw new Error(`gzip ended with ${exitCode}`);
  writeFileSync(to, stdout);
}

// --- internal ---

/** gzip(1) takes options from $GZIP. */
const PATH = { PATH: process.env.PATH ?? "" };
