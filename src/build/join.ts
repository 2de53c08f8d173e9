/**
 * Makes two files of the three that Bun's splitting makes. What index.js and servers.js share is in core.js, and a
 * further file takes half a millisecond of each import. So core.js goes into index.js, servers.js becomes a function of
 * what it shares, and index.js calls that function when it is needed. (Bun can't do that: index.js would have to export
 * what is shared, and everybody would see it.) No column of the code changes, for the source maps.
 */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode, encode, type SourceMapMappings } from "@jridgewell/sourcemap-codec";

/** Joins index.js and core.js in a directory. `banner` is their second line. */
export function joinCore(directory: string, banner: string): void {
  const texts = NAMES.map((name) => readFileSync(join(directory, `${name}.js`), "utf8"));
  const renamed = renamedExports(texts[0] ?? "");
  const [index, core, servers] = NAMES.map((name, i) =>
    read(directory, name, restoreNames(texts[i] ?? "", renamed), banner),
  ) as [Built, Built, Built];
  const loader = loadServers(servers.imported);
  const lines = [...core.lines, ...index.lines.map((line) => line.replace(IMPORT, blank))];
  // Lines without mappings are missing at the end, and those of index.js come after them.
  const mappings = decode(core.map.mappings);
  while (mappings.length < HEAD + core.lines.length) mappings.push([]);
  write(directory, "index", [banner + loader, ...lines], {
    ...index.map,
    sources: [...core.map.sources, ...index.map.sources],
    sourcesContent: [...core.map.sourcesContent, ...index.map.sourcesContent],
    mappings: encode([...mappings, ...shift(decode(index.map.mappings).slice(HEAD), core.map.sources.length)]),
  });
  const last = servers.lines.length - 1;
  const body = servers.lines.map((line) => line.replace(IMPORT, (clause) => open(servers.imported, clause.length)));
  body[last] += `return{${servers.exported.replaceAll(/(\w+) +as (\w+)/g, "$2:$1")}}}`;
  write(directory, "servers", [banner, ...body], servers.map);
  for (const name of ["core.js", "core.js.map"]) rmSync(join(directory, name));
}

// --- internal ---

interface SourceMap {
  sources: string[];
  sourcesContent: string[];
  mappings: string;
}

/** A file that Bun has made, without its banner, and without its exports to the others. */
interface Built {
  lines: string[];
  /** The names of what it takes from core.js. */
  imported: string;
  /** The names of what it exports. */
  exported: string;
  map: SourceMap;
}

const NAMES = ["index", "core", "servers"];

/** The lines before the code: Bun's pragma and the banner. */
const HEAD = 2;

const IMPORT = /^import\{([^}]*)\}from"\.\/core\.js";/;
const EXPORT = /export\{([^}]*)\};$/;

/** Bun calls what index.js exports "notify2" in the files that share it. Stacks of errors would say so. */
function renamedExports(index: string): string[] {
  return [...index.matchAll(/\b(\w+)2 as \1\b/g)].map(([, name = ""]) => name);
}

function restoreNames(text: string, renamed: readonly string[]): string {
  return renamed.reduce((code, name) => code.replaceAll(new RegExp(`\\b${name}2\\b`, "g"), `${name} `), text);
}

function read(directory: string, name: string, text: string, banner: string): Built {
  const [pragma, head, ...code] = text.slice(0, text.indexOf("\n\n//# ")).split("\n");
  if (pragma !== "// @bun" || head !== banner) throw new Error(`${name}.js does not begin as it should`);
  const last = code.length - 1;
  const exported = EXPORT.exec(code[last] ?? "")?.[1] ?? "";
  const imported = IMPORT.exec(code[0] ?? "")?.[1] ?? "";
  const isCore = name === "core";
  if (exported === "" || (imported === "") !== isCore) throw new Error(`${name}.js has not the exports that it should`);
  // What is shared needs the same name in all files.
  if ((isCore ? exported : imported).includes(" as ")) throw new Error(`${name}.js renames what it shares`);
  const map: SourceMap = JSON.parse(readFileSync(join(directory, `${name}.js.map`), "utf8"));
  if (name !== "index") code[last] = (code[last] as string).replace(EXPORT, "");
  return { lines: code, imported, exported, map };
}

function write(directory: string, name: string, lines: string[], map: SourceMap): void {
  const { debugId: _, ...others } = map as SourceMap & { debugId?: string };
  writeFileSync(
    join(directory, `${name}.js`),
    ["// @bun", ...lines, `\n//# sourceMappingURL=${name}.js.map`].join("\n"),
  );
  writeFileSync(join(directory, `${name}.js.map`), JSON.stringify(others));
}

/**
 * The function that loads servers.js. A bundler puts the file in place of the call of require(). In the file itself Bun
 * has no require(), unless the program has a global one, which would look for the file elsewhere. Then node:module
 * makes one. (Not import.meta.require(): Bun's bundler leaves that as it is.)
 */
function loadServers(shared: string): string {
  return (
    "let servers;function loadServers(){if(servers)return servers;const{default:make}=" +
    'typeof require==="function"&&require!==globalThis.require?require("./servers.js"):' +
    'process.getBuiltinModule("node:module").createRequire(import.meta.url)("./servers.js");' +
    `return servers=make({${shared}})}`
  );
}

function open(shared: string, length: number): string {
  const clause = `export default({${shared}})=>{`;
  if (clause.length > length) throw new Error("servers.js has no room for the beginning of a function");
  return clause.padEnd(length);
}

function blank(clause: string): string {
  return " ".repeat(clause.length);
}

/** Moves the mappings behind `by` other sources. */
function shift(mappings: SourceMapMappings, by: number): SourceMapMappings {
  return mappings.map((line) =>
    line.map((segment) => {
      if (segment.length === 1) return segment;
      const [column, source, ...place] = segment;
      return [column, source + by, ...place] as typeof segment;
    }),
  );
}
