import { expect, test } from "bun:test";
import { parseUnsigned } from "../src/protocol/numbers.ts";

test.each<[string, bigint | undefined]>([
  ["0", 0n],
  ["42", 42n],
  [" \t42", 42n],
  ["+1", 1n],
  ["0x1F", 31n],
  ["0X1f", 31n],
  ["0b11", 3n],
  ["0o17", 15n],
  ["010", 8n],
  ["18446744073709551615", 18446744073709551615n],
  ["18446744073709551616", undefined],
  ["", undefined],
  ["-1", undefined],
  ["-0", undefined],
  ["1 ", undefined],
  ["1a", undefined],
  ["1.5", undefined],
  ["08", undefined],
  ["0x", undefined],
  ["+ 1", undefined],
  ["++1", undefined],
  ["self", undefined],
])("parseUnsigned(%j) is %p", (text, value) => {
  expect(parseUnsigned(text)).toBe(value as bigint);
});
