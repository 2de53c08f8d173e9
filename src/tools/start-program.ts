/**
 * Starting a program that does not outlive the subcommand, not even when that is killed: prctl(2), PR_SET_PDEATHSIG. Only the process
 * itself can ask for that, so this command starts itself once more, and becomes the program.
 */

import { SIGCHLD, SIGPIPE, SIGXFSZ } from "../../ffi/constants.ts";
import { setEnvironment, setIgnored, tieToParent, unsetEnvironment } from "../../ffi/process.ts";
import { getppid } from "../../ffi/syscalls.ts";
import { type CallerState, callerState, restoreCallerState } from "../bun/caller-state.ts";
import { execCommand } from "../bun/exec.ts";
import { inheritedFds } from "../bun/inherited-fds.ts";
import { node } from "../bun/node.ts";
import { standalone } from "../bun/runtime.ts";
import { explain } from "../console/explain.ts";
import { complain } from "../console/output.ts";
import { pidfdInodeOf } from "../linux/pidfd.ts";
import { EXIT_EXEC } from "../protocol/systemd.ts";

export interface ProgramOptions {
  /** The whole environment; LISTEN_* of `fds` is added, and WATCHDOG_PID where there is WATCHDOG_USEC. */
  env: Record<string, string | undefined>;
  stdin?: "inherit" | "ignore";
  stdout?: "inherit" | "pipe" | "ignore" | number;
  stderr?: "inherit" | "pipe" | "ignore" | number;
  /** File descriptors to pass, from 3 on, as sd_listen_fds(3) finds them. */
  fds?: readonly { fd: number; name: string }[];
  /** In a session, and so a process group, of its own. */
  group?: boolean;
}

/**
 * Starts a program. It is killed when this process ends, whatever ends it. Where it can't be executed, an error is printed and
 * its exit status is EXIT_EXEC.
 */
export function startProgram(
  command: readonly string[],
  { env, stdin = "inherit", stdout = "inherit", stderr = "inherit", fds = [], group = false }: ProgramOptions,
): Bun.Subprocess {
  const tie = JSON.stringify(ownTie());
  // Else the kernel would not keep the exit status, wait(2).
  setIgnored(SIGCHLD, false);
  const self = standalone ? [process.execPath] : [process.execPath, Bun.main];
  const passed: Record<string, string> =
    fds.length === 0 ? {} : { LISTEN_FDS: `${fds.length}`, LISTEN_FDNAMES: fds.map(({ name }) => name).join(":") };
  const args = ["run", "--", ...command];
  const child = Bun.spawn([...self, ...args], {
    env: { ...env, ...passed, [TIED]: tie },
    detached: group,
    stdio: [stdin, stdout, stderr, ...fds.map(({ fd }) => fd)] as never,
  });
  stages.set(child, Buffer.from(args.map((arg) => `${arg}\0`).join("")).toString("latin1"));
  return child;
}

/**
 * Waits until a process that startProgram() started has become the program: before, it handles no signal.
 *
 * @returns false when the program could not be executed.
 */
export async function untilExecuted(child: Bun.Subprocess): Promise<boolean> {
  const stage = stages.get(child) ?? "";
  for (;;) {
    const commandLine = readOrCode(`/proc/${child.pid}/cmdline`);
    if (["", "ENOENT", "ESRCH"].includes(commandLine)) {
      if (isGoneOrZombie(child.pid)) {
        await child.exited;
        return child.exitCode !== EXIT_EXEC;
      }
      // execve(2) sets the arguments a moment after it lets the parent go on.
    } else if (!commandLine.endsWith(stage)) {
      return true;
    }
    await Bun.sleep(2);
  }
}

/** In a process that startProgram() started: becomes the program. In any other: does nothing. */
export function becomeTiedProgram(args: readonly string[]): void {
  const text = process.env[TIED];
  if (text === undefined) return;
  try {
    const { parent, ignored, state }: Tie = JSON.parse(text);
    tieToParent();
    // It may have gone before.
    if (getppid() !== parent) process.exit(EXIT_EXEC);
    unsetEnvironment(TIED);
    if (process.env.LISTEN_FDS !== undefined) {
      setEnvironment("LISTEN_PID", `${process.pid}`);
      const inode = pidfdInodeOf(process.pid);
      if (inode !== undefined) setEnvironment("LISTEN_PIDFDID", `${inode}`);
    }
    if (process.env.WATCHDOG_USEC !== undefined) setEnvironment("WATCHDOG_PID", `${process.pid}`);
    const command = args.slice(args.indexOf("--") + 1).map((arg) => Buffer.from(arg));
    execCommand(command, inheritedFds(), true, () => {
      for (const signal of ignored) setIgnored(signal, true);
      restoreCallerState(state);
    });
  } catch (error) {
    complain(explain(error));
    process.exit(EXIT_EXEC);
  }
}

// --- internal ---

/** Names the parent, in the environment of a process that is to become a program. */
const TIED = "SD_NOTIFY_TIED_TO";

/** How the command line of a started process ends before it is the program's, which is shorter. */
const stages = new WeakMap<Bun.Subprocess, string>();

interface Tie {
  parent: number;
  /** The signals that the caller ignores, which Bun does not hand on, but for those of the state. */
  ignored: number[];
  /** Absent where a standalone executable has it of itself. */
  state?: CallerState;
}

let knownTie: Tie | undefined;

/** Returns the text, or the code of the error. */
function readOrCode(path: string): string {
  try {
    return node.fs.readFileSync(path, "latin1");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "";
  }
}

/** Whether a process has no memory left. */
function isGoneOrZombie(pid: number): boolean {
  return !readOrCode(`/proc/${pid}/status`).includes("VmSize:");
}

/** It is looked up once, before there are handlers that hide what was ignored. */
function ownTie(): Tie {
  if (knownTie !== undefined) return knownTie;
  const state = callerState();
  const mask = BigInt(`0x${/^SigIgn:\s*(\w+)/m.exec(node.fs.readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0"}`);
  const bunSet = state === undefined ? [] : [SIGPIPE, SIGXFSZ];
  const ignored: number[] = [];
  for (let signal = 1; signal < 32; signal++) {
    if ((mask & (1n << BigInt(signal - 1))) !== 0n && !bunSet.includes(signal)) ignored.push(signal);
  }
  knownTie = { parent: process.pid, ignored, ...(state && { state }) };
  return knownTie;
}
