/** Keys of a terminal, one by one. */

import { ownsTerminal } from "../../linux/job-control.ts";
import type { TerminalUser } from "./foreground.ts";
import { KeyParser } from "./key-parser.ts";

/** Calls back for each key while this process has the terminal that is its standard input, if it is one. */
export class Keys implements TerminalUser, Disposable {
  readonly #onKey: (key: string) => void;
  #parser = new KeyParser();
  /** Bun's view of the terminal, which a shell may have changed since. */
  #isRaw = false;
  readonly #onData = (data: Buffer) => {
    for (const key of this.#parser.parse(data, performance.now())) this.#onKey(key);
  };
  readonly #restore = () => {
    // In the background it is another program's terminal, and tcsetattr(3) would stop this process.
    if (this.#isRaw && ownsTerminal()) this.#setRaw(false);
  };

  constructor(onKey: (key: string) => void) {
    this.#onKey = onKey;
    // EIO of a terminal that has gone. SIGHUP tells of that.
    if (process.stdin.isTTY) process.stdin.on("error", () => {});
    process.prependOnceListener("exit", this.#restore);
  }

  take(): void {
    if (!process.stdin.isTTY) return;
    // Bun does nothing if it believes that the terminal is in raw mode already.
    if (this.#isRaw) this.#setRaw(false);
    this.#setRaw(true);
    this.#parser = new KeyParser();
    process.stdin.off("data", this.#onData).on("data", this.#onData);
    process.stdin.resume();
  }

  giveBack(): void {
    this.#restore();
    this.lose();
  }

  lose(): void {
    // Reading in the background would stop this process.
    process.stdin.off("data", this.#onData);
    if (process.stdin.isTTY) process.stdin.pause().unref();
  }

  [Symbol.dispose](): void {
    this.giveBack();
    process.off("exit", this.#restore);
  }

  // --- internal ---

  #setRaw(isRaw: boolean): void {
    process.stdin.setRawMode(isRaw);
    this.#isRaw = isRaw;
  }
}
