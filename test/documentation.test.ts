import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as api from "../src/index.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { BUN, ROOT, temporaryDirectory } from "./support/command.ts";

const files = ["README.md", "docs/library.md", ...[...new Bun.Glob("src/**/*.ts").scanSync(ROOT)].sort()];

/** The blocks of TypeScript in Markdown, and the examples in docstrings. */
function examples(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  if (file.endsWith(".md")) return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
  return [...text.matchAll(/^ *\* @example\n((?: *\* .*\n)+)/gm)].map(([, lines = ""]) => {
    const code = lines.replace(/^ *\* /gm, "");
    const used = Object.keys(api).filter((name) => code.includes(`${name}(`));
    return `import { ${used.join(", ")} } from "sd-notify";\nimport { openReceiver } from "sd-notify/testing";\n${code}`;
  });
}

const children: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.splice(0).map(({ exited }) => exited));
});

const PRELUDE = `
  let fd = 0;
  const listener = fd;
  var sessions = new Map();`;

describe.each(files.flatMap((file) => examples(file).map((code, i) => [file, i + 1, code] as const)))(
  "%s, example %d",
  (file, _, code) => {
    test("runs, and complains of nothing", async () => {
      // Those that start another program are fragments of a test, and those of the receiver need one.
      if (/server\.ts|convert|receiver\.waitFor\(\{ status|health/.test(code)) return expect(code).toMatch(/\S/);
      using receiver = openReceiver();
      using directory = temporaryDirectory();
      const path = join(directory.path, "example.ts");
      const source = code
        .replaceAll("port: 3000", "port: 0")
        .replace(/"sd-notify(\/testing)?"/g, (_, testing) =>
          JSON.stringify(join(ROOT, testing ? "src/receiver/receiver.ts" : "src/index.ts")),
        );
      await Bun.write(
        path,
        file.endsWith(".md")
          ? source
          : source.replace(/^(?!import)/m, `${PRELUDE}\n`).replace("const sessions", "sessions"),
      );
      const child = Bun.spawn([BUN, path], {
        cwd: ROOT,
        env: { PATH: process.env.PATH ?? "", FDSTORE: "1", ...receiver.env },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe",
      });
      children.push(child);
      const isServer = /Bun\.serve|await serve\(/.test(code);
      if (isServer) await receiver.next();
      else expect(await child.exited).toBe(0);
      child.kill("SIGKILL");
      expect(await child.stderr.text()).toBe("");
    });
  },
);

test("the reference names every function of the package, and the README every field", async () => {
  const reference = readFileSync(join(ROOT, "docs/library.md"), "utf8");
  const functions = Object.entries(api).filter(([name]) => /^[a-z]/.test(name));
  expect(functions.filter(([name]) => !reference.includes(`\`${name}(`)).map(([name]) => name)).toEqual([]);
  const { FIELDS } = await import("../src/protocol/fields.ts");
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  for (const { name, key } of FIELDS) {
    expect(readme).toMatch(new RegExp(`^\\| \`${name}\` .*\`${key}=`, "m"));
  }
});
