import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./support/command.ts";

/** Each layer may import from those before it, and rooms of one layer from each other where a line joins them. */
const LAYERS: readonly (readonly string[])[] = [
  ["ffi"],
  ["protocol"],
  ["verdict"],
  ["linux", "bun", "transport"],
  ["console"],
  // The functions of the library: notify.ts, barrier.ts, watchdog.ts, …
  ["src"],
  ["server", "receiver"],
  ["cli", "tools", "register"],
  // What the package exports.
  ["entries"],
  ["build"],
];

/**
 * Rooms of one layer that need each other: facts of Linux are read with Bun's modules, and Bun's changes
 * undone by facts of Linux.
 */
const NEIGHBOURS = ["linux", "bun", "transport"];

const files = ["ffi", "src"].flatMap((directory) =>
  readdirSync(join(ROOT, directory), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(directory, name)),
);

/** What each file imports, by any statement or call. */
const imports = new Map(
  files.map((file) => {
    const text = readFileSync(join(ROOT, file), "utf8");
    const modules = [...text.matchAll(/(?:from|import|require)\s*\(?\s*"([^"]+)"/g)].map(([, module]) => module ?? "");
    return [file, modules.map((module) => (module.startsWith(".") ? join(file, "..", module) : module))] as const;
  }),
);

function roomOf(file: string): string {
  const [top = "", room = ""] = file.split("/");
  if (top === "ffi") return "ffi";
  if (["src/index.ts", "src/testing.ts", "src/register.ts"].includes(file) || room === "lazy") return "entries";
  return room.endsWith(".ts") ? "src" : room;
}

function layerOf(room: string): number {
  return LAYERS.findIndex((rooms) => rooms.includes(room));
}

test("every file is in a room that has its layer", () => {
  expect(files.filter((file) => layerOf(roomOf(file)) === -1)).toEqual([]);
});

test("no arrow points back", () => {
  const wrong: string[] = [];
  for (const [file, targets] of imports) {
    const room = roomOf(file);
    for (const target of targets.filter((target) => imports.has(target))) {
      const other = roomOf(target);
      const joined = NEIGHBOURS.includes(room) && NEIGHBOURS.includes(other);
      if (other !== room && !joined && layerOf(other) >= layerOf(room)) wrong.push(`${file} -> ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("no file imports itself through others", () => {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (done.has(file) || path.includes(file)) return;
    for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

test("only ffi/bun-ffi.ts knows of Bun.FFI, and loads bun:ffi", () => {
  expect(files.filter((file) => imports.get(file)?.includes("bun:ffi"))).toEqual([]);
  const code = (file: string) => readFileSync(join(ROOT, file), "utf8").replace(/^ *(?:\/?\*|\/\/).*$/gm, "");
  expect(files.filter((file) => /\bBun\b[^;]*\bFFI\b|"bun:ffi"/.test(code(file)))).toEqual(["ffi/bun-ffi.ts"]);
});

test("the command's first file imports what the short way takes, and no more", () => {
  const taken = new Set<string>();
  const visit = (file: string) => {
    if (taken.has(file) || !imports.has(file)) return;
    taken.add(file);
    // What a macro imports is there while building.
    if (file !== "ffi/datagram-layout.ts") for (const target of imports.get(file) ?? []) visit(target);
  };
  for (const target of imports.get("src/cli/main.ts") ?? []) if (target !== "src/cli/command.ts") visit(target);
  expect([...taken].sort()).toEqual([
    "ffi/bun-ffi.ts",
    "ffi/datagram-layout.ts",
    "ffi/datagram.ts",
    "src/cli/plain.ts",
    "src/cli/progress.ts",
    "src/cli/short-way.ts",
  ]);
});

describe("pure code", () => {
  const pure = [
    "ffi/layouts.ts",
    "ffi/structs.ts",
    "ffi/constants.ts",
    ...files.filter((file) => /^src\/(protocol|verdict)\//.test(file)),
  ];

  test("imports pure code alone", () => {
    const impure = pure.flatMap((file) =>
      (imports.get(file) ?? []).filter((target) => !pure.includes(target)).map((target) => `${file} -> ${target}`),
    );
    expect(impure).toEqual([]);
  });

  test("reads no environment, and no clock", () => {
    const reading = /\b(?:process|Bun|Date|performance|console)\.|\brequire\(/;
    const code = (file: string) => readFileSync(join(ROOT, file), "utf8").replace(/^ *(?:\/?\*|\/\/).*$/gm, "");
    expect(pure.filter((file) => reading.test(code(file)))).toEqual([]);
  });
});

test("each workaround for Bun names its issue, or says that none is filed, and what will remove it", () => {
  const silent = files.filter((file) => {
    if (!file.startsWith("src/bun/")) return false;
    const [header = ""] = readFileSync(join(ROOT, file), "utf8").split("*/");
    const text = header.replaceAll(/\s*\n \* /g, " ");
    return !/oven-sh\/bun#\d+|No issue filed/.test(text) || !/This (goes|stays)/.test(text);
  });
  expect(silent).toEqual([]);
});

test("what a Bun that is too old has to read has no `using`, which it can't", () => {
  const read = new Set<string>();
  const visit = (file: string) => {
    if (read.has(file)) return;
    read.add(file);
    for (const target of imports.get(file) ?? []) if (imports.has(target)) visit(target);
  };
  const entries = ["src/index.ts", "src/testing.ts", "src/register.ts", "src/register/main.ts", "src/cli/main.ts"];
  for (const file of entries) visit(file);
  const using = /^\s*(?:await )?using \w+ =/m;
  expect([...read].filter((file) => using.test(readFileSync(join(ROOT, file), "utf8")))).toEqual([]);
});
