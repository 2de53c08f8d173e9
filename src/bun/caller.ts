/**
 * Who called this command. bunx and `bun run` start it as a child and don't become it, so its parent is the launcher.
 * No issue filed. This goes when bunx replaces itself by execve(2).
 */

import { getppid } from "../../ffi/syscalls.ts";
import { parseEnvironment, readStat } from "../linux/proc.ts";
import { node } from "./node.ts";

/**
 * Returns the pid of the process that called the command: its parent. Under bunx, `bun run` and similar launchers of
 * Node.js, the parent is the launcher or the launcher's shell. Then this returns the process that called the launcher.
 */
export function callerPid(): number {
  const parent = getppid();
  const { npm_lifecycle_event: event, npm_lifecycle_script: script } = process.env;
  if (event === undefined) return parent;
  return callerOfLauncher({ pid: process.pid, parent, event, script }) ?? parent;
}

// --- internal ---

interface Process {
  pid: number;
  parent: number;
  /** $npm_lifecycle_event and $npm_lifecycle_script. */
  event: string | undefined;
  script: string | undefined;
}

/**
 * A launcher sets npm_lifecycle_event for the program that it starts, and not for itself. So the launcher is the
 * nearest ancestor without that variable or with another value, if only its shell is in between. If any other process
 * is in between, that process called us itself. The search ends at a process that /proc does not let us see.
 */
function callerOfLauncher(child: Process): number | undefined {
  const { event, script } = child;
  if (event === undefined) return child.parent;
  let launcher = look(child.parent);
  if (launcher && launcher.event === event && isShellFor(script, launcher.pid)) {
    launcher = look(launcher.parent);
  }
  if (!launcher) return undefined;
  if (launcher.event === event) return child.parent;
  // A launcher may be started by another: bunx in a script of bun run.
  return callerOfLauncher(launcher);
}

function isShellFor(script: string | undefined, pid: number): boolean {
  const [, flag, command = ""] = read(pid, "cmdline")?.split("\0") ?? [];
  return flag === "-c" && script !== undefined && command.startsWith(script);
}

function look(pid: number): Process | undefined {
  const stat = readStat(pid);
  const environ = read(pid, "environ");
  if (stat === undefined || environ === undefined) return undefined;
  const environment = parseEnvironment(environ);
  return {
    pid,
    parent: Number(stat.fields[1]),
    event: environment.get("npm_lifecycle_event"),
    script: environment.get("npm_lifecycle_script"),
  };
}

function read(pid: number, file: string): string | undefined {
  try {
    return node.fs.readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return undefined;
  }
}
