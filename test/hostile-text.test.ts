import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { openReceiver } from "../src/receiver/receiver.ts";
import { errorLine } from "../src/report.ts";
import { gatherProcess } from "../src/tools/doctor/process.ts";
import { BUN, COMMANDS, ROOT, run, temporaryDirectory } from "./support/command.ts";
import { select, startMonitor } from "./support/monitor.ts";
import { NASTY_WORDS, STRANGE } from "./support/nasty.ts";

const binary = `${ROOT}dist/sd-notify`;

/** What does something to a terminal, ends a line, turns text around, or means something in a unit file. */
const HOSTILE = "\x1b[31m\x1b]0;t\x07\r\n\x85\u202e%n$HOME\"'\\";

/** Its lines, which are printable. */
function linesOf(output: string): string[] {
  expect(output).toEndWith("\n");
  const lines = output.slice(0, -1).split("\n");
  expect(lines.filter((line) => STRANGE.test(line))).toEqual([]);
  return lines;
}

/**
 * A process of this name, these arguments and this working directory, which are bytes that each stand for a
 * character.
 */
async function startProcess(name: string, args: string[], directory: string) {
  const own = temporaryDirectory();
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const script = `mkdir ${quote(directory)}; cd ${quote(`./${directory}`)}; ln -s /bin/sh ${quote(`./${name}`)}
    exec ${quote(`./${name}`)} -c 'echo; read line; :' ${args.map(quote).join(" ")}`;
  await Bun.write(join(own.path, "start"), Buffer.from(script, "latin1"));
  const child = Bun.spawn(["sh", "start"], { cwd: own.path, stdin: "pipe", stdout: "pipe" });
  await child.stdout.getReader().read();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await child.exited;
      own[Symbol.dispose]();
    },
  };
}

const latin1 = (text: string) => Buffer.from(text).toString("latin1");

describe("the doctor, of a process whose name, arguments and directory are", () => {
  const doctor = async (name: string, args: string[], directory: string) => {
    await using program = await startProcess(name, args, directory);
    const text = await run([binary, "doctor", `--pid=${program.pid}`]);
    const json = await run([binary, "doctor", "--json", `--pid=${program.pid}`]);
    const [line = "", ...others] = linesOf(json.stdout);
    expect(others).toEqual([]);
    const report: { subject: string; unit: string } = JSON.parse(line);
    return { lines: linesOf(text.stdout), report, unit: linesOf(report.unit) };
  };

  test("hostile", async () => {
    const harmless = await doctor("name", ["a", "b"], "c");
    const { lines, report, unit } = await doctor("\x1b[31m\n%$\"'\\", [latin1(HOSTILE), "x"], latin1(HOSTILE));
    expect(lines[0]).toMatch(/^process \d+ \(\\x1b\[31m\\x0a%\$"'\\\)$/);
    expect(report.subject).toEndWith("(\x1b[31m\n%$\"'\\)");
    expect(lines).toHaveLength(harmless.lines.length);
    expect(unit).toHaveLength(harmless.unit.length);
    const argument = `"\\x1b[31m\\x1b]0;t\\x07\\r\\n\\u0085\\u202e%%n$$HOME\\"'\\\\"`;
    expect(unit.find((line) => line.startsWith("ExecStart="))).toEndWith(` -c "echo; read line; :" ${argument} x`);
    expect(unit).toContain("# Description= is left out: it has \\x1b, and this setting knows no escapes");
  });

  test("any bytes", async () => {
    const harmless = await doctor("name", ["a"], "c");
    // Each byte but NUL once, and "/" not in a name.
    const all = String.fromCharCode(...Array.from({ length: 255 }, (_, i) => i + 1));
    const names = all.replace("/", "").match(/.{1,15}/gs) ?? [];
    for (const name of names) {
      const { lines, unit } = await doctor(name, [name, all], name);
      expect(lines).toHaveLength(harmless.lines.length);
      expect(unit).toHaveLength(harmless.unit.length);
      expect(unit.find((line) => line.includes("ExecStart="))).toStartWith("# ExecStart= is left out: systemctl can't");
    }
  }, 30_000);
});

describe("the monitor, of a command that sends", () => {
  /** Sends a message, then stores an fd by a name, and is started once more. */
  const program = (message: string, fdName: string) => `
    const { notifyRaw, notify, barrierSync } = require(${JSON.stringify(`${ROOT}dist/index.js`)});
    if (process.env.LISTEN_FDS === undefined) {
      notifyRaw(Buffer.from(${JSON.stringify(message)}, "latin1"));
      notifyRaw(Buffer.from("FDSTORE=1\\nFDNAME=" + ${JSON.stringify(fdName)}, "latin1"), { fds: [0] });
      barrierSync();
    } else notify({ ready: true, extra: { X_NAMES: process.env.LISTEN_FDNAMES } });`;
  const options = ["--fdstore=2", "--restart", "--until=ready", "--timeout=20", "--notify-access=all"];
  const monitor = async (message: string, fdName: string, ...args: string[]) => {
    const command = [BUN, "-e", program(message, fdName), ...args];
    const { code, stdout } = await run([binary, "monitor", ...options, "--", ...command]);
    expect(code).toBe(0);
    return linesOf(stdout);
  };

  test("what is hostile, and is called so", async () => {
    // Not at the end of a line: PID 1 drops a backslash, and what it is the last character of.
    const hostile = latin1(`${HOSTILE.replace("\n", "")}.`);
    const lines = await monitor(`STATUS=${hostile}\n${hostile}=1\n${hostile}\nERRNO=${hostile}`, hostile, HOSTILE);
    const shown = `\\x1b[31m\\x1b]0;t\\x07\\x0d\\x85\\u202e%n$HOME"'\\.`;
    expect(lines.find((line) => line.includes("started"))).toEndWith(
      `\\x1b[31m\\x1b]0;t\\x07\\x0d\\x0a\\x85\\u202e%n$HOME"'\\, pid ${/pid (\d+)$/.exec(lines[0] ?? "")?.[1]}`,
    );
    expect(lines.map((line) => line.trim())).toContain(`STATUS=${shown}`);
    expect(lines.map((line) => line.trim())).toContain(`${shown}=1`);
    expect(lines.map((line) => line.trim())).toContain(`FDNAME=${shown}`);
    // PID 1 drops such a name, and so does the monitor.
    expect(lines.join("\n")).toContain("with the stored fds stored\n");
    expect(lines.join("\n")).toContain("X_NAMES=stored\n");
  }, 30_000);

  test("any bytes", async () => {
    const all = String.fromCharCode(...Array.from({ length: 255 }, (_, i) => i + 1));
    const harmless = await monitor("STATUS=x\nX_A=x", "x");
    const lines = await monitor(`STATUS=${all.replace("\n", "")}\nX_${all.replace("\n", "")}=x`, all.replace("\n", ""));
    // Those of the messages; what PID 1 ignores of them has lines of its own.
    const told = (line: string) => /^ {11}[A-Z_]+/.test(line);
    expect(lines.filter(told)).toHaveLength(harmless.filter(told).length);
  }, 30_000);

  test("JSON has what was sent, a byte order mark too, and escapes for what is not printable", async () => {
    const message = latin1(`\ufeffREADY=1\nSTATUS=${HOSTILE.replace("\n", "")}.`);
    const { child, until, end } = startMonitor([], [BUN, "-e", program(message, "x")]);
    const { text, verdict } = await until("message");
    expect(Buffer.from(text).toString("latin1")).toBe(message);
    expect(verdict.problems.map(({ what }) => what)).toContain("\\ufeffREADY=1");
    child.kill("SIGTERM");
    expect(select((await end()).events, "started")[0]?.command).toEqual([BUN, "-e", program(message, "x")]);
    const { stdout } = await run([binary, "monitor", "--json", "--", "true", HOSTILE]);
    for (const line of linesOf(stdout)) JSON.parse(line);
    expect(stdout).toContain("\\u0085\\u202e");
  });
});

describe.each(COMMANDS)("an error is one printable line, %s", (_, command) => {
  test.each<[string[], Record<string, string>?]>([
    [[`--bogus${HOSTILE}`]],
    [[`-${HOSTILE}`]],
    [[`--ready=${HOSTILE}`]],
    [["--ready", `--pid=${HOSTILE}`]],
    [["--ready", `--uid=${HOSTILE}`]],
    [["--ready", `--fd=${HOSTILE}`]],
    [["--ready", "--fd=0", `--fdname=${HOSTILE}`]],
    [["--booted", HOSTILE]],
    [["--ready"], { NOTIFY_SOCKET: HOSTILE }],
    [["--ready"], { NOTIFY_SOCKET: `/nonexistent/${HOSTILE}` }],
    [["--ready"], { NOTIFY_SOCKET: `@${HOSTILE}` }],
    [["--ready"], { NOTIFY_SOCKET: "@sd-notify-nobody", MANAGERPID: HOSTILE }],
    [["--fork", "--", `/nonexistent/${HOSTILE}`]],
    [["monitor", `--bogus${HOSTILE}`]],
    [["monitor", `--watchdog=${HOSTILE}`, "--", "true"]],
    [["monitor", HOSTILE, "--", "true"]],
    [["doctor", "a", HOSTILE]],
    [["doctor", `--pid=${HOSTILE}`]],
    [["run", `--ready-log=(${HOSTILE}`, "--", "true"]],
    [["run", `--ready-http=${HOSTILE}`, "--", "true"]],
    [["run", "--", `/nonexistent/${HOSTILE}`]],
    [["run", "--", "true"], { NOTIFY_SOCKET: HOSTILE }],
    [["bridge", `--http=${HOSTILE}`, "--", "true"]],
    [["bridge", `--socket=/nonexistent/${HOSTILE}/x`, `--socket-mode=${HOSTILE}`, "--", "true"]],
    [["bridge", "--", `/nonexistent/${HOSTILE}`]],
    [["bridge", "--forward", "--", "true"], { NOTIFY_SOCKET: HOSTILE }],
    [["bridge", "--forward", "--", "true"], { NOTIFY_SOCKET: "@x", WATCHDOG_USEC: HOSTILE }],
    [["probe", HOSTILE]],
    [["probe", `--pid=${HOSTILE}`]],
    [["run", "--", "true"], { WATCHDOG_USEC: HOSTILE }],
  ])("%j", async (args, env = {}) => {
    const { code, stderr } = await run([...command, ...args], { env });
    expect(code).not.toBe(0);
    const lines = linesOf(stderr);
    // A variable that is not believed is told before what follows from that.
    expect(lines).toHaveLength(env.MANAGERPID === undefined ? 1 : 2);
    expect(lines[0]).toStartWith("sd-notify: ");
    // Of short options, the first unknown one is told.
    expect(lines[0]).toMatch(/\\(x1b|u001b)(\[31m.*\\u202e|: see --help)/);
  });

  test("--exec, and --fork of a program that was killed", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const exec = await run([...command, "--exec", "--ready", ";", `/nonexistent/${HOSTILE}`], { env: receiver.env });
    expect(exec.code).toBe(1);
    expect(linesOf(exec.stderr)).toHaveLength(1);
    const name = `${directory.path}/${HOSTILE}`;
    await Bun.write(name, "#!/bin/sh\nkill -KILL $$\n");
    await run(["chmod", "755", name]);
    const fork = await run([...command, "--fork", "--", name]);
    expect(fork.code).toBe(1);
    expect(linesOf(fork.stderr)).toEqual([expect.stringMatching(/\\x1b\[31m.*killed by SIGKILL before it was ready$/)]);
  });
});

test("an error quotes arguments that are not UTF-8 byte by byte", async () => {
  for (const [, command] of COMMANDS) {
    const script = `"$@" "$(printf -- '--bog\\303\\251\\377\\033\\n.')"`;
    const { stderr } = await run(["sh", "-c", script, "sh", ...command]);
    expect(stderr).toBe("sd-notify: unknown option --bogé\\xff\\x1b\\x0a.: see --help\n");
  }
});

test("gatherProcess() knows no working directory that was removed, but one that is called so", async () => {
  for (const [script, name] of [
    ['mkdir "$1"; cd "$1"; rmdir "$1"; echo; read line', undefined],
    ['mkdir "$1 (deleted)"; cd "$1 (deleted)"; echo; read line', "x (deleted)"],
  ] as const) {
    using directory = temporaryDirectory();
    const path = join(directory.path, "x");
    const child = Bun.spawn(["sh", "-c", script, "sh", path], { stdin: "pipe", stdout: "pipe" });
    await child.stdout.getReader().read();
    const fact = gatherProcess(child.pid);
    child.stdin.end();
    await child.exited;
    expect("value" in fact && fact.value.directory).toBe(name && join(directory.path, name));
  }
});

test("a subcommand quotes all of an option that it does not know", async () => {
  for (const option of ["--it's", "--a. b", "--a\nb"]) {
    const { stderr } = await run([binary, "doctor", option]);
    const shown = option.replace("\n", "\\x0a");
    expect(stderr).toBe(`sd-notify: doctor: unknown option ${shown}: see sd-notify doctor --help\n`);
  }
});

describe("run", () => {
  test("has a status that is printable, whatever a probe or a program says", async () => {
    using receiver = openReceiver();
    const octal = [...Buffer.from(HOSTILE.replace("\n", ""))].map((byte) => `\\0${byte.toString(8)}`).join("");
    const probe = `printf '%b' '${octal}' >&2; exit 1`;
    const child = run([binary, "run", `--ready-exec=${probe}`, "--timeout=1", "--", "sleep", "60"], {
      env: receiver.env,
    });
    const { state } = await receiver.waitFor(({ state }) => /exit status 1: ./.test(state.status ?? ""));
    expect(state.status).toMatch(/exit status 1: .*\\x85\\u202e%n\$HOME"'\\$/);
    const { code, stderr } = await child;
    expect(code).toBe(1);
    expect(linesOf(stderr)).toHaveLength(1);
    for (const { state } of receiver.history) expect(state.status ?? "").not.toMatch(STRANGE);
  }, 20_000);

  test("has the name of the program printable", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const name = `${directory.path}/${HOSTILE}`;
    await Bun.write(name, "#!/bin/sh\nexit 7\n");
    await run(["chmod", "755", name]);
    const { code, stderr } = await run([binary, "run", "--ready-file=/nonexistent", "--", name], { env: receiver.env });
    expect(code).toBe(7);
    expect(linesOf(stderr)).toEqual([expect.stringContaining("\\x0a\\x85\\u202e")]);
    await receiver.waitFor(({ state }) => state.status?.endsWith("ended with status 7") ?? false);
    for (const { state } of receiver.history) expect(state.status ?? "").not.toMatch(STRANGE);
  }, 20_000);
});

test("an error that nobody waits for is one printable line", async () => {
  const source = `const { reportToStderr } = await import(process.argv[1]);
    reportToStderr()(new Error(process.argv[2]));`;
  const { stderr } = await run([BUN, "-e", source, `${ROOT}src/report.ts`, `${HOSTILE} %s %d`]);
  expect(linesOf(stderr)).toEqual(["sd-notify: \\x1b[31m\\x1b]0;t\\x07"]);
  for (const word of NASTY_WORDS) expect(errorLine(new Error(word))).not.toMatch(STRANGE);
  expect(errorLine("100%s \u202e")).toBe("100%s \\u202e");
});
