import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { checkCallerState, replaceImports } from "../src/build/keep-caller-state.ts";
import { noCompiler } from "./support/c.ts";
import { BUN, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";

describe("replaceImports()", () => {
  test.skipIf(Boolean(noCompiler))(titled("lets a program call another function of libc", noCompiler), async () => {
    using directory = temporaryDirectory();
    const source = `
      #include <signal.h>
      #include <stdio.h>
      #include <sys/resource.h>
      #include <unistd.h>
      int main(void) {
        struct rlimit limit = { 5, 5 };
        setrlimit(RLIMIT_NOFILE, &limit);
        signal(SIGPIPE, SIG_IGN);
        getrlimit(RLIMIT_NOFILE, &limit);
        struct sigaction action;
        sigaction(SIGPIPE, NULL, &action);
        printf("%d %d %d\\n", limit.rlim_cur == 5, action.sa_handler == SIG_IGN, getpid() > 0);
      }`;
    const program = join(directory.path, "program");
    await Bun.write(`${program}.c`, source);
    expect((await run(["cc", "-o", program, `${program}.c`])).stderr).toBe("");
    expect((await run([program])).stdout).toBe("1 1 1\n");
    const bytes = await Bun.file(program).bytes();
    for (const patch of replaceImports(bytes, { setrlimit: "getrlimit", signal: "getpid" })) {
      expect(patch.bytes.length).toBeLessThanOrEqual(4);
      bytes.set(patch.bytes, patch.offset);
    }
    await Bun.write(program, bytes);
    expect((await run([program])).stdout).toBe("0 0 1\n");
    expect(() => replaceImports(bytes, { setrlimit: "getrlimit" })).toThrow("setrlimit() is not imported");
  });

  test("refuses what is no such file, or imports no such function", async () => {
    expect(() => replaceImports(new Uint8Array(100), {})).toThrow("no 64-bit little-endian ELF file");
    const bytes = await Bun.file(process.execPath).bytes();
    expect(() => replaceImports(bytes, { nosuch: "getpid" })).toThrow("nosuch() is not imported");
    expect(() => replaceImports(bytes, { getpid: "nosuch" })).toThrow("nosuch() is not imported");
  });
});

describe("checkCallerState()", () => {
  test("is content with what the build has made", () => {
    checkCallerState(`${ROOT}dist/sd-notify`);
    // By way of another program, as an emulator is.
    checkCallerState(`${ROOT}dist/sd-notify`, ["/usr/bin/env"]);
  });

  test("is not with a standalone executable that was left as Bun makes it", async () => {
    using directory = temporaryDirectory();
    const executable = join(directory.path, "sd-notify");
    const defines = ["CALLER_STATE_KEPT=true", 'COMMAND_FILE="./command.js"'].flatMap((define) => ["--define", define]);
    const command = [BUN, "build", "src/cli/main.ts", "src/cli/command.ts", "--compile", ...defines, "--outfile"];
    expect(await run([...command, executable])).toMatchObject({ code: 0 });
    expect(() => checkCallerState(executable)).toThrow(
      /sd-notify does not hand on what its caller has \(no signal ignored, 123 open files\) but SIGPIPE and SIGXFSZ ignored, \d+ open/,
    );
  });

  const wrong = (signals: string, limit: string) =>
    `#!/bin/sh\n${signals}\n${limit}\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"`;
  test.each([
    ["trap '' PIPE", "", /no signal ignored, 123 open files\) but SIGPIPE ignored, 123 open files/],
    ["trap '' XFSZ", "", /no signal ignored, 123 open files\) but SIGXFSZ ignored, 123 open files/],
    ["", "ulimit -Sn 124", /no signal ignored, 123 open files\) but no signal ignored, 124 open files/],
    ["echo 'is broken' >&2; exit 1", "", /^Cannot tell what .* hands on: is broken$/],
  ])("fails where an executable does %j %j", async (signals, limit, why) => {
    using directory = temporaryDirectory();
    const executable = join(directory.path, "executable");
    await Bun.write(executable, wrong(signals, limit));
    await run(["chmod", "+x", executable]);
    expect(() => checkCallerState(executable)).toThrow(why);
  });

  test("the build ends with one line where it can't be kept", async () => {
    using directory = temporaryDirectory();
    const executable = join(directory.path, "executable");
    await Bun.write(executable, "no executable".repeat(10));
    const { code, stderr } = await run([BUN, "src/build/keep-caller-state.ts", executable]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "Cannot replace imports: this is no 64-bit little-endian ELF file\n",
    });
  });
});

test("the standalone executable has its caller's limit and signals while it runs", async () => {
  const script = `ulimit -Sn 123; trap '' XFSZ; "$0" --fork -- sleep 60 & sleep 0.2; grep SigIgn /proc/$!/status; grep "Max open" /proc/$!/limits; kill $!; wait`;
  const { stdout } = await run(["bash", "-c", script, `${ROOT}dist/sd-notify`]);
  // 0x1000000 is SIGXFSZ; 0x1000 is SIGPIPE, which --fork ignores while it waits; the shell ignores SIGINT
  // and SIGQUIT for what it starts in the background.
  expect(stdout).toMatch(/^SigIgn:\t0000000001001006$/m);
  expect(stdout).toMatch(/^Max open files +123 /m);
});
