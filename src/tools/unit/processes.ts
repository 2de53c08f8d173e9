/** What /proc says of processes: who sent a message, and who is left. */

import { readdirSync } from "node:fs";
import { readStat, readText } from "../../linux/proc.ts";
import type { Sender } from "../../verdict/types.ts";

export interface ProcessInfo {
  pid: number;
  name: string;
  parent: number;
  /** Whether all of it has ended, and only its exit status is left. */
  isZombie: boolean;
}

/** Returns what a process is; undefined when there is none. */
export function processInfo(pid: number): ProcessInfo | undefined {
  const stat = readStat(pid);
  if (!stat) return undefined;
  const [state, parent] = stat.fields;
  // A process whose first thread has exited looks like one, and runs on: proc_pid_stat(5), num_threads.
  const isZombie = state === "Z" && Number(stat.fields[17]) <= 1;
  return { pid, name: stat.name, parent: Number(parent), isZombie };
}

/**
 * Returns what a process is to a unit whose processes are the descendants of `root`, which has adopted those
 * without a parent. (A cgroup is what the service manager goes by; a descendant is in that of its ancestor,
 * unless somebody moves it.)
 */
export function roleOf(pid: number, mainPid: number | undefined, root: number): Sender["role"] {
  // It was known before it ended.
  if (pid === mainPid) return "main";
  const info = pid > 0 ? processInfo(pid) : undefined;
  if (!info) return "gone";
  // Whom PID 1 of a container can see is in it, by whomever it was started: `docker exec` comes from outside.
  if (root === 1) return "member";
  return isDescendant(info, root) ? "member" : "stranger";
}

/** Returns the descendants of a process; those that have ended, and wait for their parent to ask, are zombies. */
export function descendants(root: number): ProcessInfo[] {
  const all = new Map<number, ProcessInfo>();
  for (const entry of readdirSync("/proc")) {
    const info = /^\d+$/.test(entry) ? processInfo(Number(entry)) : undefined;
    if (info) all.set(info.pid, info);
  }
  const isBelow = ({ parent }: ProcessInfo): boolean => {
    if (parent === root) return true;
    const info = all.get(parent);
    return info !== undefined && isBelow(info);
  };
  return [...all.values()].filter(isBelow);
}

/**
 * Whether a process has a use for a signal: it catches it, blocks it (and may read it by signalfd(2) or
 * sigwait(3)), or ignores it; proc_pid_status(5). Undefined where that can't be read.
 */
export function handles(pid: number, signal: number): boolean | undefined {
  const status = readText(pid, "status");
  if (status === undefined) return undefined;
  const masks = [...status.matchAll(/^Sig(?:Cgt|Blk|Ign):\s*([0-9a-f]+)$/gm)].map(([, mask]) => BigInt(`0x${mask}`));
  return masks.some((mask) => (mask & (1n << BigInt(signal - 1))) !== 0n);
}

// --- internal ---

function isDescendant({ parent }: ProcessInfo, root: number): boolean {
  for (let pid = parent; pid > 1; ) {
    if (pid === root) return true;
    const info = processInfo(pid);
    if (!info) return false;
    pid = info.parent;
  }
  return false;
}
