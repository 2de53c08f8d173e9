import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { generate, TOOLS } from "../src/build/docs.ts";
import { helpText } from "../src/cli/help.ts";
import { OPTIONS } from "../src/cli/options.ts";
import { missing, ROOT, run, titled } from "./support/command.ts";

const man = join(ROOT, "man");
const longOptions = (text: string) => [...new Set(text.match(/--[a-z][a-z-]+/g))].sort();
const documented = OPTIONS.filter((option) => "help" in option)
  .map(({ long }) => `--${long}`)
  .sort();

const ofTools = TOOLS.flatMap(({ options }) => Object.keys(options).map((long) => `--${long}`));
const all = [...new Set([...documented, ...ofTools])].sort();

test.each(Object.entries(generate()))("man/%s is what src/build/docs.ts makes of the options", async (name, text) => {
  expect(await Bun.file(join(man, name)).text()).toBe(text);
});

test("options, help, man page and completions name the same options", async () => {
  const { "sd-notify.1": page = "", ...completions } = generate();
  expect(longOptions(Bun.stripANSI(await helpText()))).toEqual(documented);
  const headings = page
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

const noMan = missing("man");
test.skipIf(Boolean(noMan))(titled("the man page renders without warnings, in any width", noMan), async () => {
  for (const MANWIDTH of ["60", "80", "200"]) {
    const env = { MANWIDTH, LC_ALL: "C.UTF-8" };
    const { code, stdout, stderr } = await run(["man", "--warnings", "-l", join(man, "sd-notify.1")], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("EXIT STATUS");
  }
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
