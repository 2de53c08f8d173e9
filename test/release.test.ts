import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../package.json";
import { EM_AARCH64, EM_X86_64, readElf } from "../src/build/elf.ts";
import { debianVersion } from "../src/build/release/deb.ts";
import { BUN, missing, ROOT, run, runModule, temporaryDirectory, titled } from "./support/command.ts";
import { copyCheckout } from "./support/package.ts";

// Hooks too: a checkout is copied.
setDefaultTimeout(60_000);

const lacks = missing("git", "npm", "tar", "xz", "gzip", "dpkg-deb");

describe.skipIf(Boolean(lacks))(titled("npm run release", lacks), () => {
  const directory = temporaryDirectory();
  afterAll(() => directory[Symbol.dispose]());
  const checkout = join(directory.path, "checkout");
  const git = async (...args: string[]) => {
    const identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"];
    const { code, stderr } = await run(["git", ...identity, ...args], { cwd: checkout });
    if (code !== 0) throw new Error(`git ${args[0]}: ${stderr}`);
  };
  const commit = async () => {
    await git("add", "--all");
    await git("commit", "--quiet", "--allow-empty", "--no-verify", "--message=test");
  };
  const release = (args: string[] = ["--check"], env: Record<string, string> = {}) =>
    run([BUN, "src/build/release/main.ts", ...args], { cwd: checkout, env });

  beforeAll(async () => {
    mkdirSync(checkout);
    copyCheckout(checkout);
    await git("init", "--quiet");
    await commit();
    await git("branch", "start");
  });
  beforeEach(async () => {
    await git("reset", "--quiet", "--hard", "start");
    await git("clean", "--quiet", "-dfx", "--exclude=node_modules");
    if (await Bun.file(join(checkout, `.git/refs/tags/v${version}`)).exists())
      await git("tag", "--delete", `v${version}`);
  });

  test("has nothing against a clean tree whose CHANGELOG begins with the version", async () => {
    // What git ignores is no change.
    mkdirSync(join(checkout, "dist"));
    writeFileSync(join(checkout, "dist/anything"), "");
    expect(await release()).toMatchObject({ code: 0, stdout: "", stderr: "" });
    await git("tag", `v${version}`);
    expect(await release()).toMatchObject({ code: 0, stderr: "" });
  });

  const why = (reason: string) => ({ code: 1, stdout: "", stderr: `no release of ${version}:\n- ${reason}\n` });

  test("refuses a tree with changes, and touches nothing", async () => {
    mkdirSync(join(checkout, "dist/release"), { recursive: true });
    appendFileSync(join(checkout, "src/index.ts"), "// changed\n");
    expect(await release([])).toMatchObject(why("the tree has changes that are not committed: src/index.ts"));
    expect(existsSync(join(checkout, "dist/release"))).toBe(true);
    for (const name of ["a", "b", "c"]) writeFileSync(join(checkout, name), "");
    expect(await release([])).toMatchObject(
      why("the tree has changes that are not committed: src/index.ts, a, b and 1 more"),
    );
  });

  test.each([
    ["another version", "# Changes\n\n## 99.0.0\n\n- x\n\n## 0.0.1\n", "begins with 99.0.0"],
    ["a version that is longer", `# Changes\n\n## ${version}1\n`, `begins with ${version}1`],
    ["none", "# Changes\n", "has no version"],
  ])("refuses a CHANGELOG that begins with %s", async (_, text, what) => {
    writeFileSync(join(checkout, "CHANGELOG.md"), text);
    await commit();
    expect(await release()).toMatchObject(why(`CHANGELOG.md ${what}, and package.json says ${version}`));
  });

  test("refuses pages of another version, and says all that is wrong at once", async () => {
    const manifest = readFileSync(join(checkout, "package.json"), "utf8");
    writeFileSync(join(checkout, "package.json"), manifest.replace(`"${version}"`, '"98.7.6"'));
    const { code, stderr } = await release();
    expect(code).toBe(1);
    expect(stderr).toStartWith("no release of 98.7.6:\n- the tree has changes that are not committed: package.json\n");
    expect(stderr).toContain(`- CHANGELOG.md begins with ${version}, and package.json says 98.7.6\n`);
    expect(stderr).toContain("- man/sd-notify.1 is not what `npm run docs` writes: run it, and commit\n");
  });

  test("refuses a version that another commit has the tag of", async () => {
    await git("tag", `v${version}`);
    await commit();
    expect(await release()).toMatchObject(
      why(`the tag v${version} is on another commit: give package.json the next version`),
    );
  });

  test("refuses a directory that git knows nothing of", async () => {
    const { code, stderr } = await release([], { GIT_DIR: directory.path });
    expect({ code, lines: stderr.trimEnd().split("\n").length }).toEqual({ code: 1, lines: 2 });
    expect(stderr).toContain("- the tree can't be compared with its commit: git status ended with 128: ");
  });

  test("says which program is not there", async () => {
    const { code, stderr } = await release([], { PATH: "/nowhere" });
    expect(code).toBe(1);
    for (const program of ["git", "npm", "xz", "dpkg-deb"]) expect(stderr).toContain(`- ${program} is not installed\n`);
  });

  test("refuses a time that is none, before it makes anything", async () => {
    const { code, stderr } = await release([], { SOURCE_DATE_EPOCH: "yesterday" });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'SOURCE_DATE_EPOCH is a number of seconds, not "yesterday"\n',
    });
    expect(existsSync(join(checkout, "dist/release.part"))).toBe(false);
  });

  test("takes no Bun that is not the one of bun.lock", async () => {
    const bin = join(directory.path, "bin");
    mkdirSync(bin, { recursive: true });
    // npm pack --pack-destination DIRECTORY: a registry that was tampered with.
    writeFileSync(join(bin, "npm"), '#!/bin/sh\necho else >"$4/bun.tgz"\necho bun.tgz\n', { mode: 0o755 });
    const source = `
      import { fetchBun } from "../src/build/release/bun-executables.ts";
      import { TARGETS } from "../src/build/release/targets.ts";
      for (const target of TARGETS) await fetchBun(target, ${JSON.stringify(join(directory.path, "fetched"))})
        .catch(({ message }) => console.log(message.replace(/ sha512-.*/, "")));`;
    const { stdout, stderr } = await runModule(source, { env: { PATH: `${bin}:${process.env.PATH}` } });
    expect({ lines: stdout.trimEnd().split("\n"), stderr }).toEqual({
      lines: ["linux-x64", "linux-aarch64", "linux-x64-musl", "linux-aarch64-musl"].map((name) =>
        expect.stringMatching(new RegExp(`^@oven/bun-${name}@[\\d.]+ is not what bun.lock pins: its hash is$`)),
      ),
      stderr: "",
    });
  });
});

test("a build leaves dist/release/ alone", async () => {
  using directory = temporaryDirectory();
  copyCheckout(directory.path);
  const kept = join(directory.path, "dist/release/SHA256SUMS");
  await Bun.write(kept, "");
  await Bun.write(join(directory.path, "dist/old.js"), "");
  expect(await run([BUN, "src/build/bundle.ts"], { cwd: directory.path })).toMatchObject({ code: 0 });
  expect(existsSync(kept)).toBe(true);
  expect(existsSync(join(directory.path, "dist/old.js"))).toBe(false);
});

test("the version stands in package.json alone", async () => {
  const files = [];
  for await (const file of new Bun.Glob("{src,ffi,docs,examples,.ci}/**/*").scan({ cwd: ROOT, dot: true })) {
    if ((await Bun.file(join(ROOT, file)).text()).includes(version)) files.push(file);
  }
  expect(files).toEqual([]);
});

test("a version before a release sorts before it in Debian too", () => {
  expect(["1.2.3", "1.2.3-rc.1"].map(debianVersion)).toEqual(["1.2.3-1", "1.2.3~rc.1-1"]);
});

describe("readElf()", () => {
  test("says what an executable asks of a machine", async () => {
    const elf = readElf(await Bun.file(`${ROOT}dist/sd-notify`).bytes());
    expect(elf.machine).toBe(process.arch === "arm64" ? EM_AARCH64 : EM_X86_64);
    expect(existsSync(elf.interpreter)).toBe(true);
    expect(elf.needed.join()).toMatch(/libc\./);
    expect(elf.imports).toContain("getrlimit");
    expect(elf.imports).not.toContain("setrlimit");
  });

  const noReadelf = missing("readelf");
  test.skipIf(Boolean(noReadelf))(titled("reads what readelf(1) does", noReadelf), async () => {
    const { stdout } = await run(["readelf", "--dynamic", "--version-info", "--wide", `${ROOT}dist/sd-notify`]);
    const { needed, glibc } = readElf(await Bun.file(`${ROOT}dist/sd-notify`).bytes());
    expect(needed).toEqual([...stdout.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name = ""]) => name));
    const minor = [...stdout.matchAll(/Name: GLIBC_2\.(\d+)/g)].map(([, number]) => Number(number));
    expect(glibc).toBe(minor.length > 0 ? `2.${Math.max(...minor)}` : undefined);
  });

  test("refuses what is none", () => {
    expect(() => readElf(new Uint8Array(100))).toThrow("this is no 64-bit little-endian ELF file");
    expect(() => readElf(new Uint8Array(1))).toThrow("this is no 64-bit little-endian ELF file");
  });
});
