/**
 * The process between this command and a program that it starts: the command once more, which asks the kernel
 * for what only the process itself can ask for, PR_SET_PDEATHSIG of prctl(2), and becomes the program.
 */

import { SIGPIPE, SIGXFSZ } from "../../ffi/constants.ts";
import { execWith, setIgnored, tieToParent } from "../../ffi/process.ts";
import { getppid, keepOnExec } from "../../ffi/syscalls.ts";
import { type CallerState, restoreCallerState } from "../bun/caller-state.ts";
import { inheritedFds } from "../bun/inherited-fds.ts";
import { RESERVATION } from "../bun/jit-reservation.ts";
import { node } from "../bun/node.ts";
import { explain } from "../console/explain.ts";
import { pidfdInodeOf } from "../linux/pidfd.ts";
import { EXIT_EXEC } from "../protocol/systemd.ts";
import { warn } from "./warn.ts";

/** What the process is told, in its environment, by the variable TIED. */
export interface Tie {
  parent: number;
  /** The signals that the caller ignores, which Bun does not hand on, but for those of the state. */
  ignored: number[];
  /** Absent where a standalone executable has it of itself. */
  state?: CallerState;
  /** How many fds the program has, from 3 on. */
  fds: number;
  /**
   * The fd of a pipe with the program's environment, byte for byte: a NUL after each variable, and one more
   * at the end.
   */
  environment: number;
  /** The fd of a pipe. It gets EXECUTING, and then is closed by execve(2), or gets another byte. */
  progress?: number;
}

export const TIED = "SD_NOTIFY_TIED_TO";

/** What stands in the pipe when the program was executed: without it, the process was killed before. */
export const EXECUTING = "x";

/** In a process that startProgram() started: becomes the program. In any other: does nothing. */
export function becomeTiedProgram(args: readonly string[]): void {
  const text = process.env[TIED];
  if (text === undefined) return;
  let progress: number | undefined;
  try {
    const tie: Tie = JSON.parse(text);
    progress = tie.progress;
    tieToParent();
    // It may have gone before.
    if (getppid() !== tie.parent) process.exit(EXIT_EXEC);
    const environment = readEnvironment(tie.environment);
    const command = args.slice(args.indexOf("--") + 1).map((arg) => Buffer.from(arg));
    // Those for the program alone: the pipe too is closed when it is executed.
    for (const fd of inheritedFds()) keepOnExec(fd, fd < 3 + tie.fds);
    restoreSignals(tie);
    if (progress !== undefined) node.fs.writeSync(progress, EXECUTING);
    execWith(environment, command);
  } catch (error) {
    if (progress !== undefined) {
      node.fs.writeSync(progress, "!");
      node.fs.closeSync(progress);
    }
    warn(explain(error));
    process.exit(EXIT_EXEC);
  }
}

// --- internal ---

/** Adds what names the process. */
function readEnvironment(fd: number): Buffer[] {
  // A character for a byte.
  const text = readToEnd(fd).toString("latin1");
  // Who writes it has gone.
  if (!/^\0$|\0\0$/.test(text)) process.exit(EXIT_EXEC);
  const variables = text.split("\0").slice(0, -2);
  const has = (name: string) => variables.some((variable) => variable.startsWith(`${name}=`));
  const own = new Map<string, string>();
  if (has("LISTEN_FDS")) {
    own.set("LISTEN_PID", `${process.pid}`);
    const inode = pidfdInodeOf(process.pid);
    if (inode !== undefined) own.set("LISTEN_PIDFDID", `${inode}`);
  }
  if (has("WATCHDOG_USEC")) own.set("WATCHDOG_PID", `${process.pid}`);
  return [
    ...variables.filter(
      (variable) =>
        !own.has(variable.split("=", 1)[0] ?? "") && variable !== `${RESERVATION.name}=${RESERVATION.value}`,
    ),
    ...[...own].map(([name, value]) => `${name}=${value}`),
  ].map((variable) => Buffer.from(variable, "latin1"));
}

function readToEnd(fd: number): Buffer {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.alloc(65_536);
    const length = node.fs.readSync(fd, chunk);
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, length));
  }
}

function restoreSignals({ ignored, state }: Tie): void {
  // This command's ignores them, and execve(2) would hand that on.
  for (const signal of [SIGPIPE, SIGXFSZ]) setIgnored(signal, false);
  for (const signal of ignored) setIgnored(signal, true);
  restoreCallerState(state);
}
