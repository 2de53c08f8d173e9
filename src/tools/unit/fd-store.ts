/** The fd store of the unit: what it keeps for the next start. */

import { closeQuietly } from "../../receiver/close-quietly.ts";
import type { Message } from "../../receiver/message.ts";

export interface StoredFd {
  fd: number;
  name: string;
}

export class FdStore {
  readonly fds: StoredFd[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes as many fds of a message as there is room for. */
  add(message: Message, name: string): StoredFd[] {
    const taken = message.fds.splice(0, Math.max(0, this.#max - this.fds.length)).map((fd) => ({ fd, name }));
    this.fds.push(...taken);
    return taken;
  }

  /** Closes the fds with a name. Returns how many. */
  remove(name: string): number {
    const gone = this.fds.filter((stored) => stored.name === name);
    for (const stored of gone) this.fds.splice(this.fds.indexOf(stored), 1);
    closeQuietly(gone.map(({ fd }) => fd));
    return gone.length;
  }

  /** Closes all. */
  clear(): void {
    closeQuietly(this.fds.splice(0).map(({ fd }) => fd));
  }
}
