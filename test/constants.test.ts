import { expect, test } from "bun:test";
import * as constants from "../ffi/constants.ts";
import { compileC, HEADERS, noCompiler } from "./support/c.ts";
import { titled } from "./support/run.ts";

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
