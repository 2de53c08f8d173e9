import { expect, test } from "bun:test";
import * as constants from "../ffi/constants.ts";
import { systemError } from "../ffi/errno.ts";
import { compileC, HEADERS, noCompiler } from "./support/c.ts";
import { titled } from "./support/command.ts";

test.skipIf(Boolean(noCompiler))(
  titled("every constant has the value that the C headers give it", noCompiler),
  async () => {
    const names = Object.keys(constants);
    const print = names.map((name) => `printf("${name} %lld\\n", (long long)${name});`);
    const output = await compileC(`${HEADERS}int main(void) { ${print.join("\n")} }`);
    const inC = Object.fromEntries(output.map((line) => line.split(" ")).map(([name, value]) => [name, Number(value)]));
    expect(inC).toEqual({ ...constants });
  },
);

test("every errno has its name in an error", () => {
  const errnos = Object.entries(constants).filter(([name]) => /^E[A-Z0-9]+$/.test(name));
  expect(errnos.map(([, value]) => systemError(value, "send").code)).toEqual(errnos.map(([name]) => name));
});
