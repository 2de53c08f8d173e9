/** Starts programs that do not outlive the subcommand, even if it is killed. */

import { PIPE_BUF, POLLIN, POLLOUT, SIGCHLD, SIGPIPE, SIGXFSZ } from "../../ffi/constants.ts";
import { setIgnored, spawn } from "../../ffi/process.ts";
import { close, pipe, poll } from "../../ffi/syscalls.ts";
import { callerState } from "../bun/caller-state.ts";
import { node } from "../bun/node.ts";
import { standalone } from "../bun/runtime.ts";
import { readSignals } from "../linux/proc.ts";
import { EXECUTING, TIED, type Tie } from "./stage.ts";

export interface ProgramOptions {
  /**
   * The whole environment. LISTEN_* for `fds` is added, and WATCHDOG_PID if WATCHDOG_USEC is set. A variable with the
   * value that this process was started with is handed on byte for byte.
   */
  env: Record<string, string | undefined>;
  stdin?: "inherit" | "ignore";
  stdout?: "inherit" | "pipe" | "ignore" | number;
  stderr?: "inherit" | "pipe" | "ignore" | number;
  /** File descriptors to pass, from 3 on, as sd_listen_fds(3) finds them. */
  fds?: readonly { fd: number; name: string }[];
}

/**
 * Looks up what programs that are started later must inherit, before handlers hide which signals were ignored. It
 * also makes the kernel keep exit statuses, which removes any handler for SIGCHLD.
 */
export function prepareToStart(): void {
  commonTie();
}

/**
 * Starts a program. It is killed when this process ends, for whatever reason. If it can't be executed, an error is
 * printed and its exit status is EXIT_EXEC. From then on this process ignores SIGPIPE, but the program doesn't.
 */
export function startProgram(
  command: readonly string[],
  { env, stdin = "inherit", stdout = "inherit", stderr = "inherit", fds = [] }: ProgramOptions,
): Bun.Subprocess {
  const common = commonTie();
  const passed: Record<string, string> =
    fds.length === 0 ? {} : { LISTEN_FDS: `${fds.length}`, LISTEN_FDNAMES: fds.map(({ name }) => name).join(":") };
  const opened: number[] = [];
  try {
    const environment = pipe();
    opened.push(...environment);
    const [readEnd, writeEnd] = pipe();
    opened.push(writeEnd, readEnd);
    const first = 3 + fds.length;
    const tie: Tie = { ...common, fds: fds.length, environment: first, progress: first + 1 };
    const child = Bun.spawn([SELF, ...stageArguments(command)], {
      argv0: NAME,
      env: { ...env, [TIED]: JSON.stringify(tie) },
      stdio: [stdin, stdout, stderr, ...fds.map(({ fd }) => fd), environment[0], writeEnd] as never,
    });
    own.add(child.pid);
    child.exited.finally(() => own.delete(child.pid));
    sendEnvironment(environment[1], encodeEnvironment({ ...env, ...passed }));
    executions.set(child, readProgress(readEnd));
    // They are closed at their end.
    for (const fd of [environment[1], readEnd]) opened.splice(opened.indexOf(fd), 1);
    return child;
  } finally {
    for (const fd of opened) close(fd);
  }
}

/**
 * Waits until a process that startProgram() started has become the program. Before that, it handles no signal. (A
 * pipe tells, because /proc doesn't show a program that has capabilities or that nobody may read.)
 *
 * @returns false if the program could not be executed, or was killed before.
 */
export function untilExecuted(child: Bun.Subprocess): Promise<boolean> {
  return executions.get(child) ?? Promise.resolve(false);
}

/**
 * Starts a program as startProgram() does, but in its own process group and without input and output. Bun does not
 * know of it, so the caller waits for it with endedChild() and waitForExit(). Until then nobody else can get its pid
 * or that of the group.
 *
 * @returns its pid.
 */
export function startGroup(
  command: readonly string[],
  { env, stderr }: { env: ProgramOptions["env"]; stderr: number },
): number {
  const common = commonTie();
  const [readEnd, writeEnd] = pipe();
  let sending = false;
  try {
    const tie: Tie = { ...common, fds: 0, environment: 3 };
    const variables = Object.entries({ ...env, [TIED]: JSON.stringify(tie) }).filter(
      ([, value]) => value !== undefined,
    );
    const pid = spawn(
      [NAME, ...stageArguments(command)].map((arg) => Buffer.from(arg)),
      variables.map(([name, value]) => Buffer.from(`${name}=${value}`)),
      { file: Buffer.from(SELF), fds: [stderr, readEnd], session: true },
    );
    own.add(pid);
    sendEnvironment(writeEnd, encodeEnvironment(env));
    sending = true;
    return pid;
  } finally {
    close(readEnd);
    if (!sending) close(writeEnd);
  }
}

/** The children of this process that somebody waits for. After waiting for a startGroup() child, remove it here. */
export const own = new Set<number>();

// --- internal ---

/** The executable of this process, even if another file is at its path by now. */
const SELF = node.fs.existsSync("/proc/self/exe") ? "/proc/self/exe" : process.execPath;

/** The name by which the executable is called decides what it does. */
const NAME = standalone ? "sd-notify" : "bun";

/** How long to wait at most before looking again whether the program was executed. */
const MAX_DELAY_MS = 20;

const executions = new WeakMap<Bun.Subprocess, Promise<boolean>>();

let knownTie: Pick<Tie, "parent" | "ignored" | "state"> | undefined;

/** The variables that this process was started with. */
let initial: Record<string, string | undefined> = {};

/** Looked up once, before there are handlers that hide which signals were ignored. */
function commonTie(): Pick<Tie, "parent" | "ignored" | "state"> {
  if (knownTie !== undefined) return knownTie;
  const state = callerState();
  const bunSet = state === undefined ? [] : [SIGPIPE, SIGXFSZ];
  const ignored = readSignals("self", ["SigIgn"])?.filter((signal) => signal < 32 && !bunSet.includes(signal)) ?? [];
  knownTie = { parent: process.pid, ignored, ...(state && { state }) };
  initial = { ...process.env };
  // Without this the kernel would not keep the exit status, wait(2).
  setIgnored(SIGCHLD, false);
  // The program has more to do than to write to whoever has gone. (Of Bun's start the executable keeps nothing.)
  setIgnored(SIGPIPE, true);
  return knownTie;
}

function stageArguments(command: readonly string[]): string[] {
  return [...(standalone ? [] : [Bun.main]), "run", "--", ...command];
}

/** Returns an environment as Tie has it: Bun can't hand on what is not UTF-8. */
function encodeEnvironment(env: ProgramOptions["env"]): Buffer {
  const kept: string[] = [];
  const names = new Set<string>();
  for (const variable of readEnvironment()) {
    const bytes = variable.split("=", 1)[0] ?? "";
    const name = Buffer.from(bytes, "latin1").toString();
    // Nobody can have set a variable whose name Bun can't express.
    const isNamed = bytes !== variable && bytes !== "" && Buffer.from(name).toString("latin1") === bytes;
    if (isNamed && (env[name] === undefined || env[name] !== initial[name])) continue;
    kept.push(variable);
    names.add(name);
  }
  const set = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || names.has(name) ? [] : [`${name}=${value}`],
  );
  return Buffer.concat([
    ...kept.map((variable) => Buffer.from(`${variable}\0`, "latin1")),
    ...set.map((variable) => Buffer.from(`${variable}\0`)),
    Buffer.from("\0"),
  ]);
}

/**
 * Writes it, however long that takes (a pipe may hold only a page), and closes the pipe. It does not use Bun's
 * threads, because others may have blocked them. (And LimitFSIZE=0 allows no memfd.)
 */
function sendEnvironment(writeEnd: number, bytes: Buffer): void {
  let rest = bytes;
  try {
    while (rest.length > 0 && poll(writeEnd, POLLOUT, 0) !== 0) {
      rest = rest.subarray(node.fs.writeSync(writeEnd, rest.subarray(0, PIPE_BUF)));
    }
  } catch {
    // Nobody reads it any more.
    rest = Buffer.alloc(0);
  }
  if (rest.length > 0) setTimeout(() => sendEnvironment(writeEnd, rest), 1);
  else close(writeEnd);
}

/** The variables that this process was started with, one character for each byte; none if they can't be read. */
function readEnvironment(): string[] {
  try {
    return node.fs.readFileSync("/proc/self/environ", "latin1").split("\0").slice(0, -1);
  } catch {
    return [];
  }
}

async function readProgress(readEnd: number): Promise<boolean> {
  let text = "";
  try {
    for (let delayMs = 2; ; ) {
      // To wait, Bun would start a thread, and LimitAS= may leave no room for one.
      if (poll(readEnd, POLLIN, 0) === 0) {
        await Bun.sleep(delayMs);
        delayMs = Math.min(delayMs * 1.1, MAX_DELAY_MS);
        continue;
      }
      const byte = Buffer.alloc(1);
      if (node.fs.readSync(readEnd, byte) === 0) return text === EXECUTING;
      text += byte.toString();
    }
  } finally {
    close(readEnd);
  }
}
