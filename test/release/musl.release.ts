/**
 * The executable for x64 with musl, run by Debian's musl where there is no other. Debian has no libstdc++ for musl: so
 * it is linked here, of the objects of Debian's own and of four names that glibc has and musl has not. The one for
 * arm64 is inspected.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { EM_AARCH64, readElf } from "../../src/build/elf.ts";
import { callerStateImports, checkCallerState } from "../../src/build/keep-caller-state.ts";
import { isRoot, missing, run, temporaryDirectory, titled } from "../support/command.ts";
import { openReceiver } from "../support/receiver.ts";
import { unpackPackages } from "./debian-files.ts";
import { succeed, unpack, version } from "./released.ts";

const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

const lacks =
  (process.arch !== "x64" && `this is ${process.arch}`) ||
  (!isRoot && "not root") ||
  missing("apt-get", "gcc", "nm", "readelf", "unshare");

describe.skipIf(Boolean(lacks))(titled("the executable for linux-x64-musl", lacks), () => {
  const libraries = join(directory.path, "lib");
  let executable = "";
  const mountAndRun = '/bin/mount -t overlay -o "lowerdir=$0:/usr/lib" overlay /usr/lib && exec "$@"';
  /** What runs a program where /lib has musl too. */
  let here: string[] = [];

  beforeAll(async () => {
    executable = await unpack("linux-x64-musl", directory.path);
    const packages = join(directory.path, "packages");
    mkdirSync(libraries);
    const gcc = (await succeed(["gcc", "-dumpversion"])).trim().split(".")[0];
    await unpackPackages(["musl", `libstdc++-${gcc}-pic`, `libgcc-${gcc}-dev`], "amd64", packages);
    copyFileSync(join(packages, "lib/x86_64-linux-musl/libc.so"), join(libraries, "ld-musl-x86_64.so.1"));
    await linkLibstdcxx(executable, join(packages, `usr/lib/gcc/x86_64-linux-gnu/${gcc}`), libraries);
    await succeed(["chmod", "-R", "a+rX", libraries]);
    here = ["unshare", "--mount", "sh", "-c", mountAndRun, libraries];
  }, 120_000);

  test("says its version, and renders its help", async () => {
    expect((await run([...here, executable, "--version"])).stdout).toBe(`sd-notify ${version}\n`);
    expect((await run([...here, executable, "--help"])).stdout).toContain("--ready");
  });

  test("sends --ready, and a file descriptor", async () => {
    await using receiver = await openReceiver();
    const env = { NOTIFY_SOCKET: receiver.address };
    const script = '"$0" --ready --status=musl && exec "$0" --fd=4 --fdname=users 4</etc/passwd';
    expect(await run([...here, "sh", "-c", script, executable], { env })).toMatchObject({ code: 0, stderr: "" });
    expect((await receiver.next()).text).toBe("READY=1\nSTATUS=musl");
    expect((await receiver.next()).text).toBe("BARRIER=1");
    expect(await receiver.next()).toMatchObject({
      text: "FDSTORE=1\nFDNAME=users",
      fds: [{ ino: statSync("/etc/passwd").ino }],
    });
  });

  test("hands on its caller's limit of open files and ignored signals", () => {
    checkCallerState(executable, [Bun.which("unshare") ?? "", "--mount", "/bin/sh", "-c", mountAndRun, libraries]);
  });

  test("has monitor", async () => {
    const tool = ["monitor", "--json", "--", executable, "--version"];
    const { stdout, stderr } = await run([...here, executable, ...tool]);
    // What the command prints is not mixed with the events.
    expect(stderr).toBe(`sd-notify ${version}\n`);
    expect(stdout).toContain('"code":0');
  });
});

test("the executable for linux-arm64-musl asks for musl and libstdc++, and for no more than that for x64", async () => {
  const [arm64, x64] = [
    await unpack("linux-arm64-musl", directory.path),
    await unpack("linux-x64-musl", directory.path),
  ];
  const elf = readElf(readFileSync(arm64));
  expect(elf).toMatchObject({ machine: EM_AARCH64, interpreter: "/lib/ld-musl-aarch64.so.1", glibc: undefined });
  expect(elf.needed).toEqual(["libstdc++.so.6", "libc.musl-aarch64.so.1"]);
  expect(callerStateImports(arm64)).toEqual(callerStateImports(x64));
  // Everything else has run with musl on x64.
  const tried = readElf(readFileSync(x64)).imports;
  expect(elf.imports.filter((name) => !tried.includes(name))).toEqual(["getauxval"]);
});

// --- internal ---

/** What libstdc++ takes from glibc, for musl. Nothing here is thrown, so no table of unwinding is looked for. */
const FROM_GLIBC = `
  void *__dso_handle __attribute__((visibility("hidden"))) = 0;
  char __libc_single_threaded = 0;
  int _dl_find_object(void *address, void *result) { return -1; }
  int getentropy(void *, unsigned long);
  unsigned arc4random(void) { unsigned number; getentropy(&number, sizeof number); return number; }
`;

/** Links a libstdc++.so.6 that has what an executable needs of it, and neither needs nor has more. */
async function linkLibstdcxx(executable: string, archives: string, into: string): Promise<void> {
  const symbols = await succeed(["readelf", "--dyn-syms", "--relocs", "--wide", executable]);
  const archive = join(archives, "libstdc++_pic.a");
  const defined = new Set((await succeed(["nm", "--defined-only", "--format=just-symbols", archive])).split("\n"));
  const wanted = new Set([...symbols.matchAll(/\b_\w+/g)].map(([name]) => name));
  const names = [...wanted].filter((name) => defined.has(name));
  await Bun.write(join(into, "../from-glibc.c"), FROM_GLIBC);
  await succeed([
    "gcc",
    "-fPIC",
    "-shared",
    "-nostdlib",
    "-Wl,-soname,libstdc++.so.6",
    ...names.map((name) => `-Wl,-u,${name}`),
    "-o",
    join(into, "libstdc++.so.6"),
    join(into, "../from-glibc.c"),
    ...["libstdc++_pic.a", "libgcc_eh.a", "libgcc.a"].map((archive) => join(archives, archive)),
  ]);
}
