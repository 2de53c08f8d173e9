import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { BUN, isRoot, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { type Built, buildElsewhere } from "./support/package.ts";
import { openReceiver } from "./support/receiver.ts";

// A project as a user has it, with the package that `npm run package` makes, on a machine that has not its source.
const directory = temporaryDirectory();
const app = join(directory.path, "app");
const installed = join(app, "node_modules/sd-notify");
const PATH = `${dirname(BUN)}:${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`;
const NOTIFY = join(app, "node_modules/.bin/sd-notify");
let built: Built;
let builtAgain: Built;
const files = () => readdirSync(installed, { recursive: true, encoding: "utf8" });
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
  [built, builtAgain] = await Promise.all([
    buildElsewhere(join(directory.path, "one"), { binary: true }),
    buildElsewhere(join(directory.path, "another/place"), { binary: true, umask: "077" }),
  ]);
  mkdirSync(app);
  await Bun.write(join(app, "package.json"), JSON.stringify({ name: "app", scripts }));
  await Bun.write(join(app, "serve.ts"), serve);
  const added = await run(["bun", "add", built.tarball], {
    cwd: app,
    env: { PATH },
  });
  expect(added).toMatchObject({ code: 0 });
}, 120_000);

afterAll(() => directory[Symbol.dispose]());

test("two builds in two places are the same bytes", () => {
  for (const file of ["tarball", "binary"] as const) {
    const same = readFileSync(built[file]).equals(readFileSync(builtAgain[file]));
    expect({ file, same }).toEqual({ file, same: true });
  }
});

test("no file of the package or the binary holds a path of the machine that built it", () => {
  const paths = [built.directory, join(ROOT, "node_modules")].flatMap((path) => [
    Buffer.from(path),
    Buffer.from(path, "utf16le"),
  ]);
  for (const file of [...files().map((file) => join(installed, file)), built.binary]) {
    if (statSync(file).isDirectory()) continue;
    const bytes = readFileSync(file);
    expect({ file, holds: paths.some((path) => bytes.includes(path)) }).toEqual({ file, holds: false });
  }
  for (const file of files().filter((file) => file.endsWith(".map"))) {
    const { sources, sourcesContent } = JSON.parse(readFileSync(join(installed, file), "utf8"));
    expect(sources.filter((source: string) => !source.startsWith("../"))).toEqual([]);
    expect(sourcesContent).toHaveLength(sources.length);
  }
});

describe("the installed package", () => {
  test("holds what a user needs, and not the standalone binary", () => {
    for (const file of [
      "package.json",
      "README.md",
      "LICENSE",
      "CHANGELOG.md",
      "dist/index.js",
      "dist/index.js.map",
      "dist/servers.js",
      "dist/whole.js",
      "dist/register.js",
      "dist/register/main.js",
      "dist/cli/main.js",
      "dist/cli/main.js.jsc",
      "dist/cli/command.js",
      "dist/cli/command.js.jsc",
      "docs/library.md",
      "examples/server.ts",
      "man/sd-notify.1",
    ]) {
      expect(files()).toContain(file);
    }
    expect(files()).not.toContain("dist/sd-notify");
    expect(files().filter((file) => /^(test|src|ffi|bench|node_modules)\b/.test(file))).toEqual([]);
  });

  test("has a package.json for those who install it, on any system", async () => {
    const manifest = await Bun.file(join(installed, "package.json")).json();
    for (const name of ["private", "scripts", "devDependencies", "allowScripts", "trustedDependencies", "os"]) {
      expect(manifest).not.toHaveProperty(name);
    }
    // npm links no manual page that is not in a list.
    expect(manifest.man).toContain("./man/sd-notify.1");
    for (const page of manifest.man) expect(files()).toContain(page.slice(2));
  });

  test("has all that its pages link to", () => {
    for (const file of files().filter((file) => file.endsWith(".md"))) {
      const targets = readFileSync(join(installed, file), "utf8").matchAll(/\]\((?!https?:)([^)#]+)/g);
      for (const [, target = ""] of targets) {
        const path = join(dirname(file), target);
        const exists = existsSync(join(installed, path));
        expect({ file, target, exists }).toEqual({ file, target, exists: true });
      }
    }
  });

  test.each([
    ["publint", ["publint", "--strict", "--level=warning"]],
    // An ES module, which CommonJS has no types of.
    ["Are The Types Wrong?", ["attw", "--profile=esm-only", "--no-emoji"]],
  ])(
    "has nothing for %s to find",
    async (_, [linter = "", ...args]) => {
      const command = [BUN, join(ROOT, "node_modules/.bin", linter), built.tarball, ...args];
      const { code, stdout, stderr } = await run(command, { env: { NO_COLOR: "1" } });
      expect({ code, output: code === 0 ? "" : stdout + stderr }).toEqual({ code: 0, output: "" });
    },
    30_000,
  );

  test.each([
    ["monitor", ["monitor", "--json", "--", "sh", "-c", "sd-notify --ready"], '"text":"READY=1"'],
    ["doctor", ["doctor"], "libc can be called"],
    ["run", ["run", "--ready-log=started", "--", "echo", "started"], "started"],
    [
      "bridge and probe",
      ["bridge", "--notify-access=all", "--", "sh", "-c", "sd-notify --ready; sd-notify probe --pid=$PPID"],
      "ready: active for ",
    ],
  ])(
    "has %s",
    async (_, args, told) => {
      await using receiver = await openReceiver();
      const env = { PATH: `${join(app, "node_modules/.bin")}:${PATH}`, NOTIFY_SOCKET: receiver.address };
      for (const command of [
        [NOTIFY],
        ["bunx", "sd-notify"],
        [BUN, join(installed, "dist/cli/main.js")],
        [built.binary],
      ]) {
        const { stdout, stderr } = await run([...command, ...args], { cwd: app, env });
        expect({ command, stderr }).toEqual({ command, stderr: "" });
        expect(stdout).toContain(told);
      }
    },
    20_000,
  );

  test("names its source in the stack of an error", async () => {
    await Bun.write(join(app, "wrong.ts"), 'import { notify } from "sd-notify";\nnotify({ status: "a\\nb" });\n');
    const { code, stderr } = await run([BUN, "wrong.ts"], { cwd: app, env: { PATH } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/at notify \(.*\/node_modules\/sd-notify\/src\/notify\.ts:\d+:\d+\)/);
    const [line, column] = /check\.ts:(\d+):(\d+)/.exec(stderr)?.slice(1).map(Number) ?? [];
    const source = readFileSync(join(ROOT, "src/protocol/check.ts"), "utf8").split("\n")[(line ?? 0) - 1];
    expect(source?.slice((column ?? 0) - 1)).toMatch(/^(new )?TypeError/);
  });

  test("is imported by its name", async () => {
    await using receiver = await openReceiver();
    await Bun.write(
      join(app, "use.ts"),
      `import { barrier, booted, notify, notifyRaw, type State, SystemError } from "sd-notify";
       const state: State = { ready: true };
       const results: boolean[] = [notify(state), await barrier({ timeoutMs: 5000 }), notifyRaw("X=1")];
       console.log(results.join(), typeof booted(), SystemError.name);`,
    );
    const env = { PATH, NOTIFY_SOCKET: receiver.address };
    expect(await run([BUN, "use.ts"], { cwd: app, env })).toMatchObject({
      stdout: "true,true,true boolean SystemError\n",
      stderr: "",
    });
    expect((await receiver.next()).text).toBe("READY=1");
  }, 20_000);

  test("makes a program a unit, by its name", async () => {
    await using receiver = await openReceiver();
    await Bun.write(join(app, "unmodified.ts"), "Bun.serve({ port: 0, fetch: () => new Response() });");
    const child = Bun.spawn([BUN, "--preload", "sd-notify/register", "unmodified.ts"], {
      cwd: app,
      env: { PATH, NOTIFY_SOCKET: receiver.address },
    });
    expect((await receiver.next()).text).toStartWith("READY=1\nSTATUS=Listening on http://");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  });

  test.each([
    ["lib.dom", { lib: ["esnext", "dom"], types: [] }],
    ["@types/bun", { lib: ["esnext"], types: ["bun"] }],
  ])(
    "has types for the strictest settings, with %s",
    async (_, types) => {
      const hasBun = types.types.includes("bun");
      const bunTypes = `export const typed = await serve({
        name: "http",
        routes: { "/user/:id": (request) => new Response(request.params.id) },
        websocket: { message: (socket) => void socket.send("x") },
        fetch: (request, server) => new Response(server.requestIP(request)?.address),
      });`;
      await Bun.write(
        join(app, "typed.mts"),
        `import { notify, serve, type State } from "sd-notify";
       import { openReceiver, type Verdict } from "sd-notify/testing";
       export const state: State = { ready: true };
       export const sent: boolean = notify(state);
       export const server = await serve({ fetch: (request: Request) => new Response(request.url) });
       export const verdict = async (): Promise<Verdict> => (await openReceiver().next()).verdict;
       ${hasBun ? bunTypes : ""}
       // @ts-expect-error: no such field
       export const wrong: State = { redy: true };`,
      );
      const options = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
      for (const resolution of [{ module: "nodenext" }, { module: "preserve", moduleResolution: "bundler" }]) {
        const typeRoots = [join(ROOT, "node_modules/@types")];
        const compilerOptions = { ...options, ...resolution, ...types, typeRoots, target: "esnext", noEmit: true };
        await Bun.write(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["typed.mts"] }));
        const { code, stdout, stderr } = await run([join(ROOT, "node_modules/.bin/tsc"), "-p", "."], { cwd: app });
        // The options of serve() are Bun's, which nothing else declares.
        const others = (stdout + stderr).split("\n").filter((line) => line !== "" && (hasBun || !BUN_ALONE.test(line)));
        expect({ code, others }).toEqual({ code: hasBun ? 0 : 1, others: [] });
      }
    },
    20_000,
  );

  describe.each([
    [
      "has a receiver for tests",
      // 300 without a turn of the event loop are more than the socket's queue holds.
      `import { notify } from "sd-notify";
      import { openReceiver } from "sd-notify/testing";
      const receiver = openReceiver();
      for (let i = 0; i < 300; i++) notify({ status: String(i) }, { socket: receiver.address });
      notify({ ready: true }, { socket: receiver.address });
      receiver.waitFor({ ready: true }).then(({ text }) => console.log(text));`,
      "READY=1\n",
    ],
    [
      "has servers in a file of their own",
      `import { listenFds, serve, SystemError, storeFds } from "sd-notify";
      console.log(listenFds().length);
      try {
        process.env.NOTIFY_SOCKET = "/nowhere/notify";
        storeFds([0]);
      } catch (error) {
        console.log(error instanceof SystemError, error.name, error.code);
      }
      delete process.env.NOTIFY_SOCKET;
      serve({ port: 0, fetch: () => new Response("served") }).then(async (server) => {
        console.log(await (await fetch(server.url)).text());
        await server.stop(true);
      });`,
      "0\ntrue SystemError ENOENT\nserved\n",
    ],
  ])("%s", (_, source, stdout) => {
    test("that is there as it is", async () => {
      await Bun.write(join(app, "program.ts"), source);
      expect(await run([BUN, "program.ts"], { cwd: app, env: { PATH } })).toMatchObject({ stdout, stderr: "" });
    });

    test.each([
      "--target=bun",
      "--target=bun --minify",
      "--target=bun --format=cjs",
      // As bundlers other than Bun's resolve it.
      "--target=bun --conditions=module",
      "--compile",
      "--compile --minify --bytecode --format=esm",
    ])(
      "that is there in a bundle (%s)",
      async (words) => {
        const options = words.split(" ");
        using project = temporaryDirectory();
        using elsewhere = temporaryDirectory();
        cpSync(join(app, "node_modules"), join(project.path, "node_modules"), { recursive: true });
        await Bun.write(join(project.path, "program.ts"), source);
        const isCompiled = options[0] === "--compile";
        const out = join(elsewhere.path, isCompiled ? "program" : "program.js");
        const built = await run([BUN, "build", "program.ts", ...options, "--outfile", out], { cwd: project.path });
        expect(built).toMatchObject({ code: 0 });
        rmSync(project.path, { recursive: true });
        mkdirSync(project.path);
        const command = isCompiled ? [out] : [BUN, out];
        const result = await run(command, { cwd: elsewhere.path, env: { PATH } });
        expect(result).toMatchObject({ code: 0, stdout, stderr: "" });
      },
      30_000,
    );
  });

  test("looks for its files beside itself, whatever the program or the working directory has", async () => {
    using hostile = temporaryDirectory();
    await Bun.write(join(hostile.path, "servers.js"), 'export default () => ({ listenFds: () => "theirs" });');
    const source = `import { createRequire } from "node:module";
      globalThis.require = createRequire(process.cwd() + "/program.mjs");
      const { listenFds } = await import("sd-notify");
      console.log(listenFds());`;
    await Bun.write(join(app, "hostile.mjs"), source);
    const result = await run([BUN, join(app, "hostile.mjs")], { cwd: hostile.path, env: { PATH } });
    expect(result).toMatchObject({ code: 0, stdout: "[]\n", stderr: "" });
  });

  test.each([
    ["what is there at once", "notify({})", "src/protocol/encode.ts", "nothing to say"],
    ["what is loaded late", 'storeFds("3")', "src/server/fd-store.ts", '"fds", "an array with a file descriptor"'],
    ["what is between them", "await serve(3)", "src/lazy/index.ts", "return await loadServers().serve(options)"],
  ])("shows the source in the stack of an error: %s", async (_, call, file, text) => {
    const program = `import { notify, serve, storeFds } from "sd-notify";
      try { ${call} } catch (error) { console.log(error.stack); }`;
    await Bun.write(join(app, "stack.mjs"), program);
    const { stdout } = await run([BUN, "stack.mjs"], { cwd: app, env: { PATH } });
    const lines = (await Bun.file(join(ROOT, file)).text()).split("\n");
    const [, line] = new RegExp(`/${file}:(\\d+):\\d+`).exec(stdout) ?? [];
    expect({ stdout, line: lines[Number(line) - 1] }).toEqual({ stdout, line: expect.stringContaining(text) });
  });

  test("has the same exports for Bun and for bundlers, under their own names", async () => {
    const listing = (file: string) => `
      const exports = await import(${JSON.stringify(join(installed, file))});
      console.log(JSON.stringify(Object.entries(exports).map(([name, its]) => [name, its.name])));`;
    const [lazy, whole] = await Promise.all(
      ["dist/index.js", "dist/whole.js"].map(async (file) => (await run([BUN, "-e", listing(file)])).stdout),
    );
    expect(JSON.parse(lazy as string)).toEqual(JSON.parse(whole as string));
    for (const [name, its] of JSON.parse(lazy as string)) expect(its).toBe(name);
  });
});

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

test("dist/index.js loads nothing at its start, and dist/servers.js nothing at all", async () => {
  for (const file of ["index.js", "servers.js"]) {
    const source = await Bun.file(join(ROOT, "dist", file)).text();
    const imported = new Bun.Transpiler({ loader: "js" }).scanImports(source);
    expect(imported.map(({ path, kind }) => `${kind} ${path}`)).toEqual(
      file === "index.js" ? ["require-call ./servers.js"] : [],
    );
  }
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
])(titled("dist/cli/main.js loads nothing for a notification%s", noSetpriv), async (_, prefix) => {
  await using receiver = await openReceiver();
  const file = join(directory.path, "loaded.ts");
  await Bun.write(
    file,
    `const { default: Module } = await import("node:module");
     const { writeSync } = await import("node:fs");
     const load = Module.prototype.require;
     // The command ends without the event of that.
     Module.prototype.require = function (name: string) { writeSync(1, name + "\\n"); return load.call(this, name); };
     require(${JSON.stringify(join(ROOT, "dist/cli/main.js"))});`,
  );
  const result = await run([...prefix, BUN, file, "--ready"], { env: { PATH, NOTIFY_SOCKET: receiver.address } });
  expect(result).toMatchObject({ code: 0, stdout: `${join(ROOT, "dist/cli/main.js")}\n` });
});

/** What skipLibCheck is for without @types/bun. */
const BUN_ALONE = /^node_modules\/sd-notify\/dist\/types\/src\/server\/serve\.d\.ts\(.*'Bun'/;
