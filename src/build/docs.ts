/**
 * Writes the man pages and the completions for bash, zsh and fish to man/, from the tables of options, and the
 * list of man pages to package.json. Then it checks that README and docs/ agree with the tables.
 *
 *     bun src/build/docs.ts [--check] [DIRECTORY]
 *
 * With --check it writes nothing, and exits with 1 if a file is not what the tables make of it. DIRECTORY is
 * that of package.json and man/.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { disagreements } from "./agreement.ts";
import { bashCompletion } from "./completions/bash.ts";
import { TOOLS } from "./completions/commands.ts";
import { fishCompletion } from "./completions/fish.ts";
import { zshCompletion } from "./completions/zsh.ts";
import { manPages } from "./man.ts";

export { TOOLS };

/** Returns the generated files: their names in man/, and what is in them. */
export function generate(): Record<string, string> {
  return {
    ...manPages(TOOLS),
    "completions/sd-notify.bash": bashCompletion(template("bash")),
    "completions/_sd-notify": zshCompletion(template("zsh")),
    "completions/sd-notify.fish": fishCompletion(template("fish")),
  };
}

/** Returns package.json with the man pages that there are. */
export function manifest(text: string): string {
  const pages = Object.keys(generate()).filter((name) => name.endsWith(".1"));
  return `${JSON.stringify({ ...JSON.parse(text), man: pages.map((name) => `./man/${name}`) }, null, 2)}\n`;
}

// --- internal ---

function template(shell: string): string {
  return readFileSync(join(import.meta.dir, `completions/template.${shell}`), "utf8");
}

/** The generated files whose content on disk differs: their paths, and what should be in them. */
async function stale(directory: string): Promise<(readonly [path: string, text: string])[]> {
  const files = Object.entries(generate()).map(([name, text]) => [`man/${name}`, text] as const);
  const found = [...files, ["package.json", manifest(await read(join(directory, "package.json")))] as const];
  const texts = await Promise.all(found.map(([path]) => read(join(directory, path))));
  return found.filter(([, text], i) => text !== texts[i]);
}

/** "" if there is no such file. */
async function read(path: string): Promise<string> {
  const file = Bun.file(path);
  return (await file.exists()) ? await file.text() : "";
}

// --- main ---

if (import.meta.main) {
  const check = process.argv.includes("--check");
  const directory = process.argv.slice(2).find((word) => word !== "--check") ?? join(import.meta.dir, "../..");
  const wrong: string[] = [];
  for (const [path, text] of await stale(directory)) {
    if (check) wrong.push(`${path} is not what the tables of options make of it: npm run docs`);
    else await Bun.write(join(directory, path), text);
  }
  wrong.push(...disagreements());
  for (const line of wrong) console.error(line);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
