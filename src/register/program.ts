/** What the program does itself: it is left to it, and nothing is said twice. */

import type { State } from "../protocol/state.ts";
import { decodeText, readAssignments } from "../protocol/wire.ts";
import type { Program } from "../server/manager.ts";

/** Something that the program says itself from now on. */
export type Word = "ready" | "status" | "reloading" | "stopping" | "watchdog";

export class OwnDoing implements Program {
  readonly status: () => string;
  readonly #said = new Set<Word>();
  readonly #onWord: (word: Word) => void;
  /** A reload was announced here, so its end has to be. */
  #owesReady = false;

  constructor(status: () => string, onWord: (word: Word) => void) {
    this.status = status;
    this.#onWord = onWord;
  }

  /** Hears a message of the program's. */
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
   * One handler is that of register. Those of signal-exit, which many packages bring along, are for the case
   * that nobody else has one, and leave the end to whoever has.
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
    // What ends the process is worth more than what the program had to say before.
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

/** By what it is known that the program says something itself. */
const WORDS: readonly (readonly [word: Word, key: string, value?: string])[] = [
  ["ready", "READY", "1"],
  ["status", "STATUS"],
  ["reloading", "RELOADING", "1"],
  ["stopping", "STOPPING", "1"],
  ["watchdog", "WATCHDOG", "1"],
];

/** How many handlers signal-exit has for each signal: version 4 and 3 say it there, for each other. */
function countSignalExit(): number {
  const four = (globalThis as Record<symbol, unknown>)[Symbol.for("signal-exit emitter")];
  const three = (process as unknown as Record<string, unknown>).__signal_exit_emitter__;
  const countOf = (emitter: unknown) => Number((emitter as { count?: unknown } | undefined)?.count ?? 0) || 0;
  return countOf(four) + countOf(three);
}
