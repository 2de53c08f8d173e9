/** The pages: their blocks of code, their links, and the places that links lead to. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./command.ts";

export interface Block {
  page: string;
  /** Where the code begins, from 1. */
  line: number;
  language: string;
  /** The file that it stands for: "ts server.ts". */
  name: string | undefined;
  code: string;
  /** Why it is not run: <!-- not run: reason --> in the line above. */
  reason: string | undefined;
  /** What runs it instead of the test of all pages: <!-- run: command -->. */
  runBy: string | undefined;
}

/** README.md and what docs/ holds, by path. */
export const PAGES: readonly string[] = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true })
    .map((name) => `docs/${name}`)
    .filter((path) => path.endsWith(".md"))
    .sort(),
];

export function textOf(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

export function blocksOf(page: string): Block[] {
  const text = textOf(page);
  const fences = text.matchAll(/(?:^<!-- (not run|run): (.+?) -->\n+)?^```(\S*)(?: (\S+))?\n(.*?)^```$/gms);
  return [...fences].map(({ index, 0: all, 1: kind, 2: words, 3: language = "", 4: name, 5: code = "" }) => ({
    page,
    line: text.slice(0, index + all.indexOf("```")).split("\n").length + 1,
    language,
    name,
    code,
    reason: kind === "not run" ? words : undefined,
    runBy: kind === "run" ? words : undefined,
  }));
}

/** The lines of a page outside of blocks of code. */
export function prose(text: string): string {
  return text.replaceAll(/^ *```.*?^ *```$/gms, (block) => block.replaceAll(/[^\n]/g, ""));
}

/** What a page links to, but for other hosts. */
export function linksOf(text: string): string[] {
  const outside = prose(text).replaceAll(/`[^`\n]*`/g, "``");
  const links = [...outside.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)/gm)];
  return links.map(([, inline, reference]) => inline ?? reference ?? "").filter((link) => !/^[a-z]+:/.test(link));
}

/** The anchors of a page, as GitHub makes them of headings. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of prose(text).matchAll(/^#+ (.+)$/gm)) {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let i = 1; anchors.has(anchor); i++) anchor = `${slug}-${i}`;
    anchors.add(anchor);
  }
  return anchors;
}
