import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { noCompiler } from "./support/c.ts";
import { BUN, COMMANDS, missing, ROOT, run, runModule, temporaryDirectory, titled } from "./support/command.ts";
import { openReceiver } from "./support/receiver.ts";

/** A working directory that somebody else can write to: whatever is in it makes the marker when it is executed. */
const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());
const marker = join(directory.path, "marker");
const tools = temporaryDirectory();
afterAll(() => tools[Symbol.dispose]());

const LIBRARY = `
#include <fcntl.h>
__attribute__((constructor)) static void run(void) { open("${marker}", O_CREAT | O_WRONLY, 0600); }`;
const NAMES = [
  "libc.so.6",
  "libc.musl-x86_64.so.1",
  "libc.musl-aarch64.so.1",
  "ld-musl-x86_64.so.1",
  "ld-musl-aarch64.so.1",
  "libc.so",
  "libc.so.1",
  "libc",
  "libc.dylib",
];

/** What MemoryDenyWriteExecute=yes asks of the kernel, Linux 6.3, and of what it executes. */
const MDWE = `
#include <sys/prctl.h>
#include <unistd.h>
int main(int argc, char *argv[]) {
  if (prctl(65 /* PR_SET_MDWE */, 1 /* PR_MDWE_REFUSE_EXEC_GAIN */, 0, 0, 0) != 0) return 77;
  execv(argv[1], argv + 1);
  return 78;
}`;

if (noCompiler === undefined) {
  compile(LIBRARY, "library", "-shared", "-fPIC");
  for (const name of NAMES) copyFileSync(join(tools.path, "library"), join(directory.path, name));
  compile(MDWE, "mdwe");
  // The command takes no script for it.
  compile(`${LIBRARY}\nint main(void) { return 0; }`, "systemd-notify");
}
const noMdwe =
  noCompiler ??
  (Bun.spawnSync([join(tools.path, "mdwe"), "/bin/true"]).exitCode === 0 ? undefined : "no PR_SET_MDWE here");

beforeEach(() => rmSync(marker, { force: true }));

const PACKAGE: [string, string[]] = ["the package", [BUN, `${ROOT}dist/cli/main.js`]];

const WAYS: [name: string, skipped: string | undefined, prefix: string[], env: Record<string, string>][] = [
  ["as ever", noCompiler, [], {}],
  ["with BUN_JSC_useJIT=0", noCompiler, [], { BUN_JSC_useJIT: "0" }],
  ["under PR_SET_MDWE", noMdwe, [join(tools.path, "mdwe")], {}],
  ...[512, 1024, 2048].map((megabytes): (typeof WAYS)[number] => [
    `under ulimit -v of ${megabytes} MiB`,
    noCompiler ?? missing("prlimit"),
    [Bun.which("prlimit") ?? "", `--as=${megabytes * 2 ** 20}`, "--core=0"],
    {},
  ]),
];

describe.each([...COMMANDS, PACKAGE])(
  "in a directory of libraries that are called like libc, %s runs none of them",
  (_, command) => {
    for (const [name, skipped, prefix, more] of WAYS) {
      test.skipIf(skipped !== undefined)(titled(name, skipped), async () => {
        const env = { PATH: "/nowhere", NOTIFY_SOCKET: "@sd-notify-nobody", ...more };
        const { stderr } = await run([...prefix, ...command, "--ready"], { env, cwd: directory.path });
        expect({ marker: existsSync(marker), stderr }).toEqual({
          marker: false,
          stderr: expect.stringMatching(/connect @sd-notify-nobody|bun:ffi needs the JIT|^$/),
        });
      });
    }
  },
);

describe.each([["src/index.ts"], ["dist/index.js"]])("the library does not either: %s", (file) => {
  for (const [name, skipped, prefix, more] of WAYS) {
    test.skipIf(skipped !== undefined)(titled(name, skipped), async () => {
      const source = `
        const { notify } = await import("${ROOT}${file}");
        try { notify({ ready: true }, { socket: "@sd-notify-nobody" }) } catch (error) { console.log(error.code) }`;
      const command = [...prefix, BUN, "-e", source];
      const { stdout } = await run(command, { env: { PATH: "/nowhere", ...more }, cwd: directory.path });
      expect({ marker: existsSync(marker), stdout }).toEqual({
        marker: false,
        stdout: expect.stringMatching(/^(ECONNREFUSED|ERR_FFI_UNAVAILABLE|)\n?$/),
      });
    });
  }
});

test("the libraries would be executed, if anything loaded them", async () => {
  if (noCompiler) return;
  const source = `require("bun:ffi").dlopen("libc.so.1", { getpid: { returns: "i32" } })`;
  await run([BUN, "-e", source], { cwd: directory.path });
  expect(existsSync(marker)).toBe(true);
});

describe("libc is the one that Bun runs on", () => {
  test("which needs it by the name libc.so.6, or is musl, where that is no file", async () => {
    const { stdout } = await run([BUN], { env: { LD_TRACE_LOADED_OBJECTS: "1" } });
    expect(stdout).toMatch(/^\s*libc\.so\.6 => |ld-musl-/m);
  });

  const noGlibc = libcPath() === undefined ? "no glibc here" : undefined;

  test.skipIf(noGlibc !== undefined)(titled("also when its file was replaced", noGlibc), async () => {
    using copy = temporaryDirectory();
    const file = join(copy.path, "libc.so.6");
    copyFileSync(libcPath() ?? "", file);
    const source = `
      const { unlinkSync, writeFileSync } = require("node:fs");
      unlinkSync("${file}");
      writeFileSync("${file}", "another one");
      const { notify } = await import("../src/index.ts");
      try { notify({ ready: true }, { socket: "@sd-notify-nobody" }) } catch (error) { console.log(error.code) }`;
    const { stdout } = await runModule(source, { env: { LD_LIBRARY_PATH: copy.path } });
    expect(stdout).toBe("ECONNREFUSED\n");
  });
});

/** Programs of the system's that the command calls of its own accord. */
const PROGRAMS = ["systemctl", "journalctl", "nice", "sh", "cat", "env", "bun"];

describe.each([...COMMANDS, PACKAGE])("with relative directories in $PATH, %s", (_, command) => {
  for (const name of PROGRAMS) {
    const file = join(directory.path, name);
    writeFileSync(file, `#!/bin/sh\n: >${marker}\n`, { mode: 0o755 });
  }
  if (noCompiler === undefined) {
    copyFileSync(join(tools.path, "systemd-notify"), join(directory.path, "systemd-notify"));
  }
  mkdirSync(join(directory.path, "bin"), { recursive: true });
  for (const name of PROGRAMS) symlinkOnce(`../${name}`, join(directory.path, "bin", name));
  const paths = ["", ".", ":/nowhere", ".:/nowhere:bin", "/nowhere:", "bin::/usr/bin:/bin"];
  // Taken for the manager's own child, the source asks systemctl for the limits of its unit.
  const env = { MANAGERPID: `${process.pid}` };

  test.each(paths)("calls no program from there that the user did not name: %j", async (PATH) => {
    await using receiver = await openReceiver();
    const options = { env: { ...env, PATH, NOTIFY_SOCKET: receiver.address }, cwd: directory.path };
    for (const args of [
      ["--exec", "A=1", ";", "/bin/true"],
      ["--fork", "-q", "--", "/nonexistent"],
      ["--fork", "-q", "--", "/etc/passwd"],
      ["run", "--", "/bin/true"],
      ["monitor", "--", "/bin/true"],
      ["doctor", "x.service"],
      ["doctor"],
    ]) {
      await run([...command, ...args], options);
      expect({ args, marker: existsSync(marker) }).toEqual({ args, marker: false });
    }
    await run([...command, "--ready"], { ...options, env: { ...options.env, BUN_JSC_useJIT: "0" } });
    expect(existsSync(marker)).toBe(false);
  });

  test("starts what the user names from there, as execvp(3) does", async () => {
    await using receiver = await openReceiver();
    const options = { env: { PATH: ".", NOTIFY_SOCKET: receiver.address }, cwd: directory.path };
    for (const args of [
      ["--exec", "A=1", ";", "nice"],
      ["--fork", "-q", "--", "nice"],
      ["run", "--", "nice"],
    ]) {
      await run([...command, ...args], options);
      expect({ args, marker: existsSync(marker) }).toEqual({ args, marker: true });
      rmSync(marker);
    }
  });
});

function compile(source: string, name: string, ...options: string[]): void {
  const args = ["cc", "-x", "c", ...options, "-o", join(tools.path, name), "-"];
  const { exitCode, stderr } = Bun.spawnSync(args, { stdin: Buffer.from(source) });
  if (exitCode !== 0) throw new Error(stderr.toString());
}

function symlinkOnce(target: string, path: string): void {
  if (!existsSync(path)) symlinkSync(target, path);
}

/** The file of the glibc that this process runs on. */
function libcPath(): string | undefined {
  return / (\/.*\/libc\.so\.6)$/m.exec(readFileSync("/proc/self/maps", "latin1"))?.[1];
}
