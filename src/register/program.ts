/** What the program does itself. Register leaves that to the program and sends nothing twice. */

import type { State } from "../protocol/state.ts";
import { decodeText, readAssignments } from "../protocol/wire.ts";
import type { Program } from "../server/manager.ts";

/** Something that the program sends itself from now on. */
export type Word = "ready" | "status" | "reloading" | "stopping" | "watchdog";

export class OwnDoing implements Program {
  readonly status: () => string;
  readonly #said = new Set<Word>();
  readonly #onWord: (word: Word) => void;
  /** A reload was announced here, so its end has to be announced here too. */
  #owesReady = false;

  constructor(status: () => string, onWord: (word: Word) => void) {
    this.status = status;
    this.#onWord = onWord;
  }

  /** Notes a message that the program sends. */
  hear(message: string | Uint8Array): void {
    const values = readAssignments(typeof message === "string" ? message : decodeText(message));
    for (const [word, key, value] of WORDS) {
      const said = values.get(key);
      if (said === undefined || (value !== undefined && said !== value)) continue;
      this.#said.add(word);
      this.#onWord(word);
    }
  }

  has(word: Word): boolean {
    return this.#said.has(word);
  }

  /**
   * One handler is register's. Many packages bring along signal-exit. Its handlers act only if nobody else has one,
   * and otherwise leave the end to the others.
   */
  handles(signal: NodeJS.Signals): boolean {
    return process.listenerCount(signal) - countSignalExit() > 1;
  }

  async reloadsItself(): Promise<boolean> {
    this.#said.delete("reloading");
    await new Promise((resolve) => setImmediate(resolve));
    return this.#said.has("reloading");
  }

  remaining(state: State): State | undefined {
    // The error that ends the process matters more than what the program said before.
    if (state.errno !== undefined || state.exitStatus !== undefined) return state;
    if (state.reloading) this.#owesReady = true;
    const left = { ...state };
    if (this.#said.has("status")) delete left.status;
    if (this.#said.has("stopping")) delete left.stopping;
    if (this.#said.has("ready") && !this.#owesReady) delete left.ready;
    if (left.ready) this.#owesReady = false;
    return Object.keys(left).length === 0 ? undefined : left;
  }
}

// --- internal ---

/** How register recognizes that the program sends something itself. */
const WORDS: readonly (readonly [word: Word, key: string, value?: string])[] = [
  ["ready", "READY", "1"],
  ["status", "STATUS"],
  ["reloading", "RELOADING", "1"],
  ["stopping", "STOPPING", "1"],
  ["watchdog", "WATCHDOG", "1"],
];

/** How many handlers signal-exit has for each signal. Versions 3 and 4 publish the number there for each other. */
function countSignalExit(): number {
  const four = (globalThis as Record<symbol, unknown>)[Symbol.for("signal-exit emitter")];
  const three = (process as unknown as Record<string, unknown>).__signal_exit_emitter__;
  const countOf = (emitter: unknown) => Number((emitter as { count?: unknown } | undefined)?.count ?? 0) || 0;
  return countOf(four) + countOf(three);
}
