import { describe, expect, test } from "bun:test";
import { getopt } from "../src/cli/getopt.ts";
import { UsageError } from "../src/console/usage-error.ts";

const OPTIONS = [
  { long: "help", short: "h", value: "none" },
  { long: "quiet", short: "q", value: "none" },
  { long: "ready", value: "none" },
  { long: "reloading", value: "none" },
  { long: "fd", value: "required", hint: "FD" },
  { long: "fdname", value: "required", hint: "NAME" },
  { long: "pid", value: "optional", hint: "PID" },
] as const;

/** What getopt() finds, in the notation of a shell. */
function parse(...args: string[]): string[] {
  const found: string[] = [];
  getopt(args, OPTIONS, (parsed) => {
    if ("argument" in parsed) found.push(parsed.argument);
    else found.push(`--${parsed.option}${parsed.value === undefined ? "" : `=${parsed.value}`}`);
    return true;
  });
  return found;
}

describe("getopt() reads", () => {
  test.each<[string[], string[]]>([
    [[], []],
    [["--ready"], ["--ready"]],
    [
      ["--ready", "A=1", "--quiet"],
      ["--ready", "A=1", "--quiet"],
    ],
    [
      ["--fd", "3", "--fd=4"],
      ["--fd=3", "--fd=4"],
    ],
    [["--fd", "--ready"], ["--fd=--ready"]],
    [["--fdname", ""], ["--fdname="]],
    [["--fdname="], ["--fdname="]],
    [["--fdname=a=b"], ["--fdname=a=b"]],
    [
      ["--pid", "777"],
      ["--pid", "777"],
    ],
    [["--pid=777"], ["--pid=777"]],
    [["--pid="], ["--pid="]],
    [["--read"], ["--ready"]],
    [["--rel"], ["--reloading"]],
    [["--p=1"], ["--pid=1"]],
    [["--fd=1"], ["--fd=1"]],
    [["--fdn=x"], ["--fdname=x"]],
    [["-q"], ["--quiet"]],
    [["-qhq"], ["--quiet", "--help", "--quiet"]],
    [
      ["-", ""],
      ["-", ""],
    ],
    [
      ["--", "--ready", "--", "-q"],
      ["--ready", "--", "-q"],
    ],
  ])("%j as %j", (args, parsed) => {
    expect(parse(...args)).toEqual(parsed);
  });
});

describe("getopt() refuses", () => {
  test.each<[string[], string]>([
    [["--bogus"], "unknown option --bogus: see --help"],
    [["--bogus=1"], "unknown option --bogus: see --help"],
    [["--readyy"], "unknown option --readyy: see --help"],
    [["-x"], "unknown option -x: see --help"],
    [["-qx"], "unknown option -x: see --help"],
    [["-ready"], "unknown option -r: did you mean --ready?"],
    [["--re"], "option --re is ambiguous: --ready or --reloading"],
    [["--f=1"], "option --f is ambiguous: --fd or --fdname"],
    [["--=1"], "option -- is ambiguous"],
    [["--ready=1"], "option --ready takes no value: --ready=1"],
    [["--read="], "option --ready takes no value: --read="],
    [["--fd"], "option --fd needs a value: --fd=FD"],
  ])("%j: %s", (args, message) => {
    expect(() => parse(...args)).toThrow(UsageError);
    expect(() => parse(...args)).toThrow(message);
  });

  test("a mistake only when it gets there", () => {
    const found: unknown[] = [];
    const visit = (parsed: unknown) => found.push(parsed) < 1;
    getopt(["--help", "--bogus"], OPTIONS, visit);
    getopt(["argument", "--bogus"], OPTIONS, visit);
    getopt(["-q-"], OPTIONS, visit);
    getopt(["--", "one", "two"], OPTIONS, visit);
    expect(found).toEqual([
      { option: "help", value: undefined },
      { argument: "argument" },
      { option: "quiet", value: undefined },
      { argument: "one" },
    ]);
    expect(() => getopt(["--help", "--bogus"], OPTIONS, () => true)).toThrow(UsageError);
  });
});
