/** --fork: starts a program, and waits until it is ready. */

import {
  AF_UNIX,
  ENOEXEC,
  POLLIN,
  SIGCHLD,
  SIGCONT,
  SIGHUP,
  SIGINT,
  SIGQUIT,
  SIGTERM,
  SIGTSTP,
  SIGUSR1,
  SIGUSR2,
  SO_PASSCRED,
  SOCK_DGRAM,
} from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/errno.ts";
import { SystemError } from "../../ffi/errors.ts";
import {
  blockSignals,
  exec,
  kill,
  openSignalFd,
  readSignal,
  setEnvironment,
  setIgnored,
  spawn,
  waitForExit,
} from "../../ffi/process.ts";
import * as sys from "../../ffi/syscalls.ts";
import { restoreCallerState } from "../bun/caller-state.ts";
import { RESERVATION } from "../bun/jit-reservation.ts";
import { node } from "../bun/node.ts";
import { explain } from "../console/explain.ts";
import { complain, print } from "../console/output.ts";
import { signalName } from "../linux/signals.ts";
import { readLines } from "../protocol/lines.ts";

/**
 * Starts the command with a socket of its own as $NOTIFY_SOCKET, prints its pid unless `quiet`, and waits until it has sent
 * READY=1 or has ended. What else it sends is read, and acknowledged where it is a barrier.
 *
 * @returns the exit status: 0 when it is ready; else its own, 1 when a signal killed it, 203 when it can't be executed.
 */
export function forkCommand(command: readonly Uint8Array[], inherited: readonly number[], quiet: boolean): number {
  for (const fd of inherited) sys.keepOnExec(fd, true);
  blockSignalsInAllThreads();
  const signals = openSignalFd(FORWARDED);
  const name = `sd-notify/${crypto.randomUUID()}`;
  const socket = openSocket(name);
  restoreCallerState();
  const { pid, failure } = start(command, `@${name}`);
  if (pid === undefined) {
    complain(explain(failure));
    return EXIT_EXEC;
  }
  if (!quiet) printPid(pid);
  const pidfd = sys.pidfdOpen(pid);
  for (;;) {
    const [message = 0, end = 0, signal = 0] = sys.pollAll([socket, pidfd, signals], POLLIN, Number.POSITIVE_INFINITY);
    if (signal !== 0) passOn(readSignal(signals), pid);
    // What the program sent before it ended counts.
    if (message !== 0) {
      if (receive(socket, pid)) return 0;
    } else if (end !== 0) {
      const status = exitStatus(pid, command);
      if (failure === undefined || !NOT_EXECUTED.includes(status)) return status;
      complain(explain(failure));
      return EXIT_EXEC;
    }
  }
}

// --- internal ---

/** What a shell sends to the command is meant for the program. */
const FORWARDED = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP];

/** systemd.exec(5), table "Process Exit Codes": the program could not be executed. */
const EXIT_EXEC = 203;

/** nice(1): the program can't be executed, or is not there. */
const NOT_EXECUTED = [126, 127];

/** Set where the signals are blocked. */
const STAGE = "SD_NOTIFY_SIGNALS_BLOCKED";

/**
 * A signal goes to any thread that does not block it, and Bun has threads by now. But a mask survives execve(2), and threads inherit
 * it: so this process blocks the signals and begins anew, where every thread will have them blocked.
 */
function blockSignalsInAllThreads(): void {
  if (process.env[STAGE] !== undefined) return;
  blockSignals(FORWARDED);
  setEnvironment(STAGE, "1");
  const args = readStrings("/proc/self/cmdline");
  exec(args, Buffer.from(process.execPath));
}

function openSocket(name: string): number {
  const socket = sys.socket(AF_UNIX, SOCK_DGRAM);
  sys.setSocketOption(socket, SO_PASSCRED, 1);
  sys.bind(socket, { family: "unix", path: Buffer.from(`\0${name}`) }, `@${name}`);
  return socket;
}

interface Started {
  /** undefined: nothing was started. */
  pid: number | undefined;
  /** Why the program can't be executed, where another process tries it once more. */
  failure: SystemError | undefined;
}

function start(command: readonly Uint8Array[], address: string): Started {
  const environment = withNotifySocket(address);
  // Else the kernel would not keep the exit status, wait(2).
  setIgnored(SIGCHLD, false);
  try {
    return { pid: spawn(command, environment), failure: undefined };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return startAgain(command, environment, error);
  }
}

function startAgain(command: readonly Uint8Array[], environment: readonly Uint8Array[], failure: SystemError): Started {
  const shell = (...args: string[]) => ["/bin/sh", ...args].map((arg) => Buffer.from(arg));
  try {
    // execvp(3) takes a file without "#!" for a script of the shell; posix_spawn(3) does not.
    if (isErrno(failure, ENOEXEC)) return { pid: spawn([...shell(), ...command], environment), failure: undefined };
    // Nor does that tell the pid of a process that failed to execute its program, which systemd-notify(1) prints all the
    // same. So let a process try that has a pid to tell.
    const attempt = shell("-c", 'exec nice -n 0 -- "$@" 2>/dev/null', "sh");
    return { pid: spawn([...attempt, ...command], environment), failure };
  } catch {
    return { pid: undefined, failure };
  }
}

/** The program runs, and is to be waited for, even if nobody can be told its pid. */
function printPid(pid: number): void {
  try {
    print(`${pid}\n`);
  } catch (error) {
    complain(`the pid ${pid} can't be printed: ${explain(error)}`);
  }
}

/** A program that has become another user's can't be reached without privilege, and is waited for all the same. */
function passOn(signal: number, pid: number): void {
  try {
    kill(pid, signal);
  } catch (error) {
    complain(explain(error));
  }
}

/** The environment that this process was started with, byte for byte, with another $NOTIFY_SOCKET. */
function withNotifySocket(address: string): Uint8Array[] {
  const ours = [
    /^NOTIFY_SOCKET=/,
    /^SD_NOTIFY_SIGNALS_BLOCKED=/,
    new RegExp(`^${RESERVATION.name}=${RESERVATION.value}$`),
  ];
  const isOurs = (variable: Buffer) => ours.some((pattern) => pattern.test(variable.toString("latin1")));
  const environment = readStrings("/proc/self/environ").filter((variable) => !isOurs(variable));
  return [...environment, Buffer.from(`NOTIFY_SOCKET=${address}`)];
}

/** Reads strings that each end with a NUL. */
function readStrings(file: string): Buffer[] {
  const strings = node.fs.readFileSync(file, "latin1").split("\0").slice(0, -1);
  return strings.map((string) => Buffer.from(string, "latin1"));
}

/** Receives one message. Returns whether it says that the program is ready. */
function receive(socket: number, pid: number): boolean {
  const { data, credentials, fds } = sys.recvmsg(socket);
  // To close them acknowledges a barrier.
  for (const fd of fds) sys.close(fd);
  if (credentials?.pid !== pid) {
    complain(`process ${credentials?.pid ?? 0} sent a message, ignoring it: it is not the program that was started`);
    return false;
  }
  return readLines(Buffer.from(data).toString("latin1"))?.some(({ text }) => text === "READY=1") ?? false;
}

function exitStatus(pid: number, [program]: readonly Uint8Array[]): number {
  const end = waitForExit(pid);
  if ("code" in end) return end.code;
  complain(`${new TextDecoder().decode(program)}: killed by ${signalName(end.signal)} before it was ready`);
  return 1;
}
