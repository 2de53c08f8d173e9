/**
 * The pages are true: what they show runs, and what they link to is there. TypeScript is type-checked and
 * executed, shell is executed in a folder of the page's own, units go through systemd-analyze.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { openReceiver } from "../src/receiver/receiver.ts";
import { BUN, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { examplesOf, namesWithoutExample, SOURCES } from "./support/docstrings.ts";
import { anchorsOf, type Block, blocksOf, linksOf, PAGES, prose, textOf } from "./support/markdown.ts";
import { checkUnit } from "./support/unit-file.ts";

const LANGUAGES = ["ts", "sh", "ini", "json", "yaml", "toml", "console", "dockerfile", "text"];
/** Whether another test executes the example: with what systemd would pass, or with the frameworks. */
const isExecutedElsewhere = ({ page, code }: { page: string; code: string }) =>
  page === "docs/passed-fds.md" || (page === "docs/servers.md" && foreign(code) !== undefined);

const blocks = PAGES.flatMap(blocksOf);
const where = ({ page, line }: Block) => `${page}:${line}`;
const of = (language: string) => blocks.filter((block) => block.language === language);

using cleanup = new DisposableStack();
afterAll(() => folders.dispose());
const folders = cleanup.move();
const folderOf = new Map<string, string>();

/** The folder of a page: a project that has the package, and the programs that the page calls. */
function folder(page: string): string {
  const known = folderOf.get(page);
  if (known !== undefined) return known;
  const { path } = folders.use(temporaryDirectory());
  folderOf.set(page, path);
  mkdirSync(join(path, "node_modules/@types"), { recursive: true });
  mkdirSync(join(path, "bin"));
  symlinkSync(ROOT, join(path, "node_modules/sd-notify"));
  for (const name of ["@types/bun", "bun-types"]) {
    symlinkSync(join(ROOT, "node_modules", name), join(path, "node_modules", name));
  }
  symlinkSync(join(ROOT, "man"), join(path, "man"));
  symlinkSync(join(ROOT, "dist/sd-notify"), join(path, "bin/sd-notify"));
  symlinkSync(BUN, join(path, "bin/bun"));
  const { compilerOptions } = JSON.parse(readFileSync(join(ROOT, "tsconfig.json"), "utf8"));
  const paths = {
    "sd-notify": [join(ROOT, "src/index.ts")],
    "sd-notify/testing": [join(ROOT, "src/testing.ts")],
  };
  const options = { ...compilerOptions, paths, noUnusedLocals: false, noUnusedParameters: false };
  writeFileSync(join(path, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.ts"] }));
  for (const block of blocks) if (block.page === page && block.name) write(block, path);
  return path;
}

function write({ name = "", code }: Block, path: string): void {
  const file = join(path, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, code);
}

const environment = (path: string) => ({
  PATH: `${join(path, "bin")}:${process.env.PATH}`,
  HOME: path,
  FDSTORE: "1",
  WATCHDOG_USEC: "60000000",
});

// --- TypeScript ---

interface Example {
  title: string;
  page: string;
  code: string;
}

const examples: Example[] = [
  ...of("ts")
    .filter(({ reason }) => reason === undefined)
    .map((block) => ({ title: where(block), page: block.page, code: block.code })),
  ...SOURCES.flatMap((file) =>
    examplesOf(file).map((code, i) => ({ title: `${file}, example ${i + 1}`, page: file, code })),
  ),
];

/** A package that an example imports and that is not here. */
function foreign(code: string): string | undefined {
  const names = [...code.matchAll(/^import .*?from "([^".][^"]*)";$/gm)].map(([, name = ""]) => name);
  return names.find((name) => !/^(sd-notify|node:|bun$|bun:)/.test(name));
}

/** As it is run: on a free port, with what the page leaves to the reader. */
function program(code: string): string {
  const rest = /\banswer\(\)/.test(code) ? "\nfunction answer(): string {\n  return `hello`;\n}\n" : "";
  return `${code.replaceAll(/(port|probes): (3000|9090)/g, "$1: 0").replace("drainDelayMs: 5000", "drainDelayMs: 50")}${rest}
export {};
`;
}

test("the examples have no mistake that TypeScript finds", async () => {
  const path = folder("types");
  const titles = new Map<string, string>();
  for (const [i, { title, code }] of examples.entries()) {
    if (foreign(code)) continue;
    titles.set(`example-${i}.ts`, title);
    writeFileSync(join(path, `example-${i}.ts`), program(code));
  }
  const { code, stdout } = await run([join(ROOT, "node_modules/.bin/tsc"), "--noEmit", "-p", path], { cwd: path });
  const found = stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => line.replace(/^\S*?(example-\d+\.ts)/, (_, file: string) => titles.get(file) ?? file));
  expect({ code, found }).toEqual({ code: 0, found: [] });
}, 60_000);

describe("the example at", () => {
  for (const { title, page, code } of examples.filter((example) => !isExecutedElsewhere(example))) {
    const name = foreign(code);
    const skipped = name && `no ${name} here`;
    test.skipIf(Boolean(skipped))(
      titled(title, skipped),
      async () => {
        using receiver = openReceiver();
        const path = folder(page);
        const isTest = code.includes('from "bun:test"');
        const file = join(path, `${title.replaceAll(/\W+/g, "-")}${isTest ? ".test" : ""}.ts`);
        writeFileSync(file, program(code));
        const child = Bun.spawn(isTest ? [BUN, "test", file] : [BUN, file], {
          cwd: path,
          env: { ...environment(path), ...receiver.env },
          stdin: "ignore",
          stdout: "ignore",
          stderr: "pipe",
        });
        using _ = { [Symbol.dispose]: () => child.kill("SIGKILL") };
        const isManaged = /manageServer\(/.test(code) && !isTest;
        const isServer = /Bun\.serve|serve\(|createServer/.test(code) && !isTest;
        if (isManaged) {
          await Promise.race([receiver.waitFor({ ready: true }), child.exited]);
          child.kill("SIGTERM");
        } else if (isServer) {
          await Promise.race([receiver.next(), child.exited]);
          child.kill("SIGKILL");
        }
        const status = await child.exited;
        const said = await child.stderr.text();
        const stderr = isTest || code.includes("console.error") ? "" : said;
        expect({ status, stderr }).toEqual({ status: isServer && !isManaged ? 137 : 0, stderr: "" });
      },
      20_000,
    );
  }
});

test("every public name has an example in its docstring", () => {
  expect(namesWithoutExample()).toEqual([]);
});

// --- shell ---

describe("the commands of", () => {
  for (const page of PAGES) {
    const commands = of("sh").filter((block) => block.page === page && !block.reason && !block.runBy);
    if (commands.length === 0) continue;
    test(`${page} succeed, one after the other`, async () => {
      using receiver = openReceiver();
      const path = folder(page);
      for (const block of commands) {
        const { code, stderr } = await run(["bash", "-euo", "pipefail", "-c", block.code], {
          cwd: path,
          env: { ...environment(path), ...receiver.env },
        });
        expect({ at: where(block), code, stderr: code === 0 ? "" : stderr }).toEqual({
          at: where(block),
          code: 0,
          stderr: "",
        });
      }
    }, 60_000);
  }
});

// --- units and data ---

describe("the unit at", () => {
  const noVerify = missing("systemd-analyze");
  for (const block of of("ini").filter(({ reason }) => reason === undefined)) {
    test.skipIf(Boolean(noVerify))(titled(where(block), noVerify), async () => {
      expect(await checkUnit(block.code)).toEqual([]);
    });
  }
});

const PARSERS: Record<string, (text: string) => unknown> = {
  json: JSON.parse,
  yaml: (text) => text.split(/^---$/m).map((document) => Bun.YAML.parse(document)),
  toml: (text) => Bun.TOML.parse(text),
};

test.each(
  blocks.filter(({ language, reason }) => language in PARSERS && !reason).map((block) => [where(block), block]),
)("the data at %s can be parsed", (_, block) => {
  expect(PARSERS[(block as Block).language]?.((block as Block).code)).toBeTruthy();
});

test("every block of code is in a language that is run, or says why it is not", () => {
  const unknown = blocks.filter(({ language }) => !LANGUAGES.includes(language)).map(where);
  expect(unknown).toEqual([]);
  const unexplained = blocks.filter(({ language, reason }) => language === "dockerfile" && !reason).map(where);
  expect(unexplained).toEqual([]);
});

// --- words that readers look for ---

const [SYSTEMD_SAYS = "", WE_SAY = ""] = textOf("docs/troubleshooting.md").split("## What sd-notify says");
const headings = (text: string) => [...text.matchAll(/^### `(.+)`$/gm)].map(([, words = ""]) => words);

test("the errors among the headings of docs/troubleshooting.md are those of the source", async () => {
  const files = [...new Bun.Glob("{src,ffi}/**/*.ts").scanSync(ROOT)];
  const source = files.map((file) => readFileSync(join(ROOT, file), "utf8")).join("");
  expect(headings(WE_SAY).length).toBeGreaterThan(8);
  expect(headings(WE_SAY).filter((words) => !source.includes(words))).toEqual([]);
});

const systemd = [...new Bun.Glob("{lib/systemd/systemd,bin/systemctl,lib/*/systemd/*.so}").scanSync("/usr")];
const noSystemd = systemd.length < 3 && "no systemd here";
test.skipIf(Boolean(noSystemd))(titled("the words of systemd there are in its programs", noSystemd), () => {
  const programs = Buffer.concat(systemd.map((file) => readFileSync(join("/usr", file))));
  // "Active: activating (start)" is put together: each part is looked for.
  const parts = headings(SYSTEMD_SAYS).flatMap((words) => words.split(/[:'()/=]|\.$/).map((part) => part.trim()));
  expect(parts.length).toBeGreaterThan(12);
  expect(parts.filter((part) => part.length > 3 && !programs.includes(part))).toEqual([]);
});

// --- links and form ---

const LINKING = [...PAGES, "ARCHITECTURE.md", "CHANGELOG.md"];

test.each(LINKING)("every link of %s leads to a file, and to a heading in it", (page) => {
  const broken = linksOf(textOf(page)).filter((link) => {
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? page : normalize(join(dirname(page), path));
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && target.endsWith(".md") && !anchorsOf(textOf(target)).has(anchor);
  });
  expect(broken).toEqual([]);
});

test("every page of docs/ can be reached from the README", () => {
  const reached = new Set(["README.md"]);
  for (const page of reached) {
    for (const link of linksOf(textOf(page))) {
      const target = normalize(join(dirname(page), link.split("#")[0] ?? ""));
      if (PAGES.includes(target)) reached.add(target);
    }
  }
  expect(PAGES.filter((page) => !reached.has(page))).toEqual([]);
});

test.each(LINKING)("no line of %s outside of tables and output has more than 100 columns, or 120 of code", (page) => {
  const text = textOf(page).replaceAll(/^```(console|json|text)\n.*?^```$/gms, (block) =>
    block.replaceAll(/[^\n]/g, ""),
  );
  const sentences = prose(text).split("\n");
  const long = text
    .split("\n")
    .map((line, i) => ({ line, at: `${page}:${i + 1}`, limit: sentences[i] === line ? 100 : 120 }))
    .filter(({ line, limit }) => line.length > limit && !line.startsWith("|"));
  expect(long).toEqual([]);
});

test("the README has at most 150 lines", () => {
  expect(textOf("README.md").split("\n").length - 1).toBeLessThanOrEqual(150);
});

test("no page speaks of a place of this machine", () => {
  const places = PAGES.filter((page) => /\/root\/(?!sd-notify)|\/tmp\/sd-notify-/.test(prose(textOf(page))));
  expect(places).toEqual([]);
});
