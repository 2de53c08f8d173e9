import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { version } from "../package.json";
import { openReceiver } from "./support/receiver.ts";
import { BUN, isRoot, missing, ROOT, run, temporaryDirectory, titled } from "./support/run.ts";

// A project as a user has it, with the package that `bun pm pack` makes.
const directory = temporaryDirectory();
const app = join(directory.path, "app");
const PATH = `${dirname(BUN)}:${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`;
const scripts = {
  notify: "sd-notify --pid=parent",
  "notify-later": "true; sd-notify --pid=parent; true",
  "notify-bunx": "bunx sd-notify --pid=parent",
  serve: "bun serve.ts",
};
const serve = `
  const child = Bun.spawn(["bunx", "sd-notify", "--pid=parent", "X_SERVER=" + process.pid]);
  await child.exited;
  const direct = Bun.spawn(["node_modules/.bin/sd-notify", "--pid=parent", "X_SERVER=" + process.pid]);
  await direct.exited;`;

beforeAll(async () => {
  const packed = await run(["bun", "pm", "pack", "--destination", directory.path], { env: { PATH } });
  expect(packed.code).toBe(0);
  mkdirSync(app);
  await Bun.write(join(app, "package.json"), JSON.stringify({ name: "app", scripts }));
  await Bun.write(join(app, "serve.ts"), serve);
  const added = await run(["bun", "add", join(directory.path, `sd-notify-${version}.tgz`)], {
    cwd: app,
    env: { PATH },
  });
  expect(added).toMatchObject({ code: 0 });
}, 60_000);

afterAll(() => directory[Symbol.dispose]());

describe("the installed package", () => {
  test("holds what a user needs, and not the standalone binary", () => {
    const files = readdirSync(join(app, "node_modules/sd-notify"), { recursive: true, encoding: "utf8" });
    for (const file of [
      "package.json",
      "README.md",
      "LICENSE",
      "CHANGELOG.md",
      "dist/index.js",
      "dist/cli/main.js",
      "dist/cli/main.js.jsc",
      "man/sd-notify.1",
    ]) {
      expect(files).toContain(file);
    }
    expect(files).not.toContain("dist/sd-notify");
    expect(files.filter((file) => file.startsWith("test"))).toEqual([]);
  });

  test("is imported by its name, with types for the strictest settings", async () => {
    await using receiver = await openReceiver();
    await Bun.write(
      join(app, "use.ts"),
      `import { barrier, booted, notify, notifyRaw, type State, SystemError } from "sd-notify";
       const state: State = { ready: true };
       const results: boolean[] = [notify(state), await barrier({ timeoutMs: 5000 }), notifyRaw("X=1")];
       console.log(results.join(), typeof booted(), SystemError.name);
       // @ts-expect-error: no such field
       const wrong: State = { redy: true };
       if (wrong === undefined) throw wrong;`,
    );
    const env = { PATH, NOTIFY_SOCKET: receiver.address };
    expect(await run([BUN, "use.ts"], { cwd: app, env })).toMatchObject({
      stdout: "true,true,true boolean SystemError\n",
      stderr: "",
    });
    expect((await receiver.next()).text).toBe("READY=1");
    await Bun.write(join(app, "use.mts"), await Bun.file(join(app, "use.ts")).text());
    for (const resolution of [{ module: "nodenext" }, { module: "preserve", moduleResolution: "bundler" }]) {
      const strictest = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
      // With the types of the web alone, and no leniency for the declarations of packages.
      const compilerOptions = {
        ...strictest,
        ...resolution,
        target: "esnext",
        lib: ["esnext", "dom"],
        types: [],
        noEmit: true,
      };
      await Bun.write(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.mts"] }));
      const { code, stdout, stderr } = await run([BUN, "check"], { cwd: app, env: { PATH } });
      expect({ code, output: stdout + stderr }).toMatchObject({ code: 0 });
    }
  }, 20_000);

  describe("has a receiver for tests", () => {
    // 300 without a turn of the event loop are more than the socket's queue holds.
    const source = `
      import { notify } from "sd-notify";
      import { openReceiver } from "sd-notify/testing";
      const receiver = openReceiver();
      for (let i = 0; i < 300; i++) notify({ status: String(i) }, { socket: receiver.address });
      notify({ ready: true }, { socket: receiver.address });
      receiver.waitFor({ ready: true }).then(({ text }) => console.log(text));`;

    test("that runs as it is", async () => {
      await Bun.write(join(app, "receive.ts"), source);
      expect(await run([BUN, "receive.ts"], { cwd: app, env: { PATH } })).toMatchObject({
        stdout: "READY=1\n",
        stderr: "",
      });
    });

    test.each(["--target=bun", "--target=bun --minify", "--compile", "--compile --minify --bytecode --format=esm"])(
      "that is in a bundle (%s)",
      async (words) => {
        const options = words.split(" ");
        using project = temporaryDirectory();
        using elsewhere = temporaryDirectory();
        cpSync(join(app, "node_modules"), join(project.path, "node_modules"), { recursive: true });
        await Bun.write(join(project.path, "receive.ts"), source);
        const isCompiled = options[0] === "--compile";
        const out = join(elsewhere.path, isCompiled ? "receive" : "receive.js");
        const built = await run([BUN, "build", "receive.ts", ...options, "--outfile", out], { cwd: project.path });
        expect(built).toMatchObject({ code: 0 });
        rmSync(project.path, { recursive: true });
        mkdirSync(project.path);
        const command = isCompiled ? [out] : [BUN, out];
        const result = await run(command, { cwd: elsewhere.path, env: { PATH } });
        expect(result).toMatchObject({ code: 0, stdout: "READY=1\n", stderr: "" });
      },
      30_000,
    );
  });
});

test("dist/testing.js is the same wherever it is built, and names no directory", async () => {
  const { scripts } = await Bun.file(join(ROOT, "package.json")).json();
  const built: string[] = [];
  for (const name of ["a", "directory-of-another-name"]) {
    const copy = join(directory.path, name);
    mkdirSync(copy);
    for (const file of ["src", "ffi", "package.json", "tsconfig.json", "tsconfig.build.json"]) {
      cpSync(join(ROOT, file), join(copy, file), { recursive: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    const { code } = await run(["sh", "-c", scripts["build:package"]], { cwd: copy, env: { PATH } });
    expect(code).toBe(0);
    built.push(await Bun.file(join(copy, "dist/testing.js")).text());
  }
  const [one = "", other] = built;
  expect(other).toBe(one);
  expect(one).toContain("recvmsg");
  expect(one).not.toContain(directory.path);
  expect(one).toBe(await Bun.file(join(ROOT, "dist/testing.js")).text());
}, 60_000);

describe("--pid=parent is the process that called", () => {
  const env = (address: string) => ({ PATH, NOTIFY_SOCKET: address });

  test.each([
    ["the installed command", ["node_modules/.bin/sd-notify", "--pid=parent"]],
    ["bunx", ["bunx", "sd-notify", "--pid=parent"]],
    ["bun x", ["bun", "x", "sd-notify", "--pid=parent"]],
    ["bun run", ["bun", "run", "notify"]],
    ["bun run with a shell in between", ["bun", "run", "notify-later"]],
    ["bun run of bunx", ["bun", "run", "notify-bunx"]],
  ])("%s", async (_, command) => {
    await using receiver = await openReceiver();
    const { code } = await run(command, { cwd: app, env: env(receiver.address) });
    expect(code).toBe(0);
    const { text, pid } = await receiver.next();
    expect(text.split("\n")[0]).toBe(`MAINPID=${process.pid}`);
    if (isRoot) expect(pid).toBe(process.pid);
  });

  const noNpm = missing("npx");
  test.skipIf(Boolean(noNpm))(
    titled("npx", noNpm),
    async () => {
      await using receiver = await openReceiver();
      await run(["npx", "--no-install", "sd-notify", "--pid=parent"], { cwd: app, env: env(receiver.address) });
      expect((await receiver.next()).text.split("\n")[0]).toBe(`MAINPID=${process.pid}`);
    },
    30_000,
  );

  test("a server that `bun run` started", async () => {
    await using receiver = await openReceiver();
    await run(["bun", "run", "serve"], { cwd: app, env: env(receiver.address) });
    for (const _ of ["bunx", "direct"]) {
      const { text } = await receiver.next();
      expect(text).toMatch(/^MAINPID=(\d+)\n(MAINPIDFDID=\d+\n)?X_SERVER=\1$/);
      expect((await receiver.next()).text).toBe("BARRIER=1");
    }
  });
});

test("dist/index.js loads nothing at its start but bun:ffi", async () => {
  const source = await Bun.file(join(ROOT, "dist/index.js")).text();
  const imported = [...source.matchAll(/^(?:import|export) .*?["']([^"']+)["'];?$/gm)].map(([, name]) => name);
  expect(imported).toEqual(["bun:ffi"]);
});

test.each(["none", "another version's"])("dist/cli/main.js works with bytecode that is %s", async (bytecode) => {
  await using receiver = await openReceiver();
  const file = join(directory.path, `${bytecode.length}-cli.js`);
  await Bun.write(file, Bun.file(join(ROOT, "dist/cli/main.js")));
  if (bytecode !== "none") {
    const bytes = await Bun.file(join(ROOT, "dist/cli/main.js.jsc")).bytes();
    // The engine's version stands at the beginning.
    await Bun.write(`${file}.jsc`, bytes.fill(0xa5, 0, 64));
  }
  const result = await run([BUN, file, "--ready", "--no-block"], { env: { PATH, NOTIFY_SOCKET: receiver.address } });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect((await receiver.next()).text).toBe("READY=1");
});

const noSetpriv = isRoot ? missing("setpriv") : undefined;
test.skipIf(Boolean(noSetpriv)).each([
  ["", []],
  // Without, the message can't be sent as the shell's, and is sent once more.
  [" without privilege", isRoot ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] : []],
])(titled("dist/cli/main.js loads nothing for a notification%s but bun:ffi", noSetpriv), async (_, prefix) => {
  await using receiver = await openReceiver();
  const file = join(directory.path, "loaded.ts");
  await Bun.write(
    file,
    `const { default: Module } = await import("node:module");
     const loaded: string[] = [];
     const load = Module.prototype.require;
     Module.prototype.require = function (name: string) { loaded.push(name); return load.call(this, name); };
     process.on("exit", () => console.log(loaded.join()));
     require(${JSON.stringify(join(ROOT, "dist/cli/main.js"))});`,
  );
  const result = await run([...prefix, BUN, file, "--ready"], { env: { PATH, NOTIFY_SOCKET: receiver.address } });
  expect(result).toMatchObject({ code: 0, stdout: `${join(ROOT, "dist/cli/main.js")},bun:ffi\n` });
});
