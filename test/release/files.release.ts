/** The files of the release, those for this processor run. */

import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readElf } from "../../src/build/elf.ts";
import { checkCallerState } from "../../src/build/keep-caller-state.ts";
import { missing, run, temporaryDirectory, titled } from "../support/command.ts";
import { openReceiver } from "../support/receiver.ts";
import { fileNames, fileOf, RELEASES, succeed, unpack, version } from "./released.ts";

const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

const TARGETS = ["linux-x64", "linux-x64-baseline", "linux-arm64", "linux-x64-musl", "linux-arm64-musl"];
const ARCHIVES = TARGETS.map((target) => `sd-notify-${version}-${target}.tar.xz`);
const DEBS = ["amd64", "arm64"].map((architecture) => `sd-notify_${version}-1_${architecture}.deb`);

test("the release is complete", () => {
  const others = [`sd-notify-${version}.tgz`, `sd-notify-${version}.cdx.json`, "SHA256SUMS"];
  expect(fileNames()).toEqual([...ARCHIVES, ...DEBS, ...others].sort());
});

test("two releases of two folders are the same bytes", () => {
  const [one = "", another = ""] = RELEASES;
  for (const name of fileNames()) {
    const same = readFileSync(join(one, name)).equals(readFileSync(join(another, name)));
    expect({ name, same }).toEqual({ name, same: true });
  }
});

test("SHA256SUMS has every other file", async () => {
  const checked = await run(["sha256sum", "--check", "--strict", "SHA256SUMS"], { cwd: RELEASES[0] as string });
  expect(checked).toMatchObject({ code: 0, stderr: "" });
  const names = [...checked.stdout.matchAll(/^(.*): OK$/gm)].map(([, name = ""]) => name);
  expect(names).toEqual(fileNames().filter((name) => name !== "SHA256SUMS"));
});

test("the bill of materials names what is bundled, with hashes", async () => {
  const bill = await Bun.file(fileOf(`sd-notify-${version}.cdx.json`)).json();
  expect(bill).toMatchObject({ bomFormat: "CycloneDX", metadata: { component: { name: "sd-notify", version } } });
  // The registry's package of this name is another.
  expect(bill.metadata.component.purl).toBeUndefined();
  expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  type Component = { name: string; hashes: { alg: string }[]; licenses: unknown[] };
  const components: Component[] = bill.components;
  expect(components.map(({ name }) => name).sort()).toEqual([
    "@oven/bun-linux-aarch64",
    "@oven/bun-linux-aarch64-musl",
    "@oven/bun-linux-x64",
    "@oven/bun-linux-x64-musl",
    "citty",
  ]);
  for (const { hashes, licenses } of components) {
    expect({ alg: hashes[0]?.alg, licenses: licenses.length }).toEqual({ alg: "SHA-512", licenses: 1 });
  }
});

test.each(TARGETS)(
  "the archive for %s has the executable, the pages, the completions and the license",
  async (target) => {
    const executable = await unpack(target, directory.path);
    const root = join(executable, "../..");
    for (const page of new Bun.Glob("*.1").scanSync(join(import.meta.dir, "../../man"))) {
      expect(readFileSync(join(root, "share/man/man1", page), "utf8")).toContain(`sd\\-notify ${version}`);
    }
    for (const file of [
      "LICENSE",
      "share/bash-completion/completions/sd-notify",
      "share/zsh/site-functions/_sd-notify",
      "share/fish/vendor_completions.d/sd-notify.fish",
    ]) {
      expect({ file, exists: await Bun.file(join(root, file)).exists() }).toEqual({ file, exists: true });
    }
    const listed = await succeed(["tar", "-tvJf", fileOf(`sd-notify-${version}-${target}.tar.xz`)]);
    for (const line of listed.trimEnd().split("\n")) expect(line).toMatch(/^(-rw-r--r--|[-d]rwxr-xr-x) root\/root /);
    // What the build has changed: see src/build/keep-caller-state.ts.
    const { imports } = readElf(readFileSync(executable));
    expect(imports.filter((name) => ["setrlimit", "signal"].includes(name))).toEqual([]);
  },
);

/** Nehalem is the oldest processor that Bun is for. */
const OLDEST = ["qemu-x86_64-static", "-cpu", "Nehalem"];
const notX64 = process.arch !== "x64" && `this is ${process.arch}`;
const noEmulator = notX64 || missing("qemu-x86_64-static");

describe.each([
  ["linux-x64", [], notX64],
  ["linux-x64-baseline", [], notX64],
  ["linux-x64-baseline", OLDEST, noEmulator],
] as const)("the executable for %s, run by %j", (target, emulator, lacks) => {
  test.skipIf(Boolean(lacks))(titled("notifies", lacks), async () => {
    const executable = await unpack(target, directory.path);
    await using receiver = await openReceiver();
    const env = { NOTIFY_SOCKET: receiver.address };
    expect((await run([...emulator, executable, "--version"])).stdout).toBe(`sd-notify ${version}\n`);
    const sent = await run([...emulator, executable, "--ready", "--status=released"], { env });
    expect(sent).toMatchObject({ code: 0, stderr: "" });
    expect((await receiver.next()).text).toBe("READY=1\nSTATUS=released");
    if (emulator.length === 0) checkCallerState(executable);
  });
});

const noLintian = missing("lintian");
test.skipIf(Boolean(noLintian)).each(DEBS)(titled("lintian finds no error in %s", noLintian), async (deb) => {
  const { code, stdout } = await run(["lintian", "--no-cfg", "--allow-root", "--fail-on=error,warning", fileOf(deb)]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
});

test.each(DEBS)("%s takes no name of systemd's, and its files are root's", async (deb) => {
  const listed = (await succeed(["dpkg-deb", "--contents", fileOf(deb)])).trimEnd().split("\n");
  for (const line of listed) expect(line).toMatch(/^(-rw-r--r--|[-d]rwxr-xr-x) root\/root /);
  const files = listed.map((line) => line.split(" ").at(-1));
  expect(files.filter((file) => file?.startsWith("./usr/bin/"))).toEqual(["./usr/bin/", "./usr/bin/sd-notify"]);
  expect(files).toContain("./usr/share/man/man1/sd-notify.1.gz");
  expect(files.join()).not.toContain("systemd-notify");
  expect(await succeed(["dpkg-deb", "--field", fileOf(deb), "Depends"])).toMatch(/^libc6 \(>= 2\.\d+\)\n$/);
});
