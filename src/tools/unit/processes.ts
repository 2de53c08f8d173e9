/** What /proc says of processes: who sent a message, and who is left. */

import { readdirSync } from "node:fs";
import { readStat, readText } from "../../linux/proc.ts";
import type { Sender } from "../../verdict/types.ts";

export interface ProcessInfo {
  pid: number;
  name: string;
  parent: number;
  /** Whether all its threads have ended, and only its exit status is left. */
  isZombie: boolean;
}

/** Returns what a process is; undefined if it doesn't exist. */
export function processInfo(pid: number): ProcessInfo | undefined {
  const stat = readStat(pid);
  if (!stat) return undefined;
  const [state, parent] = stat.fields;
  // A process whose first thread has exited looks like a zombie, but runs on: proc_pid_stat(5), num_threads.
  const isZombie = state === "Z" && Number(stat.fields[17]) <= 1;
  return { pid, name: stat.name, parent: Number(parent), isZombie };
}

/**
 * Returns the role of a process in a unit. The unit's processes are the descendants of `root`, which adopts orphans.
 * (The service manager goes by the cgroup. A descendant is in its ancestor's cgroup, unless somebody moves it.)
 */
export function roleOf(pid: number, mainPid: number | undefined, root: number): Sender["role"] {
  // The process was known before it ended.
  if (pid === mainPid) return "main";
  const info = pid > 0 ? processInfo(pid) : undefined;
  if (!info) return "gone";
  // Every process that PID 1 of a container can see is in it, even one started from outside by `docker exec`.
  if (root === 1) return "member";
  return isDescendant(info, root) ? "member" : "stranger";
}

/** Returns the descendants of a process. Those that have ended but have not been waited for are zombies. */
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
 * Whether a process has a use for a signal: it catches it, ignores it, or blocks it and may read it by signalfd(2) or
 * sigwait(3); proc_pid_status(5). Undefined if that can't be read.
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
