/**
 * Messages that the manager above has no room for yet. They stay in their order; of statuses, pings and their
 * likes, the newest one replaces those before it. Pure, but that it closes the file descriptors of what it drops.
 */

import { closeQuietly } from "../../receiver/close-quietly.ts";

export interface Waiting {
  bytes: Uint8Array;
  /** They are the queue's. */
  fds: number[];
  /** What replaces another of this name; undefined: nothing does. */
  kind: string | undefined;
}

export class ForwardQueue {
  /** How many messages were dropped for want of room, which nothing has replaced. */
  dropped = 0;
  readonly #entries: Waiting[] = [];

  get length(): number {
    return this.#entries.length;
  }

  /** The oldest one. */
  get first(): Waiting | undefined {
    return this.#entries[0];
  }

  push(entry: Waiting): void {
    if (entry.kind !== undefined) {
      const before = this.#entries.findIndex(({ kind }) => kind === entry.kind);
      if (before !== -1) this.#entries.splice(before, 1);
    }
    this.#entries.push(entry);
    if (this.#entries.length > MAX_LENGTH || this.#fdCount() > MAX_FDS) this.#dropOne();
  }

  /** Removes the oldest one, which was sent or can't be. */
  shift(): void {
    closeQuietly(this.#entries.shift()?.fds ?? []);
  }

  /** Drops all. */
  clear(): void {
    while (this.length > 0) this.shift();
  }

  // --- internal ---

  #fdCount(): number {
    return this.#entries.reduce((count, { fds }) => count + fds.length, 0);
  }

  /** The oldest of those that another one may replace, or else the oldest. */
  #dropOne(): void {
    const tooManyFds = this.#fdCount() > MAX_FDS;
    const index = this.#entries.findIndex(({ kind, fds }) => (tooManyFds ? fds.length > 0 : kind !== undefined));
    const [gone] = this.#entries.splice(Math.max(0, index), 1);
    closeQuietly(gone?.fds ?? []);
    this.dropped++;
  }
}

/** What replaces which, by the fields of a message without file descriptors. */
export function kindOf(fields: Record<string, string>): string | undefined {
  const keys = Object.keys(fields).sort();
  return keys.length > 0 && keys.every((key) => isReplaceable(key, fields[key])) ? keys.join(" ") : undefined;
}

// --- internal ---

const MAX_LENGTH = 1000;

/** Two messages with as many as they take. */
const MAX_FDS = 512;

function isReplaceable(key: string, value: string | undefined): boolean {
  return key === "STATUS" || (key === "WATCHDOG" && value === "1") || key === "EXTEND_TIMEOUT_USEC";
}
