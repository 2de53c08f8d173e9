/** What /proc says of processes: who sent a message, and who is left. */

import { readdirSync, readFileSync } from "node:fs";
import { readStat } from "../../linux/proc.ts";
import type { Sender } from "../../verdict/types.ts";

export interface ProcessInfo {
  pid: number;
  name: string;
  parent: number;
  isZombie: boolean;
}

/** Returns what a process is; undefined when there is none. */
export function processInfo(pid: number): ProcessInfo | undefined {
  const stat = readStat(pid);
  if (!stat) return undefined;
  const [state, parent] = stat.fields;
  return { pid, name: stat.name, parent: Number(parent), isZombie: state === "Z" };
}

/**
 * Returns what the sender is to a unit whose processes are the descendants of `root`, which has adopted those without a parent. (A
 * cgroup is what the service manager goes by; a descendant is in that of its ancestor, unless somebody moves it.)
 */
export function senderOf(
  pid: number,
  uid: number,
  mainPid: number | undefined,
  root: number,
): Sender & { name: string } {
  const info = pid > 0 ? processInfo(pid) : undefined;
  // The main process was known before it ended.
  if (!info) return { pid, uid, role: pid === mainPid ? "main" : "gone", name: "" };
  const role = pid === mainPid ? "main" : isDescendant(info, root) ? "member" : "stranger";
  return { pid, uid, role, name: info.name };
}

/** What a process is to that unit. */
export function roleOf(pid: number, mainPid: number | undefined, root: number): Sender["role"] {
  return senderOf(pid, 0, mainPid, root).role;
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

/** proc_pid_status(5), SigCgt: whether a process has a handler for the signal; undefined where that can't be read. */
export function catches(pid: number, signal: number): boolean | undefined {
  try {
    const [, mask] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    return mask === undefined ? undefined : (BigInt(`0x${mask}`) & (1n << BigInt(signal - 1))) !== 0n;
  } catch {
    return undefined;
  }
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
