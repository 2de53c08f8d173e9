/** Whether the README and the pages of docs/ agree with the tables of functions, fields and options. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OPTIONS } from "../cli/options.ts";
import * as library from "../index.ts";
import { KEYS } from "../protocol/keys.ts";
import * as testing from "../testing.ts";
import { TOOLS } from "./completions/commands.ts";

const ROOT = join(import.meta.dir, "../..");

/** Returns a line for each name that a page lacks, and for each option on a page that is in no table. */
export function disagreements(): string[] {
  const texts = pages();
  const readme = texts["README.md"] ?? "";
  const reference = texts["docs/library.md"] ?? "";
  const all = Object.values(texts).join("\n");
  const functions = Object.keys(library).filter((name) => /^[a-z]/.test(name));
  return [
    ...functions.filter((name) => !readme.includes(`\`${name}(`)).map((name) => `README.md lacks ${name}()`),
    ...functions.filter((name) => !reference.includes(`\`${name}(`)).map((name) => `docs/library.md lacks ${name}()`),
    ...Object.keys(library)
      .concat(Object.keys(testing))
      .filter((name) => !all.includes(name))
      .map((name) => `no page of docs/ names ${name}`),
    ...Object.entries(KEYS)
      .filter(([name, key]) => !new RegExp(`^\\| \`${name}\` .*\`${key}=`, "m").test(reference))
      .map(([name, key]) => `docs/library.md lacks a row for ${name}, ${key}=`),
    ...documented.filter((name) => !names(readme, name)).map((name) => `README.md lacks ${name}`),
    ...documented
      .filter((name) => !names(texts["docs/command.md"] ?? "", name))
      .map((name) => `docs/command.md lacks ${name}`),
    ...TOOLS.flatMap((tool) => ofTool(tool, texts)),
    ...Object.entries(texts).flatMap(([path, text]) => unknownOptions(path, text)),
  ];
}

// --- internal ---

type Tool = (typeof TOOLS)[number];

const documented = OPTIONS.filter((option) => "help" in option).map(({ long }) => `--${long}`);

/** What README.md and docs/ hold, by path. */
function pages(): Record<string, string> {
  const paths = readdirSync(join(ROOT, "docs"), { recursive: true })
    .map((name) => `docs/${name}`)
    .filter((path) => path.endsWith(".md"));
  return Object.fromEntries(["README.md", ...paths].map((path) => [path, readFileSync(join(ROOT, path), "utf8")]));
}

/** README names a subcommand, and one page all of its options. */
function ofTool({ name, options }: Tool, texts: Record<string, string>): string[] {
  const lacks = texts["README.md"]?.includes(`sd-notify ${name}`) ? [] : [`README.md lacks sd-notify ${name}`];
  const long = Object.keys(options).filter((option) => option !== "help");
  const lacking = Object.entries(texts)
    .filter(([path, text]) => path !== "README.md" && text.includes(`sd-notify ${name}`))
    .map(([path, text]) => ({ path, missing: long.filter((option) => !names(text, `--${option}`)) }))
    .sort((a, b) => a.missing.length - b.missing.length)[0];
  if (lacking === undefined) return [...lacks, `no page of docs/ is about sd-notify ${name}`];
  return [...lacks, ...lacking.missing.map((option) => `${lacking.path} lacks --${option} of sd-notify ${name}`)];
}

/** Options in a call of this command that no table has. What stands after "-- " is another program's. */
function unknownOptions(path: string, text: string): string[] {
  const unknown: string[] = [];
  for (const [call = "", word = ""] of text.matchAll(/(?<![\w./@-])sd-notify ((?:[a-z]+ )?)--[a-z][^\n`#|]*/g)) {
    const tool = TOOLS.find(({ name }) => name === word.trim());
    if (word !== "" && !tool) continue;
    const known = tool ? Object.keys(tool.options) : OPTIONS.map(({ long }) => long as string);
    const own = call.split(/ (?:\\?; )?-- | (?:&&|[;<>]) /)[0] ?? "";
    for (const [, option = ""] of own.replaceAll(/(["']).*?\1/g, "").matchAll(/(?<= )--([a-z][a-z-]*)/g)) {
      if (!known.includes(option)) unknown.push(`${path}: sd-notify ${word}has no option --${option}`);
    }
  }
  return unknown;
}

function names(text: string, option: string): boolean {
  return new RegExp(`${option}(?![a-z-])`).test(text);
}
