/** What a process has open, and its memory. */

import { readdirSync, readFileSync } from "node:fs";

export interface Usage {
  fds: number;
  mb: number;
}

export async function usageOf(pid: number): Promise<Usage> {
  if (pid === process.pid) Bun.gc(true);
  // What is closed on another thread is closed by then.
  await Bun.sleep(20);
  const [, kb] = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return { fds: readdirSync(`/proc/${pid}/fd`).length, mb: Number(kb) / 1024 };
}

/** Returns how much more it is. @throws Error if that is too much. */
export function checkUsage(before: Usage, after: Usage): Usage {
  const more = { fds: after.fds - before.fds, mb: after.mb - before.mb };
  if (more.fds > MAX_FDS) throw new Error(`${more.fds} file descriptors more are open`);
  if (more.mb > MAX_MB) throw new Error(`${more.mb.toFixed(0)} MB more are in use`);
  return more;
}

// --- internal ---

/** What Bun opens for itself, and the fd store of a monitor, come and go. */
const MAX_FDS = 8;
/** A leak of 100 bytes for each of a million inputs is more. */
const MAX_MB = 64;
