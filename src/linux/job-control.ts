/** Job control: which process group has the terminal, credentials(7) and proc_pid_stat(5). */

import { node } from "../bun/node.ts";
import { readStat } from "./proc.ts";

/** Whether this process' group is the one in the foreground of its terminal, which gets the terminal's signals. */
export function isForeground(): boolean {
  const own = terminalOf("self");
  return own !== undefined && own.group === own.foreground;
}

/**
 * Whether this process may change and read its terminal. A session without a controlling terminal has no foreground:
 * su(1) makes one for -c, and setsid(1). There, the nearest ancestor that has the terminal decides. If there is none,
 * the terminal is this process' unless another session has it.
 */
export function ownsTerminal(): boolean {
  for (let pid: number | "self" = "self"; ; ) {
    const place = terminalOf(pid);
    if (place?.terminal) return place.group === place.foreground;
    // With hidepid= of proc(5), a user does not see other users' processes.
    if (place === undefined || place.parent === 0) return pid !== "self" && !isTaken();
    pid = place.parent;
  }
}

// --- internal ---

interface Place {
  parent: number;
  /** The process group, and the one in the foreground of the controlling terminal. */
  group: number;
  foreground: number;
  /** The device number of the controlling terminal, or 0. */
  terminal: number;
}

function terminalOf(pid: number | "self"): Place | undefined {
  const stat = readStat(pid);
  if (stat === undefined) return undefined;
  const [, parent = 0, group = 0, , terminal = 0, foreground = 0] = stat.fields.map(Number);
  return { parent, group, foreground, terminal };
}

/** Whether another process has one of the terminals that are open here as its controlling terminal. */
function isTaken(): boolean {
  const open = [0, 1].filter((fd) => node.tty.isatty(fd)).map((fd) => node.fs.fstatSync(fd).rdev);
  const pids = node.fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.some((pid) => open.includes(terminalOf(Number(pid))?.terminal ?? 0));
}
