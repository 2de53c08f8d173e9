/**
 * Messages that the manager above has no room for yet. They stay in order, except that a newer status, ping or the
 * like replaces the older ones. Pure, except that it closes the file descriptors of the messages that it drops.
 */

import { closeQuietly } from "../../receiver/close-quietly.ts";

export interface Waiting {
  bytes: Uint8Array;
  /** The queue owns them. */
  fds: number[];
  /** A newer message with the same name replaces this one; undefined: none does. */
  kind: string | undefined;
}

export class ForwardQueue {
  /** How many messages were dropped because there was no room, not because another one replaced them. */
  dropped = 0;
  readonly #entries: Waiting[] = [];

  get length(): number {
    return this.#entries.length;
  }

  /** The oldest message. */
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

  /** Removes the oldest message after it was sent, or because it can't be. */
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

  /** The oldest message that another one may replace. If there is none, the oldest of all. */
  #dropOne(): void {
    const tooManyFds = this.#fdCount() > MAX_FDS;
    const index = this.#entries.findIndex(({ kind, fds }) => (tooManyFds ? fds.length > 0 : kind !== undefined));
    const [gone] = this.#entries.splice(Math.max(0, index), 1);
    closeQuietly(gone?.fds ?? []);
    this.dropped++;
  }
}

/** Which messages replace each other, by the fields of a message without file descriptors. */
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
