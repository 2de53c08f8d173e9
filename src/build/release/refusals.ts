/** The reasons for refusing a release. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { generate } from "../docs.ts";
import { ROOT, succeed } from "./steps.ts";

/** Programs that the release calls. */
const PROGRAMS = ["git", "npm", "tar", "xz", "gzip", "dpkg-deb"];

/** Returns why this version can't be released, one line for each reason. If it can, there are no lines. */
export async function whyNotRelease(version: string): Promise<string[]> {
  const missing = PROGRAMS.filter((program) => Bun.which(program) === null);
  const reasons = missing.map((program) => `${program} is not installed`);
  if (!missing.includes("git")) reasons.push(...(await refusedByGit(version)));
  reasons.push(...refusedByChangelog(version), ...refusedByPages());
  return reasons;
}

// --- internal ---

async function refusedByGit(version: string): Promise<string[]> {
  try {
    const changed = (await succeed(["git", "status", "--porcelain"])).split("\n").filter(Boolean);
    const more = changed.length > 3 ? ` and ${changed.length - 3} more` : "";
    const files = changed.slice(0, 3).map((line) => line.slice(3));
    if (changed.length > 0) return [`the tree has changes that are not committed: ${files.join(", ")}${more}`];
    const tag = `v${version}`;
    const tagged = (await succeed(["git", "tag", "--list", tag])) !== "";
    const here = (await succeed(["git", "tag", "--points-at", "HEAD"])).split("\n").includes(tag);
    return tagged && !here ? [`the tag ${tag} is on another commit: give package.json the next version`] : [];
  } catch (error) {
    return [`the tree can't be compared with its commit: ${(error as Error).message.replaceAll("\n", " ")}`];
  }
}

function refusedByChangelog(version: string): string[] {
  const path = join(ROOT, "CHANGELOG.md");
  const changelog = existsSync(path) ? readFileSync(path, "utf8") : "";
  const [, newest] = /^## (\S+)/m.exec(changelog) ?? [];
  if (newest === version) return [];
  const begins = newest === undefined ? "has no version" : `begins with ${newest}`;
  return [`CHANGELOG.md ${begins}, and package.json says ${version}`];
}

function refusedByPages(): string[] {
  const stale = Object.entries(generate()).filter(([name, text]) => {
    const path = join(ROOT, "man", name);
    return !existsSync(path) || readFileSync(path, "utf8") !== text;
  });
  return stale.map(([name]) => `man/${name} is not what \`npm run docs\` writes: run it, and commit`);
}
