/** Older versions of Bun, each had once from the registry and kept in ~/.cache/sd-notify. */

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { BUN, ROOT } from "./command.ts";

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "sd-notify");

/** Returns the program, or why it can't be had here. */
export async function oldBun(
  version: string,
): Promise<{ program: string; why?: never } | { program?: never; why: string }> {
  const directory = join(CACHE, `bun-${version}`);
  // The package of this machine's system and processor that the project's own Bun is from.
  const oven = join(ROOT, "node_modules/@oven");
  const [name] = existsSync(oven) ? readdirSync(oven).sort((a, b) => a.length - b.length) : [];
  if (name === undefined) return { why: "no @oven package here" };
  const program = join(directory, "node_modules/@oven", name, "bin/bun");
  if (!existsSync(program)) {
    const partial = `${directory}.${process.pid}`;
    try {
      mkdirSync(partial, { recursive: true });
      await Bun.write(join(partial, "package.json"), "{}");
      const added = Bun.spawn([BUN, "add", "--ignore-scripts", `@oven/${name}@${version}`], {
        cwd: partial,
        stdio: ["ignore", "ignore", "ignore"],
        timeout: 20_000,
      });
      if ((await added.exited) !== 0) return { why: `Bun ${version} can't be downloaded` };
      rmSync(directory, { recursive: true, force: true });
      // Complete or not there: what was interrupted must not be taken for a Bun.
      renameSync(partial, directory);
    } catch (error) {
      return { why: `Bun ${version} can't be kept: ${(error as Error).message}` };
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  }
  const runs = Bun.spawnSync([program, "--version"]).stdout.toString().trim() === version;
  return runs ? { program } : { why: `Bun ${version} does not run on this machine` };
}
