/** How processes ended that are not children of this one. After MAINPID=, the main process may be one of them. */

import { statSync } from "node:fs";
import { readStatus } from "../../../ffi/process.ts";
import { startTimer } from "../../bun/timers.ts";
import { exists } from "../../linux/manager.ts";
import { readStat } from "../../linux/proc.ts";
import { signalName } from "../../linux/signals.ts";
import type { OrphanEnd } from "../orphans.ts";
import type { End } from "../unit/lifecycle.ts";
import { processInfo } from "../unit/processes.ts";
import type { OtherProcess } from "./other-process.ts";

/** How often to check whether a process still runs that is not a child of this one. */
export const LOOK_MS = 500;

export class Ends {
  readonly #ends = new Map<number, End>();
  #onEnd: () => void = () => {};

  /** Remembers a process that was reaped. */
  add(pid: number, end: OrphanEnd): void {
    this.#ends.set(pid, toEnd(end));
    const [oldest] = this.#ends.keys();
    if (this.#ends.size > MAX_ENDS && oldest !== undefined) this.#ends.delete(oldest);
    this.#onEnd();
  }

  /** MAINPID= has named a process. It may have the pid of one that has ended, or be that one. */
  forget(pid: number): void {
    if (exists(pid)) this.#ends.delete(pid);
  }

  /**
   * Resolves when the process has ended, or when nobody waits for it any more. Its parent may be the only one who can
   * know how it has ended; then this is undefined.
   */
  async of(other: OtherProcess, isWaitedFor: () => boolean): Promise<End | undefined> {
    while (isWaitedFor() && !this.#ends.has(other.pid) && (other.isRunning || isOwnZombie(other.pid))) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onEnd = resolve;
      // It may not be this process's orphan, and then no event tells of its end.
      using _ = startTimer(LOOK_MS, resolve);
      await promise;
    }
    return this.#ends.get(other.pid) ?? endOfZombie(other.pid);
  }
}

// --- internal ---

/** The main process usually ends last. */
const MAX_ENDS = 1000;

/** proc_pid_stat(5): the index of exit_code among the fields that follow the name. */
const EXIT_CODE = 49;

function toEnd(end: OrphanEnd): End {
  return "code" in end ? { ...end, signal: null } : { code: null, signal: signalName(end.signal) };
}

/** Whether it is about to be reaped here. */
function isOwnZombie(pid: number): boolean {
  const info = processInfo(pid);
  return info?.isZombie === true && info.parent === process.pid;
}

/** How a process has ended whose parent does not wait for it. */
function endOfZombie(pid: number): End | undefined {
  const fields = readStat(pid)?.fields;
  if (fields?.[0] !== "Z") return undefined;
  try {
    // Of other users' processes the kernel shows 0.
    if (statSync(`/proc/${pid}`).uid !== process.geteuid?.()) return undefined;
  } catch {
    return undefined;
  }
  return toEnd(readStatus(Number(fields[EXIT_CODE])));
}
