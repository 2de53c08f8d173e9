import { expect, test } from "bun:test";
import { encode } from "../src/protocol/encode.ts";
import { errorLine } from "../src/report.ts";

test.each([
  ["cannot open", new Error("cannot open\nstack")],
  ["50 %", new Error("50 %\r60 %")],
  ["ab\ufffd", "a\0b\ud800"],
  ["TypeError", new TypeError("")],
])("the first line of an error is %j", (line, error) => {
  expect(errorLine(error)).toBe(line);
});

test("the first line of a long error is a status that can be sent", () => {
  for (const character of ["x", "\\", "日"]) {
    const status = `Failed: ${errorLine(new Error(character.repeat(5000)))}`;
    expect(encode({ status }, { monotonicUsec: () => 0, pidfdInode: () => undefined })).toStartWith("STATUS=Failed: ");
  }
});
