/**
 * The process between this command and a program that it starts. It is the command once more: it asks the kernel for
 * PR_SET_PDEATHSIG of prctl(2), which only the process itself can do, and then becomes the program.
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

/** What the variable TIED in the environment tells the process. */
export interface Tie {
  parent: number;
  /** The signals that the caller ignores, except those of the state. Bun does not hand them on. */
  ignored: number[];
  /** Absent if a standalone executable keeps it by itself. */
  state?: CallerState;
  /** How many fds the program gets, from 3 on. */
  fds: number;
  /**
   * The fd of a pipe with the program's environment, byte for byte. A NUL follows each variable, and one more is
   * at the end.
   */
  environment: number;
  /** The fd of a pipe. It gets EXECUTING, and then is closed by execve(2), or gets another byte. */
  progress?: number;
}

export const TIED = "SD_NOTIFY_TIED_TO";

/** The pipe contains this if the program was executed. Without it, the process was killed earlier. */
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
    // The parent may already have gone.
    if (getppid() !== tie.parent) process.exit(EXIT_EXEC);
    const environment = readEnvironment(tie.environment);
    const command = args.slice(args.indexOf("--") + 1).map((arg) => Buffer.from(arg));
    // Keep only the program's fds. The pipe too is closed when the program is executed.
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
  // One character for each byte.
  const text = readToEnd(fd).toString("latin1");
  // The writer has gone.
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
  // The process of this command ignores them, and execve(2) would hand that on.
  for (const signal of [SIGPIPE, SIGXFSZ]) setIgnored(signal, false);
  for (const signal of ignored) setIgnored(signal, true);
  restoreCallerState(state);
}
