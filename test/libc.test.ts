import { describe, expect, test } from "bun:test";
import { runModule } from "./support/command.ts";

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
    expect(stdout).toEndWith("\nCannot call libc: systemd runs on Linux, this is darwin\n");
  });
});

test("importing the package loads no libc and maps no arena", async () => {
  // Without the JIT, whatever calls dlopen throws.
  const source = `import * as api from "../src/index.ts"; console.log(Object.keys(api).length > 0);`;
  expect(await runModule(source, { env: { BUN_JSC_useJIT: "0" } })).toMatchObject({ stdout: "true\n", stderr: "" });
});

function dynamic(source: string): string {
  return source.replace(/import (\{.*\}) from (".*");/, "const $1 = await import($2);");
}
