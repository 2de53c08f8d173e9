/** Makes sd-notify-VERSION-TARGET.tar.xz. */

import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Binary } from "./binaries.ts";
import { install, installProgram, manPages } from "./contents.ts";
import { normalize, succeed } from "./steps.ts";
import { ALIASES } from "./targets.ts";

export interface ReleaseOptions {
  version: string;
  /** The time of all files, in seconds. */
  epoch: number;
  /** Where files that are not released may be. */
  work: string;
  /** Where the release is. */
  out: string;
}

/**
 * xz(1): a higher level takes up to ten times as long for a file that is smaller by a seventh. It uses one thread,
 * because several would make other bytes.
 */
export const XZ_LEVEL = 1;

/** Makes the archive of an executable, under each name of its target, and returns their paths. */
export async function makeArchives({ target, path }: Binary, options: ReleaseOptions): Promise<string[]> {
  const { version, epoch, work, out } = options;
  const name = `sd-notify-${version}`;
  const stage = join(work, `archive-${target.name}`);
  installProgram(path, join(stage, name, "bin/sd-notify"));
  for (const page of manPages()) install(`man/${page}`, join(stage, name, "share/man/man1", page));
  for (const [from, to] of COMPLETIONS) install(`man/completions/${from}`, join(stage, name, "share", to));
  install("LICENSE", join(stage, name, "LICENSE"));
  install("CHANGELOG.md", join(stage, name, "CHANGELOG.md"));
  normalize(stage, epoch);

  mkdirSync(out, { recursive: true });
  const archive = (target: string) => join(out, `sd-notify-${version}-${target}.tar.xz`);
  const first = archive(target.name);
  await succeed([
    "tar",
    "--create",
    // A colon in a path does not name a host.
    "--force-local",
    `--use-compress-program=xz --threads=1 -${XZ_LEVEL}`,
    `--file=${first}`,
    `--directory=${stage}`,
    "--format=ustar",
    "--sort=name",
    `--mtime=@${epoch}`,
    "--owner=root:0",
    "--group=root:0",
    name,
  ]);
  rmSync(stage, { recursive: true });
  const aliases = (ALIASES[target.name] ?? []).map(archive);
  for (const alias of aliases) copyFileSync(first, alias);
  return [first, ...aliases];
}

// --- internal ---

/**
 * Where each shell looks for completions.
 * That holds below /usr/local/share too, so `cp -r bin share /usr/local` installs all.
 */
const COMPLETIONS = [
  ["sd-notify.bash", "bash-completion/completions/sd-notify"],
  ["_sd-notify", "zsh/site-functions/_sd-notify"],
  ["sd-notify.fish", "fish/vendor_completions.d/sd-notify.fish"],
] as const;
