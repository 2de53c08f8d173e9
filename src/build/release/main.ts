/**
 * Makes dist/release/: all files of a release, in the same bytes wherever it is made.
 *
 *     bun src/build/release/main.ts            npm run release
 *     bun src/build/release/main.ts --check    only says whether there can be one
 */

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { version } from "../../../package.json";
import { pack } from "../pack.ts";
import { makeArchives, type ReleaseOptions } from "./archive.ts";
import { makeBinaries } from "./binaries.ts";
import { makeDeb } from "./deb.ts";
import { whyNotRelease } from "./refusals.ts";
import { makeSbom } from "./sbom.ts";
import { ROOT, sourceDate, succeed } from "./steps.ts";

const DIRECTORY = join(ROOT, "dist/release");
/** Holds files that are not complete yet, and those that an interrupted run has left. */
const WORK = join(ROOT, "dist/release.part");

/** Makes the release. @throws Error when a step fails. Then there is no dist/release/. */
async function release(): Promise<void> {
  const options: ReleaseOptions = { version, epoch: await sourceDate(), work: WORK, out: join(WORK, "out") };
  for (const directory of [DIRECTORY, WORK]) rmSync(directory, { recursive: true, force: true });
  try {
    mkdirSync(options.out, { recursive: true });

    const packageOf = await step("package", () => makePackage(options));
    const binaries = await step("executables", () => makeBinaries(join(WORK, "executables")));
    const archives = await step("archives", () => atOnce(binaries, (binary) => makeArchives(binary, options)));
    const debian = binaries.filter(({ target }) => target.debian !== undefined);
    const packages = await step("Debian packages", () => atOnce(debian, (binary) => makeDeb(binary, options)));
    const bill = await step("bill of materials", () => makeSbom(options));
    const files = [packageOf, ...archives.flat(), ...packages, bill];
    writeFileSync(join(options.out, "SHA256SUMS"), checksums(files));

    renameSync(options.out, DIRECTORY);
  } finally {
    rmSync(WORK, { recursive: true, force: true });
  }
}

// --- internal ---

/** The package's tarball, made of freshly built files. */
async function makePackage({ out }: ReleaseOptions): Promise<string> {
  await succeed([process.execPath, "run", "build:package"]);
  return pack(out);
}

/** Compressing takes most of the time, and each file takes one processor. */
async function atOnce<Item, Result>(items: readonly Item[], make: (item: Item) => Promise<Result>): Promise<Result[]> {
  return await Promise.all(items.map(make));
}

function checksums(files: readonly string[]): string {
  const names = files.map((file) => [basename(file), file] as const).sort(([a], [b]) => (a < b ? -1 : 1));
  const sum = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
  return names.map(([name, file]) => `${sum(file)}  ${name}\n`).join("");
}

async function step<Result>(name: string, make: () => Promise<Result>): Promise<Result> {
  const start = performance.now();
  const result = await make();
  console.log(`${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${name}`);
  return result;
}

function tell(): void {
  for (const name of readdirSync(DIRECTORY).sort()) {
    const mebibytes = statSync(join(DIRECTORY, name)).size / 2 ** 20;
    console.log(`${mebibytes.toFixed(1).padStart(6)} MiB  ${relative(process.cwd(), join(DIRECTORY, name))}`);
  }
}

// --- main ---

try {
  const reasons = await whyNotRelease(version);
  if (reasons.length > 0) throw new Error(`no release of ${version}:\n${reasons.map((why) => `- ${why}`).join("\n")}`);
  if (!process.argv.includes("--check")) {
    await release();
    tell();
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
