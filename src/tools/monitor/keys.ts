/** Keys of a terminal, one by one. */

import { restoreTerminalModes } from "../../bun/terminal-modes.ts";
import { ownsTerminal } from "../../linux/job-control.ts";
import type { TerminalUser } from "./foreground.ts";
import { KeyParser } from "./key-parser.ts";

/** Calls back for each key while this process has the terminal that is its standard input, if it is one. */
export class Keys implements TerminalUser, Disposable {
  readonly #onKey: (key: string) => void;
  readonly #isStalled: () => boolean;
  #parser = new KeyParser();
  /** Bun's view of the terminal, which a shell may have changed since. */
  #isRaw = false;
  readonly #onData = (data: Buffer) => {
    for (const key of this.#parser.parse(data, performance.now())) this.#onKey(key);
  };
  readonly #restore = () => {
    // In the background it is another program's terminal, and tcsetattr(3) would stop this process.
    if (this.#isRaw && !this.#isStalled() && ownsTerminal()) this.#setRaw(false);
  };
  readonly #onExit = () => {
    this.#restore();
    if (this.#isRaw && ownsTerminal()) restoreTerminalModes();
  };

  /** `isStalled`: the terminal takes no output. To change its modes would be to wait for it (TCSADRAIN). */
  constructor(onKey: (key: string) => void, isStalled: () => boolean) {
    this.#onKey = onKey;
    this.#isStalled = isStalled;
    // EIO of a terminal that has gone. SIGHUP tells of that.
    if (process.stdin.isTTY) process.stdin.on("error", () => {});
    process.prependOnceListener("exit", this.#onExit);
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
    if (!this.#isRaw) process.off("exit", this.#onExit);
  }

  // --- internal ---

  #setRaw(isRaw: boolean): void {
    process.stdin.setRawMode(isRaw);
    this.#isRaw = isRaw;
  }
}
