import { FFIType } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import * as bunFFITypes from "../ffi/bun-ffi.ts";
import { openReceiver } from "../src/testing.ts";
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

describe("Bun's foreign functions", () => {
  test("the types are those of bun:ffi", () => {
    const { i32, u32, ptr, void: none, cstring, i64_fast, u64_fast } = FFIType;
    expect(bunFFITypes).toMatchObject({ i32, u32, ptr, none, cstring, i64_fast, u64_fast });
  });

  // Bun.FFI is not documented.
  test.each(["Bun.FFI = undefined;", "Bun.FFI = {};", ""])("notify() works after %p", async (change) => {
    await using receiver = await openReceiver();
    const source = `require("bun:ffi"); ${change} ${dynamic('import { notify } from "../src/index.ts";')} notify({ ready: true });`;
    expect(await runModule(source, { env: { NOTIFY_SOCKET: receiver.address } })).toMatchObject({ stderr: "" });
    expect(await receiver.next()).toMatchObject({ text: "READY=1" });
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
