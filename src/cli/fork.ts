/** --fork: starts a program, and waits until it is ready. */

import {
  AF_UNIX,
  ENOEXEC,
  POLLIN,
  SIGCHLD,
  SIGCONT,
  SIGHUP,
  SIGINT,
  SIGPIPE,
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
import { decodeBytes } from "../linux/bytes.ts";
import { signalName } from "../linux/signals.ts";
import { EXIT_EXEC } from "../protocol/systemd.ts";
import { decodeText, splitLines } from "../protocol/wire.ts";

/**
 * Starts the command with a new socket as its $NOTIFY_SOCKET, prints its pid unless `quiet`, and waits until it has
 * sent READY=1 or has ended. It also reads the command's other messages, and answers its barriers.
 *
 * @returns the exit status: 0 if the command is ready, 1 if a signal killed it, 203 if it can't be executed; otherwise
 *   the command's own.
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
  // This waits for the command, even if nobody reads what this prints.
  setIgnored(SIGPIPE, true);
  if (!quiet) printPid(pid);
  if (isReady(pid, socket, signals)) return 0;
  const status = exitStatus(pid, command);
  if (failure === undefined) return status;
  complain(explain(failure));
  return EXIT_EXEC;
}

// --- internal ---

/** The signals that a shell sends to this command are meant for the program. */
const FORWARDED = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP];

/** Stands for the sender if the kernel tells none. */
const NOBODY = { pid: 0 };

/** Set if the signals are blocked. */
const STAGE = "SD_NOTIFY_SIGNALS_BLOCKED";

/**
 * A signal goes to any thread that does not block it, and Bun has threads by now. But a mask survives execve(2), and
 * threads inherit it. So this process blocks the signals and starts again, and then every thread has them blocked.
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
  /** Why the program can't be executed. Then `pid` is a process that ends at once. */
  failure: SystemError | undefined;
}

function start(command: readonly Uint8Array[], address: string): Started {
  const environment = withNotifySocket(address);
  // Otherwise the kernel would not keep the exit status, wait(2).
  setIgnored(SIGCHLD, false);
  try {
    return { pid: spawn(command, environment), failure: undefined };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return startShell(command, environment, error);
  }
}

function startShell(command: readonly Uint8Array[], environment: readonly Uint8Array[], failure: SystemError): Started {
  const shell = (...args: string[]) => ["/bin/sh", ...args].map((arg) => Buffer.from(arg));
  try {
    // execvp(3) runs a file without "#!" as a script of the shell. posix_spawn(3) does not.
    if (isErrno(failure, ENOEXEC)) return { pid: spawn([...shell(), ...command], environment), failure: undefined };
    // posix_spawn(3) does not tell the pid of a process that could not execute its program. systemd-notify(1) prints
    // that pid all the same. So this starts another process, to have a pid to print.
    return { pid: spawn(shell("-c", "exit 127"), environment), failure };
  } catch {
    return { pid: undefined, failure };
  }
}

/** Prints the pid. If that fails, the program runs all the same, and must be waited for. */
function printPid(pid: number): void {
  try {
    print(`${pid}\n`);
  } catch (error) {
    complain(`the pid ${pid} can't be printed: ${explain(error)}`);
  }
}

/**
 * Waits until the program has said that it is ready, or has ended. Other processes may send any number of messages
 * meanwhile. (Everybody in the network namespace can: abstract sockets have no permissions, unix(7).)
 */
function isReady(pid: number, socket: number, signals: number): boolean {
  const pidfd = sys.pidfdOpen(pid);
  let ignored = 0;
  let left = Number.POSITIVE_INFINITY;
  try {
    for (;;) {
      const fds = [socket, pidfd, signals];
      const [message = 0, end = 0, signal = 0] = sys.pollAll(fds, POLLIN, Number.POSITIVE_INFINITY);
      if (signal !== 0) passOn(readSignal(signals), pid);
      // What the program sent before it ended counts, and is in the queue by now. Later messages are from others.
      if (end !== 0 && left === Number.POSITIVE_INFINITY) left = queueLength();
      if (message !== 0 && left-- > 0) {
        const { data, credentials: { pid: sender } = NOBODY } = sys.recvmsg(socket);
        if (sender === pid) {
          if (saysReady(data)) return true;
        } else if (ignored++ === 0) {
          complain(`process ${sender} sent a message, ignoring it: it is not the program that was started`);
        }
      } else if (end !== 0) {
        return false;
      }
    }
  } finally {
    if (ignored > 1) {
      const messages = ignored === 2 ? "one more message that is" : `${ignored - 1} more messages that are`;
      complain(`ignored ${messages} not from the program that was started`);
    }
  }
}

/** Returns how many messages a socket holds, unix(7), and one more, because the kernel accepts one beyond that. */
function queueLength(): number {
  try {
    return Number(node.fs.readFileSync("/proc/sys/net/unix/max_dgram_qlen", "latin1")) + 1;
  } catch {
    // With ProcSubset=pid, the setting can't be read. This is more than anybody has.
    return 65_536;
  }
}

/**
 * Sends the signal on. Without privilege, it can't reach a program that has become another user's. The wait goes on
 * all the same.
 */
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

function saysReady(message: Uint8Array): boolean {
  return splitLines(decodeText(message))?.includes("READY=1") ?? false;
}

function exitStatus(pid: number, [program]: readonly Uint8Array[]): number {
  const end = waitForExit(pid);
  if ("code" in end) return end.code;
  complain(`${decodeBytes(program ?? new Uint8Array())}: killed by ${signalName(end.signal)} before it was ready`);
  return 1;
}
