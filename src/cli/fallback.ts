/**
 * What to do if libc can't be called, because bun:ffi needs the JIT. This command then starts again with a smaller JIT
 * reservation, or systemd's own command takes its place.
 */

import type { Arguments } from "../bun/arguments.ts";
import { callerEnvironment, restartWithSmallerReservation } from "../bun/jit-reservation.ts";
import { node } from "../bun/node.ts";
import { findProgram } from "../linux/find-program.ts";
import { getopt } from "./getopt.ts";
import { OPTIONS } from "./options.ts";

/**
 * Executes systemd-notify(1) in place of this process, with the same arguments, environment and pid. Returns only if
 * that is not possible, and then returns why.
 */
export function execSystemdNotify({ args, encoding }: Arguments): string {
  if (encoding !== "utf8") return "and arguments that are not UTF-8 can't be handed over to systemd-notify";
  // Bun's execve() marks the inherited fds close-on-exec. Only fcntl(2) can undo that.
  const options = optionsOf(args);
  if (options.includes("fd")) return "and --fd can't be handed over to systemd-notify";
  const starts = options.find((option) => option === "exec" || option === "fork");
  const fds = starts ? inheritedFds() : [];
  if (fds.length > 0)
    return `and --${starts} would lose the file descriptors ${fds.join(", ")} in the hands of systemd-notify`;
  restartWithSmallerReservation(args);
  const program = findSystemdNotify();
  if (program === undefined) return "and there is no systemd-notify here that could send instead";
  try {
    process.execve?.(program, ["systemd-notify", ...args], callerEnvironment());
  } catch (error) {
    return `and ${program} can't be executed: ${error instanceof Error ? error.message : error}`;
  }
  return "and this Bun can't execute systemd-notify instead";
}

// --- internal ---

function optionsOf(args: readonly string[]): string[] {
  const options: string[] = [];
  try {
    getopt(args, OPTIONS, (parsed) => {
      if ("option" in parsed) options.push(parsed.option);
      return true;
    });
  } catch {
    // The other command will report the mistake.
  }
  return options;
}

/** Returns the inherited fds without fcntl(2): all fds except the kinds that Bun opens for itself. */
function inheritedFds(): string[] {
  return node.fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      const target = node.fs.readlinkSync(`/proc/self/fd/${fd}`);
      return Number(fd) > 2 && !/^anon_inode:\[(eventpoll|eventfd|timerfd)\]$/.test(target);
    } catch {
      // readdirSync() lists its own fd too.
      return false;
    }
  });
}

/**
 * Finds systemd's command. Under the same name there may also be this command, a copy of it, or a script that calls
 * it. None of these is returned.
 */
function findSystemdNotify(): string | undefined {
  const self = node.fs.statSync("/proc/self/exe");
  return findProgram("systemd-notify", (path) => isOtherExecutable(path, self));
}

function isOtherExecutable(path: string, self: { size: number }): boolean {
  let fd: number;
  try {
    fd = node.fs.openSync(path, "r");
  } catch {
    return false;
  }
  try {
    const { size } = node.fs.fstatSync(fd);
    const magic = Buffer.alloc(4);
    node.fs.readSync(fd, magic);
    return size !== self.size && magic.toString("latin1") === "\x7fELF";
  } finally {
    node.fs.closeSync(fd);
  }
}
