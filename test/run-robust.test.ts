import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { pipe } from "../ffi/syscalls.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { tool } from "../src/tools/run/main.ts";
import { readPlan } from "../src/tools/run/options.ts";
import { COMMANDS, isRoot, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { endAll, FOREVER, SOURCE, shell, start } from "./support/run-command.ts";

afterEach(endAll);

// Some wait for seconds, and the machine may be busy.
setDefaultTimeout(20_000);

/** How long each takes at most that is to end at once. */
const SOON_MS = 6000;

const BINARY = `${ROOT}dist/sd-notify`;
const notRoot = isRoot ? undefined : "not root";

async function milliseconds(action: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await action();
  return performance.now() - started;
}

describe("the end comes", () => {
  /** Leaves a process of another session, which has its standard error. */
  const daemon = "setsid sleep 20 & echo $! >&2; sleep 0.3";

  test("of an exec probe, where it leaves a process that holds standard error open", async () => {
    using receiver = openReceiver();
    const line = `${daemon}; exit 1`;
    const child = start(receiver, [`--ready-exec=${line}`, "--", "sh", "-c", "read -r line; exit 4"], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    for (;;) {
      const { text } = await receiver.next();
      const [, why] = /^STATUS=waiting for .*: (.*: \d+)$/m.exec(text) ?? [];
      if (why === undefined) continue;
      expect(why).toMatch(/^exit status 1: \d+$/);
      process.kill(Number(/\d+$/.exec(why)?.[0]), "SIGKILL");
      break;
    }
    (child.stdin as unknown as Bun.FileSink).end();
    expect(await milliseconds(() => child.exited)).toBeLessThan(SOON_MS);
    expect(child.exitCode).toBe(4);
  });

  test("of a health probe that does so, and the watchdog is pinged", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const pids = join(directory.path, "pids");
    const line = `setsid sleep 20 & echo $! >>${pids}; sleep 0.3`;
    start(receiver, [`--healthy-exec=${line}`, ...FOREVER], { env: { WATCHDOG_USEC: "6000000" } });
    for (let i = 0; i < 2; i++) await receiver.waitFor({ watchdog: true }, { timeoutMs: 10_000 });
    for (const pid of readFileSync(pids, "utf8").trim().split("\n")) process.kill(Number(pid), "SIGKILL");
  });

  test.each(COMMANDS)("where a process that CMD left behind keeps writing, of %s", async (_, command) => {
    const program = "yes & exit 3";
    const child = start(undefined, ["--ready-log=^y$", "--", "sh", "-c", program], {
      command,
      stdio: ["ignore", "ignore", "inherit"],
    });
    expect(await milliseconds(() => child.exited)).toBeLessThan(SOON_MS);
    expect(child.exitCode).toBe(3);
  });

  test.each(COMMANDS)("where nobody reads what it wrote at last, of %s", async (_, command) => {
    const [readEnd, writeEnd] = pipe();
    const program = "head -c 150000 /dev/zero & sleep 0.3; exit 3";
    const stdio = ["ignore", writeEnd, "inherit"];
    const child = start(undefined, ["--ready-log=^x$", "--", "sh", "-c", program], { command, stdio });
    closeSync(writeEnd);
    expect(await milliseconds(() => child.exited)).toBeLessThan(SOON_MS);
    expect(child.exitCode).toBe(3);
    closeSync(readEnd);
  });

  test.each(COMMANDS)("where nobody reads why it was not ready, of %s", async (_, command) => {
    const [readEnd, writeEnd] = pipe();
    Bun.spawnSync(["head", "-c", "65536", "/dev/zero"], { stdio: ["ignore", writeEnd, "inherit"] });
    const stdio = ["ignore", "ignore", writeEnd];
    const child = start(undefined, ["--ready-file=/nosuch", "--", "sh", "-c", "exit 3"], { command, stdio });
    closeSync(writeEnd);
    expect(await milliseconds(() => child.exited)).toBeLessThan(SOON_MS);
    expect(child.exitCode).toBe(3);
    closeSync(readEnd);
  });

  test("of no watchdog where nobody reads what CMD writes", async () => {
    using receiver = openReceiver();
    const [out, err] = [pipe(), pipe()];
    // Many threads of one pool may be writing then, which has few.
    const program = "head -c 1000000 /dev/zero & head -c 1000000 /dev/zero >&2 & exec sleep 1000";
    const child = start(receiver, ["--healthy-exec=true", "--reload-log=x", "--", "sh", "-c", program], {
      env: { WATCHDOG_USEC: "4000000" },
      stdio: ["ignore", out[1], err[1]],
    });
    for (const [, writeEnd] of [out, err]) closeSync(writeEnd);
    for (let i = 0; i < 3; i++) await receiver.waitFor({ watchdog: true }, { timeoutMs: 6000 });
    child.kill("SIGTERM");
    await child.exited;
    expect(child.signalCode).toBe("SIGTERM");
    for (const [readEnd] of [out, err]) closeSync(readEnd);
  });

  const noStrace = missing("strace");
  test.skipIf(Boolean(noStrace))(
    titled("of a probe's process group before its leader is waited for, whose number is free then", noStrace),
    async () => {
      using directory = temporaryDirectory();
      const log = join(directory.path, "strace");
      const strace = ["strace", "-o", log, "-e", "trace=kill,wait4,waitid"];
      const probe = "sleep 1000 & exit 0";
      const result = await run([...strace, ...SOURCE, "run", `--ready-exec=${probe}`, "--", "sleep", "1"]);
      expect(result.code).toBe(0);
      const lines = readFileSync(log, "utf8").split("\n");
      const kill = lines.findIndex((line) => /^kill\(-\d+, SIGKILL\)/.test(line));
      const [, group] = /-(\d+)/.exec(lines[kill] ?? "") ?? [];
      const wait = lines.findIndex((line) => line.startsWith(`wait4(${group}, `) && line.endsWith(` = ${group}`));
      expect(kill).toBeGreaterThan(-1);
      expect(wait).toBeGreaterThan(kill);
      expect(lines.slice(wait).filter((line) => line.startsWith(`kill(-${group},`))).toEqual([]);
    },
  );
});

describe.each(COMMANDS)("run of %s", (_, command) => {
  test("goes on when nobody reads its output any more, and so does CMD", async () => {
    using receiver = openReceiver();
    const [readEnd, writeEnd] = pipe();
    const program = "i=0; while [ $i -lt 2000 ]; do echo $i; echo $i >&2; i=$((i + 1)); done; echo ready; exit 6";
    const stdio = ["ignore", writeEnd, writeEnd];
    closeSync(readEnd);
    const child = start(receiver, ["--ready-log=^ready$", "--", "sh", "-c", program], { command, stdio });
    closeSync(writeEnd);
    await receiver.waitFor({ ready: true });
    expect(await child.exited).toBe(6);
  });

  test.each(["ignored", "not ignored"])("leaves SIGPIPE %s in CMD and in its probes", async (how) => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "probe");
    const look = "grep SigIgn /proc/self/status";
    const trap = how === "ignored" ? "trap '' PIPE" : "trap - PIPE";
    const caller = (...program: string[]) => run(["sh", "-c", `${trap}; "$@"; exit $?`, "sh", ...program]);
    const direct = await caller("sh", "-c", look);
    const probe = `--ready-exec=${look} >${file}.new && mv ${file}.new ${file}`;
    const program = `${look}; while ! test -e ${file}; do sleep 0.02; done; cat ${file}`;
    const { stdout } = await caller(...command, "run", probe, "--", "sh", "-c", program);
    expect(stdout).toBe(direct.stdout + direct.stdout);
  });

  test("hands the environment on byte for byte, to CMD and to its probes", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "probe");
    const look = "od -An -v -w1000000 -tx1 /proc/$$/environ";
    const variables = `"PATH=$PATH" "$(printf 'X=a\\377\\303b\\n=')" Y= "$(printf '\\377=x')" Z=1`;
    const caller = (...program: string[]) => run(["sh", "-c", `exec env -i ${variables} "$@"`, "sh", ...program]);
    const direct = await caller("sh", "-c", `${look}; true`);
    const probe = `--ready-exec=${look} >${file}.new && mv ${file}.new ${file}`;
    const program = `${look}; while ! test -e ${file}; do sleep 0.02; done; cat ${file}`;
    const { stdout } = await caller(...command, "run", probe, "--", "sh", "-c", program);
    expect(direct.stdout).toContain(" 61 ff c3 62 0a");
    expect(stdout).toBe(direct.stdout + direct.stdout);
  });

  test("does not let a reload end a CMD that has no handler for SIGHUP", async () => {
    using receiver = openReceiver();
    const child = start(receiver, FOREVER, { command });
    await receiver.waitFor({ ready: true });
    for (let i = 0; i < 2; i++) {
      child.kill("SIGHUP");
      await receiver.waitFor({ reloading: true });
      const { state } = await receiver.waitFor({ ready: true });
      expect(state.status).toBe("not reloaded: sleep has no handler for SIGHUP");
    }
    child.kill("SIGTERM");
    await child.exited;
    expect(child.signalCode).toBe("SIGTERM");
    const why = "sd-notify: run: not reloaded: sleep has no handler for SIGHUP\n";
    expect(await child.stderr.text()).toBe(why + why);
  });
});

describe("a reload", () => {
  test("before it is ready does not end a CMD that has no handler either", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const file = join(directory.path, "go");
    const child = start(receiver, [`--ready-file=${file}`, ...FOREVER]);
    await receiver.waitFor({ status: `waiting for ${file}: no such file` });
    child.kill("SIGHUP");
    const reader = child.stderr.getReader();
    const { value } = await reader.read();
    expect(Buffer.from(value ?? []).toString()).toBe("sd-notify: run: not reloaded: sleep has no handler for SIGHUP\n");
    writeFileSync(file, "");
    await receiver.waitFor({ ready: true });
  });

  test("that kills CMD all the same is a failure, which systemd would not take the signal for", async () => {
    using receiver = openReceiver();
    const child = start(receiver, shell("trap 'trap - HUP; kill -HUP $$' HUP"));
    expect(await child.line()).toBe("up");
    await receiver.waitFor({ ready: true });
    child.kill("SIGHUP");
    const how = "sh was killed by its reload: it catches SIGHUP, but does not handle it";
    await receiver.waitFor({ status: how });
    expect(await child.exited).toBe(129);
    expect(await child.stderr.text()).toBe(`sd-notify: run: ${how}\n`);
  });

  const noEnv = missing("env");
  test.skipIf(Boolean(noEnv)).each([
    ["blocked", "block"],
    ["ignored", "ignore"],
  ])(titled("is passed on where CMD has SIGHUP %s: signalfd(2), or on purpose", noEnv), async (_, how) => {
    using receiver = openReceiver();
    const child = start(receiver, ["--", "env", `--${how}-signal=HUP`, "sleep", "1000"]);
    await receiver.waitFor({ ready: true });
    // env(1) is executed first.
    const [program] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "latin1").trim().split(" ");
    while (!readFileSync(`/proc/${program}/cmdline`, "latin1").startsWith("sleep")) await Bun.sleep(2);
    child.kill("SIGHUP");
    await receiver.waitFor({ reloading: true });
    expect((await receiver.waitFor({ ready: true })).state.status).toMatch(/^reloaded in/);
  });
});

describe("READY=1", () => {
  test("does not follow STOPPING=1, where the answer is being read as SIGTERM comes", async () => {
    using receiver = openReceiver();
    const answering = Promise.withResolvers<void>();
    const server = createServer((_, response) => {
      response.write("the first part");
      answering.resolve();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const url = `http://127.0.0.1:${port}/`;
    const child = start(receiver, [`--ready-http=${url}`, ...shell("trap 'sleep 0.3; exit 0' TERM")]);
    expect(await child.line()).toBe("up");
    await answering.promise;
    // So that the head of the answer has been taken, and its body is waited for: 500 ms.
    await Bun.sleep(100);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    server.closeAllConnections();
    server.close();
    const texts = receiver.history.map(({ text }) => text);
    expect(texts.filter((text) => text.startsWith("STOPPING=1"))).toHaveLength(1);
    expect(texts.filter((text) => text.includes("READY=1"))).toEqual([]);
  });

  test("comes no sooner than after 600 h, where --ready-after=600h says so, and no shorter time-out", async () => {
    using receiver = openReceiver();
    start(receiver, ["--ready-after=600h", ...FOREVER]);
    await receiver.waitFor({ status: "waiting for 2160000 s" });
    expect((await receiver.next()).text).toBe("EXTEND_TIMEOUT_USEC=10000000");
    const hours = 3_600_000;
    const plan = readPlan(tool, ["--ready-after=600h", "--", "true"]);
    expect(plan).toMatchObject({ readyAfterMs: 600 * hours, timeoutMs: 600 * hours + 300_000 });
    expect(readPlan(tool, ["--", "true"]).timeoutMs).toBe(300_000);
    expect(() => readPlan(tool, ["--ready-after=10s", "--timeout=10s", "--", "true"])).toThrow(
      "--timeout=10s is over before --ready-after=",
    );
  });
});

describe("CMD has started", () => {
  const noUser = notRoot ?? missing("setpriv", "unshare");
  const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  /**
   * A directory where every user finds a program that none may read: the kernel keeps what /proc has of it
   * from its user.
   */
  function unreadable(directory: string): string {
    chmodSync(directory, 0o755);
    const program = join(directory, "program");
    copyFileSync(Bun.which("sh") ?? "", program);
    chmodSync(program, 0o711);
    return program;
  }

  test.skipIf(Boolean(noUser))(titled("where it may not be read, and gets SIGTERM then", noUser), async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const program = [unreadable(directory.path), ...shell("trap 'exit 5' TERM").slice(2)];
    const child = start(receiver, ["--", ...program], { command: [...asNobody, BINARY] });
    await receiver.waitFor({ ready: true });
    expect(await child.line()).toBe("up");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(5);
  });

  test.skipIf(Boolean(noUser))(titled("where /proc shows no processes of others (hidepid=2)", noUser), async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const program = [unreadable(directory.path), "-c", "echo up; read -r line; exit 5"];
    const mount = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"';
    const command = ["unshare", "-m", "sh", "-c", mount, "sh", ...asNobody, BINARY];
    const child = start(receiver, ["--", ...program], { command, stdio: ["pipe", "pipe", "inherit"] });
    expect(await child.line()).toBe("up");
    await receiver.waitFor({ ready: true });
    (child.stdin as unknown as Bun.FileSink).end();
    expect(await child.exited).toBe(5);
  });

  const noSetcap = noUser ?? missing("setcap");
  test.skipIf(Boolean(noSetcap))(titled("where its file has capabilities", noSetcap), async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const program = unreadable(directory.path);
    chmodSync(program, 0o755);
    expect((await run(["setcap", "cap_net_bind_service=ep", program])).code).toBe(0);
    const child = start(receiver, ["--", program, "-c", "echo up; read -r line; exit 5"], {
      command: [...asNobody, BINARY],
      stdio: ["pipe", "pipe", "inherit"],
    });
    expect(await child.line()).toBe("up");
    await receiver.waitFor({ ready: true });
    (child.stdin as unknown as Bun.FileSink).end();
    expect(await child.exited).toBe(5);
  });

  test("where another file is at the command's path by then", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const [binary, other, go] = ["sd-notify", "other", "go"].map((name) => join(directory.path, name)) as [
      string,
      string,
      string,
    ];
    copyFileSync(BINARY, binary);
    writeFileSync(other, "#!/bin/sh\nexit 9\n", { mode: 0o755 });
    const probe = `test -e ${go}`;
    start(receiver, [`--ready-exec=${probe}`, ...FOREVER], { command: [binary] });
    await receiver.waitFor({ status: `waiting for ${probe}: exit status 1` });
    renameSync(other, binary);
    writeFileSync(go, "");
    await receiver.waitFor({ ready: true });
  });

  test.each(["systemd-notify", "bun", "anything else"])("where the executable is called %s", async (name) => {
    using directory = temporaryDirectory();
    const [binary, link] = [name, "sd-notify"].map((file) => join(directory.path, file)) as [string, string];
    copyFileSync(BINARY, binary);
    symlinkSync(binary, link);
    expect(await run([link, "run", "--", "sh", "-c", "echo up; exit 5"])).toMatchObject({ code: 5, stdout: "up\n" });
  });
});

describe("CMD that ended with status 0 before it was ready", () => {
  test.each([
    ["nginx", 'keep it in the foreground: nginx -g "daemon off;"'],
    ["php-fpm8.4", "keep it in the foreground: php-fpm --nodaemonize"],
    ["apache2", "keep it in the foreground: apache2 -DFOREGROUND"],
    ["mine", "if it went into the background, give it the option that keeps it in the foreground"],
  ])("may have gone into the background: %s", async (name, hint) => {
    using directory = temporaryDirectory();
    const program = join(directory.path, name);
    writeFileSync(program, "#!/bin/sh\nsleep 0.5\n", { mode: 0o755 });
    const { stderr } = await run([...SOURCE, "run", "--ready-file=/nosuch", "--", program]);
    const why = "ended with status 0 before it was ready, waiting for /nosuch: no such file";
    expect(stderr).toBe(`sd-notify: run: ${program} ${why}: ${hint}\n`);
  });
});

describe("a socket whose path is longer than sun_path", () => {
  /** A server there: nobody can bind to the path itself. */
  function listen(directory: string) {
    const long = join(directory, "d".repeat(120));
    mkdirSync(long);
    symlinkSync(long, join(directory, "short"));
    const server = Bun.serve({ unix: join(directory, "short", "socket"), fetch: () => new Response() });
    return { path: join(long, "socket"), [Symbol.dispose]: () => void server.stop(true) };
  }

  test.each([
    ["--ready-unix", (path: string) => path],
    ["--ready-http", (path: string) => `http://unix:${path}`],
  ])("is asked by %s", async (option, value) => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    using server = listen(directory.path);
    const absent = `${option}=${value(`${server.path}-nosuch`)}`;
    const child = start(receiver, [absent, ...FOREVER]);
    const { text } = await receiver.next();
    expect(text).toStartWith("STATUS=waiting for");
    child.kill("SIGTERM");
    await child.exited;
    start(receiver, [`${option}=${value(server.path)}`, ...FOREVER]);
    await receiver.waitFor({ ready: true });
  });
});

describe("as PID 1 of a container", () => {
  const noContainer = notRoot ?? missing("unshare");
  test.skipIf(Boolean(noContainer)).each(COMMANDS)(
    titled("it reaps what it inherits, and nothing else, in %s", noContainer),
    async (_, command) => {
      using directory = temporaryDirectory();
      const go = join(directory.path, "go");
      const orphans = 'i=0; while [ $i -lt 50 ]; do (sh -c "sleep 0.0$((i % 5))" &); i=$((i + 1)); done';
      // A shell counts: what has ended and was not waited for is a Z.
      const count = "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '";
      const none = `i=0; while [ $(${count}) -gt 0 ] && [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done; ${count}`;
      const probe = `${orphans}; touch ${go}`;
      const program = `${orphans}; while ! test -e ${go}; do sleep 0.02; done; sleep 0.3; ${none}; exit 5`;
      const started = [`--ready-exec=${probe}`, "--", "sh", "-c", program];
      const result = await run(["unshare", "--pid", "--kill-child", "--mount-proc", ...command, "run", ...started]);
      expect(result).toMatchObject({ code: 5, stdout: "0\n", stderr: "" });
    },
  );
});
