import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./support/command.ts";

const page = readFileSync(join(ROOT, "docs/containers.md"), "utf8");
const files = ["containers", "kubernetes"].flatMap((folder) =>
  readdirSync(join(ROOT, "examples", folder)).map((file) => `${folder}/${file}`),
);
/** A file's name, and after it what it is. */
const blocks = [...page.matchAll(/^\[examples\/(\S+)\]\(\S+\):\n\n```\w+\n(.*?)^```$/gms)];

describe("docs/containers.md", () => {
  test("shows examples as they are", () => {
    expect(blocks.length).toBeGreaterThan(4);
    for (const [, file = "", text] of blocks) expect(text).toBe(readFileSync(join(ROOT, "examples", file), "utf8"));
  });

  test("names each file of examples/containers and examples/kubernetes", () => {
    expect(files.filter((file) => !page.includes(file))).toEqual([]);
  });

  test("points to files that are there", () => {
    const links = [...page.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, path = ""]) => path);
    expect(links.filter((path) => !existsSync(join(ROOT, "docs", path)))).toEqual([]);
  });
});
