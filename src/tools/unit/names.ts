/** The names of processes, including those that have ended since they were seen. */

import { processInfo } from "./processes.ts";

export class Names {
  readonly #names = new Map<number, string>();

  /** Records the name of a process that may end before it is seen. */
  set(pid: number, name: string): void {
    this.#names.delete(pid);
    this.#names.set(pid, name);
    const [oldest] = this.#names.keys();
    if (this.#names.size > MAX_NAMES && oldest !== undefined) this.#names.delete(oldest);
  }

  /** Returns the name that a process has or had; "" if it was never seen. */
  of(pid: number): string {
    const name = pid > 0 ? processInfo(pid)?.name : undefined;
    if (name !== undefined) this.set(pid, name);
    return name ?? this.#names.get(pid) ?? "";
  }
}

// --- internal ---

/** More processes than a unit has at one time. */
const MAX_NAMES = 1000;
