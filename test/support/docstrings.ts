/** The examples in docstrings, and the public names that have none. */

import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import * as api from "../../src/index.ts";
import * as testing from "../../src/testing.ts";
import { ROOT } from "./command.ts";

/** The files of the source that have examples. */
export const SOURCES: readonly string[] = [...new Bun.Glob("{src,ffi}/**/*.ts").scanSync(ROOT)]
  .sort()
  .filter((file) => examplesOf(file).length > 0);

/** The examples of a file, with an import of each public name that they use. */
export function examplesOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/^ *\* @example\n((?: *\*(?: .*)?\n)+?)(?= *\*\/| *\* @)/gm)].map(([, lines = ""]) => {
    const code = lines.replace(/^ *\* ?/gm, "");
    return `${imports("sd-notify", api, exportsOf("src/index.ts"), code)}${imports("sd-notify/testing", testing, exportsOf("src/testing.ts"), code)}\n${code}`;
  });
}

/** Public names whose declaration has no docstring with an example. */
export function namesWithoutExample(): string[] {
  return ["src/index.ts", "src/testing.ts"].flatMap((index) =>
    [...exportsOf(index)].filter(([name, file]) => !hasExample(name, file)).map(([name]) => name),
  );
}

// --- internal ---

/** What an index exports, types included, and the file that it is from. */
function exportsOf(index: string): Map<string, string> {
  const text = readFileSync(join(ROOT, index), "utf8");
  const names = new Map<string, string>();
  for (const [, list = "", from = ""] of text.matchAll(/export (?:type )?\{([^}]*)\} from "([^"]+)"/g)) {
    const file = normalize(join(dirname(index), from));
    for (const item of list.split(",")) {
      const name = item.trim().replace(/^type /, "");
      if (name !== "") names.set(name, file);
    }
  }
  return names;
}

/** Follows a re-export to the declaration. */
function hasExample(name: string, file: string): boolean {
  const text = readFileSync(join(ROOT, file), "utf8");
  const declaration = new RegExp(
    `/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\nexport (?:async |abstract )*(?:function|interface|class|type|const) ${name}\\b`,
  ).exec(text);
  if (declaration) return declaration[1]?.includes("@example") ?? false;
  const from = exportsOf(file).get(name);
  return from !== undefined && hasExample(name, from);
}

function imports(from: string, values: object, names: Map<string, string>, code: string): string {
  const used = [...names.keys()].filter((name) => new RegExp(`\\b${name}\\b`).test(code));
  const specifiers = used.map((name) => (name in values ? name : `type ${name}`));
  return used.length === 0 ? "" : `import { ${specifiers.join(", ")} } from "${from}";\n`;
}
