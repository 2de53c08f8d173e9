/**
 * Makes the package's tarball, sd-notify-VERSION.tgz, out of dist/ and what else `files` in package.json
 * names. Its package.json is made for those who install it: it holds nothing that only this repository needs.
 *
 *     bun src/build/pack.ts [DIRECTORY]
 */

import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import manifest from "../../package.json";

const ROOT = join(import.meta.dir, "../..");

/** Writes the tarball into a directory, and returns its path. */
export function pack(destination: string): string {
  const stage = mkdtempSync(join(tmpdir(), "sd-notify-pack-"));
  try {
    const { private: _, scripts, devDependencies, allowScripts, trustedDependencies, ...published } = manifest;
    for (const pattern of ["README.md", "LICENSE", ...manifest.files]) copy(pattern, stage);
    writeFileSync(join(stage, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
    setModes(stage);
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, "pm", "pack", "--destination", destination], {
      cwd: stage,
    });
    if (exitCode !== 0) throw new Error(`bun pm pack: ${stderr}`);
  } finally {
    rmSync(stage, { recursive: true });
  }
  return join(destination, `${manifest.name}-${manifest.version}.tgz`);
}

// --- internal ---

function copy(pattern: string, stage: string): void {
  const found = [...new Bun.Glob(pattern).scanSync({ cwd: ROOT, onlyFiles: false })];
  if (found.length === 0) throw new Error(`Cannot pack: there is no ${pattern}: npm run build:package`);
  for (const path of found) cpSync(join(ROOT, path), join(stage, path), { recursive: true });
}

/** Whoever installs it may be another user, and whoever builds it may have any umask. */
function setModes(stage: string): void {
  for (const name of readdirSync(stage, { recursive: true, encoding: "utf8" })) {
    const path = join(stage, name);
    if (statSync(path).isDirectory()) continue;
    chmodSync(path, readFileSync(path).toString("latin1", 0, 2) === "#!" ? 0o755 : 0o644);
  }
}

// --- main ---

if (import.meta.main) console.log(pack(resolve(process.argv[2] ?? ".")));
