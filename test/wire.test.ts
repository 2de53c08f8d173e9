import { describe, expect, test } from "bun:test";
import { decode } from "../src/protocol/decode.ts";
import { encode } from "../src/protocol/encode.ts";
import { decodeText, formatAssignment, isBarrier, readAssignments, splitLines } from "../src/protocol/wire.ts";
import { judge } from "../src/verdict/judge.ts";

const facts = { monotonicUsec: () => 1, pidfdInode: () => undefined };

describe("splitLines() splits as PID 1", () => {
  // Each of these was tried with systemd 252 and 262: test/systemd/messages.units.ts.
  test.each<[string, string[] | undefined]>([
    ["READY=1\nSTATUS=x", ["READY=1", "STATUS=x"]],
    ["\n\nREADY=1\n\nSTATUS=x\n", ["READY=1", "STATUS=x"]],
    ["STATUS=a\rERRNO=5", ["STATUS=a", "ERRNO=5"]],
    ["STATUS=a\\b", ["STATUS=ab"]],
    ["STATUS=a\\\\b", ["STATUS=a\\b"]],
    ["STATUS=a\\\nERRNO=5", ["STATUS=a\nERRNO=5"]],
    ["STATUS=a\\\\\nERRNO=5", ["STATUS=a\\", "ERRNO=5"]],
    ["STATUS=a\\\rERRNO=5", ["STATUS=a\rERRNO=5"]],
    ["READY=1\nSTATUS=a\\", undefined],
    ["STATUS=a\\\\", ["STATUS=a\\"]],
    ["STA\\TUS=x", ["STATUS=x"]],
    ["\\", undefined],
    ["", []],
  ])("%j", (text, lines) => {
    expect(splitLines(text)).toEqual(lines);
  });
});

test("formatAssignment() writes what splitLines() reads back, backslashes included", () => {
  for (const value of ["", "C:\\", "\\\\server\\share", "\\n", "\\\\", "a=b=c", "\uFEFFx", "\\🎉"]) {
    expect(splitLines(`READY=1\n${formatAssignment("STATUS", value)}\nERRNO=1`)).toEqual([
      "READY=1",
      `STATUS=${value}`,
      "ERRNO=1",
    ]);
  }
});

test("a status that ends with a backslash loses neither itself nor the message", () => {
  const text = encode({ ready: true, status: "C:\\", extra: { X_PATH: "D:\\" } }, facts);
  expect(text).toBe("READY=1\nSTATUS=C:\\\\\nX_PATH=D:\\\\");
  expect(decode(text)).toEqual({ ready: true, status: "C:\\", extra: { X_PATH: "D:\\" } });
});

test("encode() refuses a carriage return, which ends a line for PID 1", () => {
  expect(() => encode({ status: "done\rSTOPPING=1" }, facts)).toThrow(
    new TypeError(
      "Cannot notify: status must be one line, but contains a carriage return, which would begin another assignment",
    ),
  );
  expect(() => encode({ extra: { X_A: "b\rSTOPPING=1" } }, facts)).toThrow(TypeError);
});

test("readAssignments() lets the first of two equal keys win, and skips what is no assignment", () => {
  expect([...readAssignments("A=1\nB\n=2\nA=3\n__proto__=x\nC=")]).toEqual([
    ["A", "1"],
    ["__proto__", "x"],
    ["C", ""],
  ]);
});

test("a byte order mark stays, and a NUL at the end goes, as in PID 1", () => {
  expect(decodeText(Buffer.from("\uFEFFREADY=1"))).toBe("\uFEFFREADY=1");
  expect(splitLines("READY=1\0")).toEqual(["READY=1"]);
  expect(splitLines("STATUS=a\\\0")).toBeUndefined();
});

test("isBarrier(), decode() and the verdict take the same messages for a barrier", () => {
  const sender = { pid: 1, uid: 0, role: "main" } as const;
  for (const [text, barrier] of [
    ["BARRIER=1", true],
    ["BARRIER=1\n", true],
    ["\n\rBARRIER=1\n", true],
    ["BARRIER=\\1", true],
    ["BARRIER=1\nREADY=1", false],
    ["\uFEFFBARRIER=1", false],
    ["BARRIER=10", false],
    ["X=\\\nBARRIER=1", false],
    ["BARRIER=1\\", false],
  ] as const) {
    const { effects } = judge({ bytes: Buffer.from(text), fdCount: 1, sender });
    expect([text, isBarrier(text), effects.some((effect) => effect.startsWith("closes the fd"))]).toEqual([
      text,
      barrier,
      barrier,
    ]);
  }
});
