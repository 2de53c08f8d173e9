import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { layout } from "../ffi/datagram-layout.ts";
import { iovec, msghdr, pollfd, sockaddr_un, statfs, timespec } from "../ffi/layouts.ts";
import { parsePlain } from "../src/cli/plain.ts";
import { BUN, isRoot, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { buildLongBinary, buildLongScript } from "./support/long-way.ts";
import { openReceiver, type Receiver } from "./support/receiver.ts";

// Every call is made twice, by the same shell: of the command as it is, and of one that has no short way.
const directory = temporaryDirectory();
const project = join(directory.path, "project");
const modules = join(project, "node_modules");
const [SHORT, LONG] = [join(directory.path, "short"), join(directory.path, "long")];
const SCRIPTS: [short: string, long: string] = [
  join(modules, "sd-notify/dist/cli/main.js"),
  join(modules, "long-notify/main.js"),
];

beforeAll(async () => {
  chmodSync(directory.path, 0o755);
  mkdirSync(join(modules, ".bin"), { recursive: true });
  cpSync(join(ROOT, "dist/cli"), join(modules, "sd-notify/dist/cli"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(modules, "sd-notify/package.json"));
  cpSync(join(ROOT, "dist/sd-notify"), SHORT);
  mkdirSync(join(modules, "long-notify"));
  await Promise.all([buildLongBinary(LONG), buildLongScript(SCRIPTS[1])]);
  const scripts = { "sd-notify": "sd-notify", "long-notify": "long-notify" };
  await Bun.write(join(modules, "long-notify/package.json"), '{ "name": "long-notify", "bin": "main.js" }');
  await Bun.write(join(project, "package.json"), JSON.stringify({ name: "project", scripts }));
  symlinkSync("../sd-notify/dist/cli/main.js", join(modules, ".bin/sd-notify"));
  symlinkSync("../long-notify/main.js", join(modules, ".bin/long-notify"));
  for (const name of ["bun", "bunx"]) symlinkSync(BUN, join(directory.path, name));
}, 60_000);
afterAll(() => directory[Symbol.dispose]());

/** What one call did: its output and exit status, and what came of it. */
interface Observation {
  output: string[];
  messages: object[];
}

interface Surroundings {
  /** Two commands to compare, as words of a shell. */
  commands: readonly [short: string, long: string];
  /** What the shell is started by. */
  prefix?: string[];
  env?: Record<string, string>;
  /** Two receivers. */
  addresses?: [string | undefined, string | undefined];
}

/** Has a shell make each call twice, and returns what both have done, call by call as far as the output goes. */
async function observe(calls: string[], surroundings: Surroundings): Promise<[Observation, Observation]> {
  const { commands, prefix = [], env = {}, addresses = [undefined, undefined] } = surroundings;
  await using first = await openReceiver(addresses[0]);
  await using second = await openReceiver(addresses[1]);
  const receivers = [first, second] as const;
  const lines = ["echo $$"];
  for (const call of calls) {
    for (const [i, command] of commands.entries()) {
      lines.push(`echo '#${i}'; { NOTIFY_SOCKET=${receivers[i]?.address} ${command} ${call}; } 2>&1; echo "= $?"`);
    }
  }
  const script = join(directory.path, `${crypto.randomUUID()}.sh`);
  await Bun.write(script, `${lines.join("\n")}\n`);
  const result = await run([...prefix, "sh", script], {
    cwd: project,
    env: { PATH: `${directory.path}:${dirname(BUN)}:${process.env.PATH}`, ...env },
  });
  expect(result.stderr).toBe("");
  const [shell = "", ...outputs] = result.stdout.split(/^#(?=[01]\n)/m);
  const observations = await Promise.all(
    receivers.map(async (receiver, i) => ({
      output: outputs.filter((output) => output.startsWith(`${i}`)).map((output) => normalize(output, receiver, i)),
      messages: await messagesTo(receiver, Number(shell)),
    })),
  );
  return observations as [Observation, Observation];
}

/** The output, without what is another for each process: the address, and the pid that --fork prints. */
function normalize(output: string, { address }: Receiver, index: number): string {
  return output
    .slice(2)
    .replaceAll(address, "ADDRESS")
    .replaceAll(SCRIPTS[index] ?? "", "SCRIPT")
    .replace(/^\d+$/m, "PID");
}

/** What has come, likewise. */
async function messagesTo(receiver: Receiver, shell: number): Promise<object[]> {
  const end = await run([LONG, "--pid=self", "--no-block", "X_END=1"], { env: { NOTIFY_SOCKET: receiver.address } });
  const messages: object[] = [];
  for (;;) {
    const { text, pid, uid, gid, fds, length, sha256 } = await receiver.next();
    if (pid === end.pid) return messages;
    const named = (name: string) =>
      Number(name) === shell ? "the caller" : Number(name) === pid ? "the sender" : name;
    const ofSelf = pid !== shell && !text.includes(`MAINPID=${shell}`);
    const same = text
      .replace(/MONOTONIC_USEC=\d+/, "MONOTONIC_USEC=now")
      .replace(/\bMAINPID=(\d+)$/m, (_, name) => `MAINPID=${named(name)}`)
      .replace(/\bMAINPIDFDID=\d+/, (found) => (ofSelf ? "MAINPIDFDID=its own" : found));
    messages.push({
      text: same,
      length: same === text ? length : 0,
      sha256: same === text ? sha256 : "",
      pid: pid === shell ? "the caller" : "the command",
      uid,
      gid,
      // A barrier's is a pipe.
      fds: fds.map(({ mode }) => mode),
    });
  }
}

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
const call = (...words: string[]) => words.map(quote).join(" ");

/** Messages of every kind that the short way knows, and their neighbours. */
const CALLS = [
  ...["--ready", "--stopping", "--reloading", "--pid", "--status=", "--status=ü ✓ 日本語 🎉", "A=1"].flatMap((word) => [
    call(word),
    call(word, "--no-block"),
    call(word, word),
    call(word, "--ready", "B=2"),
  ]),
  call("--pid", "--status=s", "--reloading", "--stopping", "--ready", "X=1"),
  call("--status=a", "--status=b"),
  call("--status", "--ready"),
  call("--status=a\nSTATUS=b", "STATUS=c"),
  call("--status=a\nB=2", "B=3"),
  call("--ready", "READY=0"),
  call("--ready", "READY"),
  call("A=1", "A=2"),
  call("AB=1", "A"),
  call("=", "="),
  call("="),
  call(""),
  call("", "A=1"),
  call("-", "A=1"),
  call("-q", "--ready"),
  call("--", "--ready"),
  call("A=1", "--", "--ready"),
  call("--ready", "--"),
  call("--read"),
  call("--no-block"),
  call(),
  call("monitor=1"),
  call("--status=\uFFFD"),
  "A=\"$(printf '\\377')\"",
  "--status=\"$(printf '\\303')\" B=2",
  ...[255, 256, 257, 4096, 30_000, 32_000, 32_240, 32_260, 33_000, 100_000].flatMap((length) => [
    call(`A=${"x".repeat(length)}`),
    call(`A=${"x".repeat(length)}ü`),
    call(`A=${"🎉".repeat(length / 4)}`),
  ]),
  call("--ready", "--pid=self"),
  call("--ready", "--pid=parent"),
  call("--fd=0", "--fdname=x"),
  call("--uid=nobody", "--ready"),
  call("--exec", "--ready", ";", "echo", "x"),
  call("--fork", "--", "sh", "-c", "exit 3"),
  call("--booted"),
  call("--bogus"),
];

const SETPRIV = isRoot ? missing("setpriv") : "not root";
const PREFIXES: [name: string, prefix: string[], skipped: string | undefined][] = [
  ["as it is", [], undefined],
  ["without privilege", ["setpriv", "--bounding-set=-all", "--inh-caps=-all"], SETPRIV],
  ["as another user", ["setpriv", "--reuid=65534", "--regid=65533", "--clear-groups"], SETPRIV],
];

const WAYS: [name: string, commands: [string, string]][] = [
  ["the binary", [SHORT, LONG]],
  ["the package", SCRIPTS.map((script) => `bun ${script}`) as [string, string]],
  ["node_modules/.bin", [join(modules, ".bin/sd-notify"), join(modules, ".bin/long-notify")]],
  ["bunx", ["bunx --no-install sd-notify", "bunx --no-install long-notify"]],
  ["bun run", ["bun run --silent sd-notify", "bun run --silent long-notify"]],
];

/** What goes through a launcher takes long. */
const FEW_CALLS = [
  ...["--ready", "--reloading", "--pid", "--status=ü", "A=1"].map((word) => call(word)),
  call("--stopping", "--status=s", "--pid", "--no-block"),
  call("--", "--ready"),
  call("A=1", "A=2"),
  call("--ready", "--pid=parent"),
  call("--bogus"),
];

describe.each(WAYS)("%s does the same without its short way", (way, commands) => {
  const calls = way === "the binary" || way === "the package" ? CALLS : FEW_CALLS;

  for (const [name, prefix, skipped] of PREFIXES) {
    test.skipIf(skipped !== undefined)(
      titled(name, skipped),
      async () => {
        const [short, long] = await observe(calls, { commands, prefix });
        expect(short).toEqual(long);
        expect(long.messages.length).toBeGreaterThan(calls.length);
      },
      60_000,
    );
  }
});

describe("the binary does the same without its short way", () => {
  const commands = [SHORT, LONG] as const;
  const few = FEW_CALLS;

  test.each<[string, Record<string, string>]>([
    ["of a user's manager that is another process", { MANAGERPID: `${process.pid}` }],
    ["of a manager that is none", { MANAGERPID: "2147483647" }],
    ["of a manager that is its parent", { MANAGERPID: "$$" }],
    ["of a launcher", { npm_lifecycle_event: "x", npm_lifecycle_script: "y" }],
  ])("in the environment %s", async (_, env) => {
    // The shell's own pid is known to the shell alone.
    const words = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const both = commands.map((command) => `${words.join(" ")} ${command}`) as [string, string];
    const [short, long] = await observe(few, { commands: both });
    expect(short).toEqual(long);
  });

  test.each([
    ["/", "not a socket's path"],
    ["/nowhere/notify", "a path where nothing is"],
    [`/${"x".repeat(106)}`, "a path of 107 bytes"],
    [`/${"x".repeat(107)}`, "a path of 108 bytes"],
    [`@${"x".repeat(107)}`, "a name of 107 bytes"],
    [`@${"x".repeat(108)}`, "a name of 108 bytes"],
    ["@", "no name"],
    ["x", "no address"],
    ["", "nothing"],
    ["@\uFFFD", "a name with U+FFFD"],
    ["vsock:2:x", "a vsock address"],
    [`/${"x".repeat(50_000)}`, "a path of 50,000 bytes"],
  ])("when nobody listens at %p: %s", async (NOTIFY_SOCKET) => {
    const of = async (command: string) => {
      const { code, stdout, stderr } = await run([command, "--ready"], { env: { NOTIFY_SOCKET } });
      return { code, stdout, stderr };
    };
    const [short, long] = [await of(SHORT), await of(LONG)];
    expect(short).toEqual(long);
    expect(long.code).toBe(1);
  });

  test("by a path, and by the longest name", async () => {
    for (const name of [(i: number) => join(directory.path, `socket${i}`), (i: number) => `@${i}`.padEnd(108, "x")]) {
      const [short, long] = await observe(few, { commands, addresses: [name(1), name(2)] });
      expect(short).toEqual(long);
    }
  });

  test("when nobody answers the barrier", async () => {
    const of = async (command: string) => {
      await using receiver = await openReceiver(undefined, { hold: true });
      const { code, stderr } = await run([command, "--ready"], { env: { NOTIFY_SOCKET: receiver.address } });
      const texts = [(await receiver.next()).text, (await receiver.next()).text];
      await run([LONG, "--no-block", "X_END=1"], { env: { NOTIFY_SOCKET: receiver.address } });
      return {
        code,
        stderr: stderr.replace(receiver.address, "ADDRESS"),
        texts: [...texts, (await receiver.next()).text],
      };
    };
    const [short, long] = await Promise.all([of(SHORT), of(LONG)]);
    expect(short).toEqual(long);
    expect(short).toMatchObject({ code: 1, texts: ["READY=1", "BARRIER=1", "X_END=1"] });
  }, 20_000);
});

// --- random arguments ---

const SEED = Number(process.env.SEED ?? 20260101);
/** `LISTS=10000 npm test short-way` takes a minute longer. */
const LISTS = Number(process.env.LISTS ?? 2000);
const PLAIN_WORDS = [
  ...[
    "--ready",
    "--ready",
    "--stopping",
    "--reloading",
    "--pid",
    "--no-block",
    "--status=",
    "--status=a b",
    "--status=ü",
  ],
  ...["--status=🎉\n\t'\"\\", "A=1", "A=2", "B=ü", "READY=0", "STATUS=x", "MAINPID=1", "X=a\nA=1", "=", "==", "ü=1"],
];
const OTHER_WORDS = [
  ...[
    "--",
    "-",
    "-q",
    "",
    "A",
    "READY",
    "--read",
    "--re",
    "--st=x",
    "--status",
    "--pid=self",
    "--pid=parent",
    "--pid=",
  ],
  ...[
    "--bogus",
    "--help",
    "--booted",
    "--fd=0",
    "--fdname=x",
    "--exec",
    ";",
    "true",
    "--uid=nobody",
    "--uid=x",
    "\uFFFD=1",
  ],
];

/** Park and Miller's generator: the same numbers for the same seed. */
function generator(seed: number) {
  return (n: number) => {
    seed = (seed * 48271) % 0x7fffffff;
    return seed % n;
  };
}

test(`${LISTS} random argument lists: what is not the same is named`, async () => {
  const random = generator(SEED);
  const calls: string[] = [];
  let plain = 0;
  for (let i = 0; i < LISTS; i++) {
    const args = Array.from({ length: 1 + random(5) }, () => {
      const words = random(3) === 0 ? OTHER_WORDS : PLAIN_WORDS;
      return words[random(words.length)] as string;
    });
    // What the short way does not take is the same code: some of it will do.
    const isPlain = parsePlain(["", "", ...args]) !== undefined;
    if (isPlain) plain++;
    if (isPlain || i % 20 === 0) calls.push(call(...args));
  }
  expect(plain).toBeGreaterThan(LISTS / 5);
  const chunks = Array.from({ length: Math.ceil(calls.length / 250) }, (_, i) => calls.slice(i * 250, (i + 1) * 250));
  const compareNext = async () => {
    for (let chunk = chunks.pop(); chunk; chunk = chunks.pop()) {
      const [short, long] = await observe(chunk, { commands: [SHORT, LONG] });
      if (Bun.deepEquals(short, long)) continue;
      for (const call of chunk) {
        const [short, long] = await observe([call], { commands: [SHORT, LONG] });
        expect({ call, ...short }).toEqual({ call, ...long });
      }
      expect(short).toEqual(long);
    }
  };
  await Promise.all([compareNext(), compareNext()]);
}, 600_000);

describe("what is not documented may be missing", () => {
  const PLAIN = ["READY=1", "BARRIER=1"];

  /** Runs a file of the package's command after a module has changed something. */
  async function runAfter(change: string, file = SCRIPTS[0], messages = 2) {
    await using receiver = await openReceiver();
    const preload = join(directory.path, `${crypto.randomUUID()}.js`);
    // bun:ffi is made of Bun.FFI when it is loaded.
    await Bun.write(preload, `require("bun:ffi");\n${change}`);
    const result = await run([BUN, "--preload", preload, file, "--ready"], {
      env: { NOTIFY_SOCKET: receiver.address },
    });
    const texts: string[] = [];
    while (texts.length < messages) texts.push((await receiver.next()).text);
    return { ...result, texts };
  }

  test.each([
    ["Bun.FFI", "Bun.FFI = undefined;"],
    ["Bun.FFI.dlopen()", "Bun.FFI = {};"],
    ["Bun.FFI.CString", "Bun.FFI = { ...Bun.FFI, CString: undefined };"],
  ])("%s: bun:ffi does it", async (_, change) => {
    // The rest of the command is not there.
    const alone = join(directory.path, "alone/main.cjs");
    await Bun.write(alone, Bun.file(SCRIPTS[0]));
    expect(await runAfter(change, alone)).toMatchObject({ code: 0, stderr: "", texts: PLAIN });
  });

  test("a libc that loads: the rest of the command has systemd-notify do it, or says so", async () => {
    const change = 'Bun.FFI = { ...Bun.FFI, dlopen() { return new Error("no such thing"); } };';
    const { code, stderr, texts } = await runAfter(change, SCRIPTS[0], Bun.which("systemd-notify") ? 2 : 0);
    const said = "sd-notify: cannot load libc (libc.so.6): no such thing\n";
    expect({ code, stderr, texts }).toEqual(
      texts.length > 0 ? { code: 0, stderr: "", texts: PLAIN } : { code: 1, stderr: said, texts: [] },
    );
  });
});

test("no struct of the short way reaches into the next, and each is aligned", () => {
  const { ADDRESS, HEADER, VECTOR, POLLFD, INTS, TIMESPEC, RIGHTS, CONTROL_END, STATFS, TEXT, SIZE } = layout();
  const ends: [start: number, end: number][] = [
    [ADDRESS, ADDRESS + sockaddr_un.size],
    [HEADER, HEADER + msghdr.size],
    [VECTOR, VECTOR + iovec.size],
    [POLLFD, POLLFD + pollfd.size],
    [INTS, INTS + 8],
    [TIMESPEC, TIMESPEC + timespec.size],
    [RIGHTS, CONTROL_END],
    [STATFS, STATFS + statfs.size],
    [TEXT, SIZE],
  ];
  for (const [i, [start, end]] of ends.entries()) {
    expect(start % 16).toBe(0);
    expect(end).toBeLessThanOrEqual(ends[i + 1]?.[0] ?? SIZE);
  }
});
