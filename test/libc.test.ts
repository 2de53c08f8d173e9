import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, runModule } from "./support/run.ts";

const attempt = `
  import { FFIUnavailableError, notify } from "../src/index.ts";
  try {
    notify({ ready: true }, { socket: "/run/systemd/notify" });
  } catch (error) {
    console.log(error instanceof FFIUnavailableError, error.name, error.code);
    console.log(error.message);
  }`;

describe("where libc can't be called, the error says why and what to do", () => {
  test("without the JIT", async () => {
    const { stdout, stderr } = await runModule(attempt, { env: { BUN_JSC_useJIT: "0" } });
    expect(stderr).toBe("");
    expect(stdout).toBe(
      "true FFIUnavailableError ERR_FFI_UNAVAILABLE\n" +
        "Cannot call libc: bun:ffi needs the JIT: set MemoryDenyWriteExecute=no in the unit, and not BUN_JSC_useJIT=0; under LimitAS=, Environment=BUN_JSC_jitMemoryReservationSize=16777216\n",
    );
  });

  test("on another system than Linux", async () => {
    const { stdout } = await runModule(
      `Object.defineProperty(process, "platform", { value: "darwin" });\n${dynamic(attempt)}`,
    );
    expect(stdout).toEndWith("\nCannot notify a service manager: systemd runs on Linux, this is darwin\n");
  });
});

test("importing the package loads no libc and maps no arena", async () => {
  // Without the JIT, whatever calls dlopen throws.
  const source = `import * as api from "../src/index.ts"; console.log(Object.keys(api).length > 0);`;
  expect(await runModule(source, { env: { BUN_JSC_useJIT: "0" } })).toMatchObject({ stdout: "true\n", stderr: "" });
});

describe("the layers", () => {
  const sources = ["ffi", "src"].flatMap((directory) =>
    readdirSync(join(ROOT, directory), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(directory, name)),
  );
  const imports = (file: string) => {
    const text = readFileSync(join(ROOT, file), "utf8");
    return [...text.matchAll(/(?:from|import|require)\s*\(?\s*"([^"]+)"/g)].map(([, module]) => module as string);
  };

  test("only ffi/libc.ts imports bun:ffi", () => {
    expect(sources.filter((file) => imports(file).includes("bun:ffi"))).toEqual(["ffi/libc.ts"]);
  });

  test("ffi/ imports nothing of src/, and src/ nothing of the command but to build it", () => {
    for (const file of sources) {
      for (const module of imports(file).filter((module) => module.startsWith("."))) {
        const target = join(file, "..", module);
        if (file.startsWith("ffi/")) expect(`${file}: ${target}`).toStartWith(`${file}: ffi/`);
        const isCommand = /^src\/(cli[./]|tools[./]|build\/)/.test(file);
        if (!isCommand) expect(`${file}: ${target}`).not.toMatch(/: src\/(cli|tools)[./]/);
      }
    }
  });

  test("pure code imports no system calls", () => {
    const pure = [
      "ffi/structs.ts",
      "ffi/constants.ts",
      "src/protocol/message.ts",
      "src/protocol/fields.ts",
      "src/protocol/check.ts",
      "src/protocol/address.ts",
      "src/protocol/numbers.ts",
      "src/protocol/fd-name.ts",
      "src/protocol/lines.ts",
      "src/protocol/printable.ts",
      "src/verdict/judge.ts",
      "src/verdict/rules.ts",
      "src/protocol/durations.ts",
    ];
    for (const file of pure) {
      for (const module of imports(file)) {
        const target = join(file, "..", module);
        expect([file, [...pure, "ffi/structs.ts"].includes(target)]).toEqual([file, true]);
      }
    }
  });
});

function dynamic(source: string): string {
  return source.replace(/import (\{.*\}) from (".*");/, "const $1 = await import($2);");
}
