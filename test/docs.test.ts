import { describe, expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import manifest from "../package.json";
import { disagreements } from "../src/build/agreement.ts";
import { generate, TOOLS } from "../src/build/docs.ts";
import { helpText } from "../src/cli/help.ts";
import { OPTIONS } from "../src/cli/options.ts";
import { BUN, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";

const man = join(ROOT, "man");
const longOptions = (text: string) => [...new Set(text.match(/--[a-z][a-z-]+/g))].sort();
const documented = OPTIONS.filter((option) => "help" in option)
  .map(({ long }) => `--${long}`)
  .sort();

const ofTools = TOOLS.flatMap(({ options }) => Object.keys(options).map((long) => `--${long}`));
const all = [...new Set([...documented, ...ofTools])].sort();

const pages = Object.keys(generate()).filter((name) => name.endsWith(".1"));

test.each(Object.entries(generate()))("man/%s is what src/build/docs.ts makes of the options", async (name, text) => {
  expect(await Bun.file(join(man, name)).text()).toBe(text);
});

test("options, help, man page and completions name the same options", async () => {
  const generated = Object.entries(generate());
  const completions = Object.fromEntries(generated.filter(([name]) => !pages.includes(name)));
  const help = Bun.stripANSI(await helpText());
  expect(longOptions(help)).toEqual(documented);
  for (const { name } of TOOLS) expect(help).toContain(`sd-notify ${name}`);
  const headings = generated
    .filter(([name]) => pages.includes(name))
    .map(([, text]) => text)
    .join("\n")
    .replaceAll("\\-", "-")
    .split("\n")
    .filter((line) => line.startsWith("\\fB-"));
  expect([...new Set(headings.flatMap(longOptions))].sort()).toEqual(all);
  for (const [name, text] of Object.entries(completions)) {
    const named = name.endsWith(".fish")
      ? text.match(/(?<= -l )[a-z-]+/g)?.map((long) => `--${long}`)
      : longOptions(text);
    expect({ name, options: [...new Set(named)].sort() }).toEqual({ name, options: all });
  }
});

test.each(TOOLS.map(({ name }) => name))("%s --help tells of every option, in 80 columns", async (name) => {
  const { code, stdout, stderr } = await run([join(ROOT, "dist/sd-notify"), name, "--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const line of stdout.split("\n")) expect(line).toMatch(/^.{0,80}$/);
  for (const { options } of TOOLS.filter((tool) => tool.name === name)) {
    for (const option of Object.keys(options)) expect(stdout).toContain(`--${option}`);
  }
});

test("the README and docs/ name every function, field, option and subcommand, and no option that is not there", () => {
  expect(disagreements()).toEqual([]);
});

test("package.json lists every man page: the command's, and one for each subcommand", () => {
  expect(pages).toEqual(["sd-notify.1", ...TOOLS.map(({ name }) => `sd-notify-${name}.1`)]);
  expect(manifest.man).toEqual(pages.map((name) => `./man/${name}`));
});

test("npm run docs:check names a file that is not what the tables make of it, and writes nothing", async () => {
  using directory = temporaryDirectory();
  cpSync(man, join(directory.path, "man"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(directory.path, "package.json"));
  const docs = (...words: string[]) => run([BUN, "src/build/docs.ts", ...words, directory.path]);
  expect(await docs("--check")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  const page = Bun.file(join(directory.path, "man/sd-notify-run.1"));
  const text = await page.text();
  await page.write(text.replace("SYNOPSIS", "SINOPSIS"));
  const complaint = "man/sd-notify-run.1 is not what the tables of options make of it: npm run docs\n";
  expect(await docs("--check")).toMatchObject({ code: 1, stderr: complaint });
  expect(await page.text()).not.toBe(text);
  expect(await docs()).toMatchObject({ code: 0, stderr: "" });
  expect(await page.text()).toBe(text);
});

const noMan = missing("man");
test.skipIf(Boolean(noMan)).each(pages)(
  titled("man renders %s without warnings, in any width", noMan),
  async (name) => {
    for (const MANWIDTH of ["60", "80", "200"]) {
      const env = { MANWIDTH, LC_ALL: "C.UTF-8" };
      const { code, stdout, stderr } = await run(["man", "--warnings", "-l", join(man, name)], { env });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toContain("EXIT STATUS");
    }
  },
);

const noMandoc = missing("mandoc");
test.skipIf(Boolean(noMandoc)).each(pages)(titled("mandoc finds no fault in %s", noMandoc), async (name) => {
  const command = ["mandoc", "-T", "lint", "-W", "warning", join(man, name)];
  expect(await run(command)).toMatchObject({ code: 0, stdout: "", stderr: "" });
});

describe("the completion", () => {
  const noBash = missing("bash");
  test.skipIf(Boolean(noBash)).each([
    ["sd-notify --re", "--ready --reloading"],
    ["sd-notify --pid=s", "self"],
    ["sd-notify --ready --st", "--stopping --status="],
    ["sd-notify --uid=roo", "root"],
    [
      "sd-notify -",
      `-h --help --version --ready --reloading --stopping --pid= --uid= --status= --booted --no-block --exec --fd= --fdname= --fork -q --quiet`,
    ],
    ["sd-notify --exec A=1 \\; tru", "true truncate"],
    ["sd-notify --fork -- truncat", "truncate"],
    ["sd-notify X", ""],
    ["sd-notify m", "monitor"],
    ["sd-notify monitor --un", "--until="],
    ["sd-notify monitor --json -- truncat", "truncate"],
  ])(titled("of bash completes %p with %p", noBash), async (line, words) => {
    const script = `
      source man/completions/sd-notify.bash
      COMP_LINE="$1"; COMP_POINT=\${#1}; COMP_WORDS=($1); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _sd_notify
      printf '%s\\n' "\${COMPREPLY[@]}" | sort -u`;
    const { stdout, stderr } = await run(["bash", "-c", script, "bash", line]);
    expect(stderr).toBe("");
    expect(stdout.trim().split("\n")).toEqual(words.split(" ").sort());
  });

  for (const [shell, file] of [
    ["zsh", "_sd-notify"],
    ["fish", "sd-notify.fish"],
  ] as const) {
    const absent = missing(shell);
    test.skipIf(Boolean(absent))(titled(`of ${shell} has no mistake in its syntax`, absent), async () => {
      expect(await run([shell, "-n", join(man, "completions", file)])).toMatchObject({
        code: 0,
        stdout: "",
        stderr: "",
      });
    });
  }
});
