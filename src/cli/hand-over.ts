/** Where libc can't be called, because bun:ffi needs the JIT, systemd's own command can still send the notification. */

import { node } from "../node.ts";
import type { Arguments } from "./arguments.ts";
import { getopt } from "./getopt.ts";
import { OPTIONS } from "./options.ts";

/**
 * Executes systemd-notify(1) in place of this process, with the same arguments, environment and pid. Returns only where that is
 * not possible, and then why.
 */
export function handOver({ args, encoding }: Arguments): string {
  if (encoding !== "utf8") return "and arguments that are not UTF-8 can't be handed over to systemd-notify";
  // Bun marked the inherited fds close-on-exec, which takes fcntl(2) to undo.
  if (sendsFds(args)) return "and --fd can't be handed over to systemd-notify";
  const program = findSystemdNotify();
  if (program === undefined) return "and there is no systemd-notify here that could send instead";
  try {
    process.execve?.(program, ["systemd-notify", ...args], process.env);
  } catch (error) {
    return `and ${program} can't be executed: ${error instanceof Error ? error.message : error}`;
  }
  return "and this Bun can't execute systemd-notify instead";
}

// --- internal ---

function sendsFds(args: readonly string[]): boolean {
  try {
    return [...getopt(args, OPTIONS)].some((parsed) => "option" in parsed && parsed.option === "fd");
  } catch {
    // A mistake that the other command will tell of.
    return false;
  }
}

/** Finds systemd's command in $PATH. This one may be there by the same name, a copy of it, or a script that calls it: none will do. */
function findSystemdNotify(): string | undefined {
  const self = node.fs.statSync("/proc/self/exe");
  for (const directory of (process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin").split(":")) {
    const path = `${directory}/systemd-notify`;
    if (directory.startsWith("/") && isOtherExecutable(path, self)) return path;
  }
  return undefined;
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
