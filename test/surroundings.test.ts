import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUN, COMMANDS, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { openReceiver } from "./support/receiver.ts";

/** What the working directory and the environment could make another program of Bun's do. */
const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());
const marker = join(directory.path, "marker");
const evil = join(directory.path, "evil.js");
const FILES: Record<string, string> = {
  "evil.js": `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "executed")`,
  ".env": "NOTIFY_SOCKET=@sd-notify-wrong\nX_ENV=1\n",
  ".env.local": "NOTIFY_SOCKET=@sd-notify-wrong\n",
  "bunfig.toml": 'preload = ["./evil.js"]\n[run]\nshell = "bun"\n',
  ".bunfig.toml": 'preload = ["./evil.js"]\n',
  "package.json": '{ "type": "commonjs", "main": "./evil.js", "imports": { "#*": "./evil.js" } }',
  "tsconfig.json": '{ "compilerOptions": { "paths": { "*": ["./evil.js"] } } }',
  "node_modules/citty/index.js": 'require("../../evil.js")',
  "libc.so.6": "no library",
};
write(directory.path, FILES);

const VARIABLES: [name: string, value: string][] = [
  ["HOME", directory.path],
  ["XDG_CONFIG_HOME", directory.path],
  ["NODE_OPTIONS", `--require=${evil}`],
  ["NODE_PATH", join(directory.path, "node_modules")],
  ["NODE_ENV", "test"],
  ["NODE_V8_COVERAGE", join(directory.path, "coverage")],
  ["NODE_EXTRA_CA_CERTS", "/nonexistent"],
  ["NODE_CHANNEL_FD", "99"],
  ["BUN_PRELOAD", evil],
  ["BUN_CONFIG_VERBOSE_FETCH", "curl"],
  ["BUN_RUNTIME_TRANSPILER_CACHE_PATH", directory.path],
  ["BUN_INTERNAL_IPC_FD", "1"],
  ["BUN_TMPDIR", "/nonexistent"],
  ["TMPDIR", "/nonexistent"],
  ["UV_THREADPOOL_SIZE", "0"],
  ["GOMAXPROCS", "0"],
  ["FORCE_COLOR", "3"],
];

const [, [binary = ""]] = COMMANDS[0] ?? ["", []];

describe("the binary does the same, whatever surrounds it:", () => {
  test.each([["nothing but the files", ""], ...VARIABLES])("%s", async (name, value) => {
    await using receiver = await openReceiver();
    const env = { NOTIFY_SOCKET: receiver.address, ...(value ? { [name]: value } : {}) };
    const before = readdirSync(directory.path).sort();
    const result = await run([binary, "--ready", "--status=as ever"], { env, cwd: directory.path });
    expect(result).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect((await receiver.next()).text).toBe("READY=1\nSTATUS=as ever");
    expect(existsSync(marker)).toBe(false);
    expect(readdirSync(directory.path).sort()).toEqual(before);
  });

  test("its help, and what it says is wrong, load nothing of the files", async () => {
    expect((await run([binary, "--help"], { cwd: directory.path })).code).toBe(0);
    expect((await run([binary, "--bogus"], { cwd: directory.path })).stderr).toContain("unknown option");
    expect((await run([binary, "--ready"], { cwd: directory.path })).stderr).toContain("$NOTIFY_SOCKET is not set");
    expect(existsSync(marker)).toBe(false);
  });

  test("--exec hands on the environment as it was, without what .env says", async () => {
    await using receiver = await openReceiver();
    const env = { NOTIFY_SOCKET: receiver.address };
    const { stdout } = await run([binary, "--exec", "A=1", ";", "env"], { env, cwd: directory.path });
    expect(stdout).toContain(`NOTIFY_SOCKET=${receiver.address}`);
    expect(stdout).not.toContain("X_ENV");
  });

  // Bun reads them before the first line of the program. The README says how a unit unsets them.
  test("BUN_BE_BUN and BUN_OPTIONS=--help make it Bun, as the README says", async () => {
    expect((await run([binary, "--version"], { env: { BUN_BE_BUN: "1" } })).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await run([binary, "--ready"], { env: { BUN_OPTIONS: "--help" } })).stdout).toContain("bun");
  });

  test.each([
    ["BUN_OPTIONS", `--preload=${evil}`, /EvalError: Code generation from strings disallowed/],
    ["BUN_OPTIONS", `--disallow-code-generation-from-strings --preload=${evil}`, /EvalError/],
    ["BUN_INSPECT_PRELOAD", evil, /EvalError/],
    ["BUN_INSPECT", "127.0.0.1:0", /BUN_INSPECT cannot be used/],
  ])("%s=%s runs no code of another's: it sends nothing", async (name, value, why) => {
    await using receiver = await openReceiver();
    const env = { NOTIFY_SOCKET: receiver.address, [name]: value };
    const result = await run([binary, "--ready"], { env, cwd: directory.path });
    expect({ code: result.code, marker: existsSync(marker) }).toEqual({ code: 1, marker: false });
    expect(result.stderr).toMatch(why);
    await run([binary, "--status=the first that arrives"], { env: { NOTIFY_SOCKET: receiver.address } });
    expect((await receiver.next()).text).toBe("STATUS=the first that arrives");
  });

  test("BUN_INSPECT_CONNECT_TO connects to nothing, with a warning", async () => {
    await using receiver = await openReceiver();
    const env = { NOTIFY_SOCKET: receiver.address, BUN_INSPECT_CONNECT_TO: `unix://${join(directory.path, "none")}` };
    const { code, stderr } = await run([binary, "--ready"], { env });
    expect({ code, lines: stderr.trim().split("\n").length }).toEqual({ code: 0, lines: 1 });
    expect(stderr).toStartWith("warn: BUN_INSPECT_CONNECT_TO is ignored");
    expect((await receiver.next()).text).toBe("READY=1");
  });
});

describe("the package's command, run by Bun,", () => {
  /** Without what Bun itself obeys before it runs a script, see below. */
  const surroundings = temporaryDirectory();
  afterAll(() => surroundings[Symbol.dispose]());
  const OTHERS: Record<string, string> = {
    "evil.js": FILES["evil.js"] ?? "",
    "package.json": FILES["package.json"] ?? "",
    "tsconfig.json": '{ "compilerOptions": { "paths": { "citty": ["./evil.js"], "bun:ffi": ["./evil.js"] } } }',
    ...Object.fromEntries(
      ["citty", "bun:ffi", "node:fs", "sd-notify", "bun"].map((name) => [
        `node_modules/${name}/index.js`,
        'require("../../evil.js")',
      ]),
    ),
  };
  write(surroundings.path, OTHERS);
  const command = [BUN, `${ROOT}dist/cli/main.js`];
  const ran = () => {
    const executed = existsSync(marker);
    rmSync(marker, { force: true });
    return executed;
  };

  test.each([
    [["--ready"], 0],
    [["--help"], 0],
    [["--bogus"], 1],
    [["--exec", "A=1", ";", "true"], 0],
    [["--fork", "-q", "--", "true"], 0],
    [["run", "--help"], 0],
    [["run", "--", "true"], 0],
    [["monitor", "--", "true"], 3],
    [["doctor"], 0],
  ])("executes nothing from its working directory: %j", async (args, code) => {
    await using receiver = await openReceiver();
    const result = await run([...command, ...args], {
      env: { NOTIFY_SOCKET: receiver.address },
      cwd: surroundings.path,
    });
    expect({ code: result.code, executed: ran() }).toEqual({ code, executed: false });
  });

  // Bun does so before the first line of the package. docs/hardening.md says so.
  test.each<[string, Record<string, string>]>([
    ["bunfig.toml", { "bunfig.toml": 'preload = ["./evil.js"]' }],
    ["tsconfig.json", { "tsconfig.json": '{ "compilerOptions": { "paths": { "*": ["./evil.js"] } } }' }],
  ])("obeys %s there, as every script of Bun does", async (_, files) => {
    using there = temporaryDirectory();
    write(there.path, { "evil.js": FILES["evil.js"] ?? "", ...files });
    await run([...command, "--ready"], { cwd: there.path });
    expect(ran()).toBe(true);
    await run([binary, "--ready"], { cwd: there.path });
    expect(ran()).toBe(false);
  });

  test("takes the variables of .env there, but for those that it has", async () => {
    await using receiver = await openReceiver();
    using there = temporaryDirectory();
    write(there.path, { ".env": "NOTIFY_SOCKET=@sd-notify-wrong" });
    const given = { NOTIFY_SOCKET: receiver.address };
    expect((await run([...command, "--ready"], { env: given, cwd: there.path })).stderr).toBe("");
    expect((await run([...command, "--ready"], { cwd: there.path })).stderr).toContain("connect @sd-notify-wrong");
    expect((await run([binary, "--ready"], { cwd: there.path })).stderr).toContain("$NOTIFY_SOCKET is not set");
  });
});

const noPrlimit = missing("prlimit");
const limited = (megabytes: number, command: string[]) => ["prlimit", `--as=${megabytes * 2 ** 20}`, ...command];

describe("with little room", () => {
  test.skipIf(Boolean(noPrlimit)).each([512, 1024])(
    titled("under LimitAS=%dM the binary sends by itself", noPrlimit),
    async (megabytes) => {
      await using receiver = await openReceiver();
      // No systemd-notify in reach.
      const env = { NOTIFY_SOCKET: receiver.address, PATH: "/nowhere" };
      const result = await run(limited(megabytes, [binary, "--ready"]).with(0, Bun.which("prlimit") ?? ""), { env });
      expect(result).toMatchObject({ code: 0, stderr: "" });
      expect((await receiver.next()).text).toBe("READY=1");
    },
  );

  test.skipIf(Boolean(noPrlimit)).each([
    ["run", 512],
    // It has a thread for the messages.
    ["monitor", 896],
  ] as const)(
    titled("%s starts a program there, which has its caller's environment", noPrlimit),
    async (tool, megabytes) => {
      const { code, stderr } = await run(limited(megabytes, [binary, tool, "--", "sh", "-c", "env >&2; exit 3"]), {
        env: { A: "1" },
      });
      expect(code).toBe(3);
      expect(stderr).toContain("A=1\n");
      expect(stderr).not.toContain("BUN_JSC");
    },
  );

  test.skipIf(Boolean(noPrlimit))(
    titled("what --exec and --fork start there has its caller's environment", noPrlimit),
    async () => {
      await using receiver = await openReceiver();
      const env = { NOTIFY_SOCKET: receiver.address, A: "1" };
      const exec = await run(limited(1024, [binary, "--exec", "A=1", ";", "env"]), { env });
      expect(exec).toMatchObject({ code: 0, stderr: "" });
      expect(exec.stdout).toContain("A=1\n");
      expect(exec.stdout).not.toContain("BUN_JSC");
      const fork = await run(limited(1024, [binary, "--fork", "--", "sh", "-c", "env >&2; exit 3"]), { env });
      expect(fork.code).toBe(3);
      expect(fork.stderr).toContain("A=1\n");
      expect(fork.stderr).not.toContain("BUN_JSC");
      const set = { ...env, BUN_JSC_jitMemoryReservationSize: "8388608" };
      expect((await run(limited(1024, [binary, "--exec", "A=1", ";", "env"]), { env: set })).stdout).toContain(
        "Size=8388608",
      );
    },
  );

  test.skipIf(Boolean(noPrlimit))(
    titled("--exec there says which file descriptors it would lose, and executes nothing", noPrlimit),
    async () => {
      await using receiver = await openReceiver();
      const script = `exec "$@" 3</dev/null 5</dev/null`;
      const command = limited(1024, [binary, "--exec", "A=1", ";", "echo", "executed"]);
      const { code, stdout, stderr } = await run(["sh", "-c", script, "sh", ...command], {
        env: { NOTIFY_SOCKET: receiver.address },
      });
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toEndWith("and --exec would lose the file descriptors 3, 5 in the hands of systemd-notify\n");
    },
  );
});

function write(directory: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(directory, name, ".."), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
}
