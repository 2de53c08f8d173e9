import { describe, expect, test } from "bun:test";
import { shellWord } from "../src/tools/doctor/shell-word.ts";
import {
  bindPath,
  plainValue,
  quoteArgument,
  quoteCommand,
  type Said,
  setting,
  shownCommand,
} from "../src/tools/doctor/unit-syntax.ts";
import { run } from "./support/command.ts";
import { NASTY_WORDS, nastyWord } from "./support/nasty.ts";

const textOf = (said: Said) => ("text" in said ? said.text : undefined);

// That systemd reads them so is seen by `npm run test:systemd -- unit-syntax`.
test.each([
  ["--port=3000", "--port=3000"],
  ["字", "字"],
  ["", '""'],
  ["a b", '"a b"'],
  [";", '";"'],
  ["%n 100%", '"%%n 100%%"'],
  ["$HOME", "$$HOME"],
  ["it's", '"it\'s"'],
  ['say "x"', '"say \\"x\\""'],
  ["a\\", '"a\\\\"'],
  ["a\nb\t\r\x1b\x7f", '"a\\nb\\t\\r\\x1b\\x7f"'],
  ["\u0085\u202e\u2028", '"\\u0085\\u202e\\u2028"'],
  ["\u{e0041}", '"\\U000e0041"'],
  ["@-:+!|#", "@-:+!|#"],
])("quoteArgument(%j) is %s", (argument, quoted) => {
  expect(quoteArgument(argument)).toBe(quoted);
});

describe("quoteCommand()", () => {
  test.each([
    ["/bin/x", ["/bin/x", "a b"], '/bin/x "a b"'],
    ["/bin/x", [], "/bin/x"],
    ["/bin/x", ["-x"], "@/bin/x -x"],
    ["/bin/x", [""], '@/bin/x ""'],
    ["/a b/x", ["/a b/x"], '"/a b/x"'],
    ["/a b/x", ["y"], '"@/a b/x" y'],
    ["/a/100%", ["/a/100%"], "/a/100%%"],
    ["/$a/x", ["/$a/x"], "@/$a/x /$$a/x"],
  ])("of %j called %j is %s", (program, argv, text) => {
    expect(quoteCommand(program, argv)).toEqual({ text });
  });

  test.each([
    ["/a\nb", ["x"], "systemd executes no path that has \\x0a"],
    ['/a"b', ["x"], 'systemd executes no path that has "'],
    ["/a\\b", ["x"], "systemd executes no path that has \\"],
    ["/x", ["x", "a\udcff"], "systemctl can't show a unit with what is not UTF-8, as in a\\xff"],
    ["/x", ["x", "y".repeat(1 << 20)], "it has 1048582 bytes, too many for a line of a unit file"],
  ])("of %j is left out: %#", (program, argv, why) => {
    expect(quoteCommand(program, argv)).toEqual({ why });
  });
});

test.each([
  ["/srv/100%", "/srv/100%%"],
  ["$HOME \"a\" 'b' \\n", "$HOME \"a\" 'b' \\n"],
  ["a\\\\", "a\\\\"],
  ["a\\", undefined],
  ["a ", undefined],
  [" a", undefined],
  ["a\nUser=root", undefined],
  ["a\u202e", undefined],
  ["a\udcff", undefined],
])("plainValue(%j) is %s", (value, text) => {
  expect(textOf(plainValue(value))).toBe(text as string);
});

test.each([
  ["/a b%", '"/a b%%"'],
  ["/a:b", undefined],
  ["/a'b", undefined],
  ["/a\nb", undefined],
])("bindPath(%j) is %s", (value, text) => {
  expect(textOf(bindPath(value))).toBe(text as string);
});

test.each([
  ["/bin/x\ta  'b\tc' \"d\x1be\"", "/bin/x a  'b\\tc' \"d\\x1be\""],
  ["/bin/x \\\ty", undefined],
  ["/bin/x \\\\\x01", "/bin/x \\\\\\x01"],
  ["/bin/x \"it's\" \t'", "/bin/x \"it's\"  '"],
])("shownCommand(%j) is %s", (line, text) => {
  expect(textOf(shownCommand(line))).toBe(text as string);
});

test("whatever is said, it is one line of printable characters", () => {
  for (let i = 0; i < 5000; i++) {
    const [a, b, c] = [nastyWord(i), nastyWord(i + 10_000), nastyWord(i + 20_000)];
    const all = [quoteCommand(`/${a}`, [b, c]), quoteCommand("/x", [a, b]), plainValue(a), bindPath(`/${a}`)];
    const lines = [...all, shownCommand(a.replaceAll("\n", " "))].map((said) => setting("X", said));
    for (const line of lines) {
      expect(line).toMatch(/^(X=|# X= is left out: )/);
      expect(line).not.toMatch(/(?![\u200c\u200d])[\p{C}\p{Zl}\p{Zp}]/u);
      // The next line is one of its own.
      expect(line.startsWith("#") || (/\\*$/.exec(line)?.[0].length ?? 0) % 2 === 0).toBe(true);
    }
  }
});

test("shellWord() is one word to a shell, whatever it is", async () => {
  const words = NASTY_WORDS.filter((word) => word.isWellFormed() && word !== "");
  const { stdout } = await run(["sh", "-c", `printf '%s\\0' ${words.map(shellWord).join(" ")}`]);
  expect(stdout.split("\0").slice(0, -1)).toEqual(words);
});
