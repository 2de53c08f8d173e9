/**
 * Standard output. It may be a pipe that nobody reads. Then another thread waits, not the monitor.
 */

import { write } from "node:fs";
import { printableLines } from "../../protocol/printable.ts";

export class Printer {
  readonly #onError: (error: unknown) => void;
  #text: string[] = [];
  #size = 0;
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  /** Calls back once when it can't be written to; what is printed after that is lost. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  print(text: string): void {
    this.#add(printableLines(text));
  }

  /** Writes a sequence that does something to the terminal: one of src/console/terminal.ts. */
  control(sequence: string): void {
    this.#add(sequence);
  }

  /** Whether something waits to be written. */
  get isWriting(): boolean {
    return this.#writing !== undefined;
  }

  /** Resolves when all that was printed is written; undefined if not too much is waiting. */
  room(): Promise<void> | undefined {
    return this.#size > MAX_SIZE ? this.#writing : undefined;
  }

  /** Resolves when all that was printed is written. */
  async end(): Promise<void> {
    await this.#writing;
  }

  // --- internal ---

  #add(text: string): void {
    if (this.#hasFailed) return;
    this.#text.push(text);
    this.#size += text.length;
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    try {
      // Each print is one write, so a terminal never shows half of it.
      await undefined;
      while (this.#size > 0) {
        const bytes = Buffer.from(this.#text.join(""));
        this.#text = [];
        this.#size = 0;
        for (let start = 0; start < bytes.length; ) start += await writeSome(bytes.subarray(start));
      }
      this.#writing = undefined;
    } catch (error) {
      this.#hasFailed = true;
      this.#size = 0;
      this.#onError(error);
    }
  }
}

// --- internal ---

/** What may wait, in characters. */
const MAX_SIZE = 1 << 20;

async function writeSome(bytes: Uint8Array): Promise<number> {
  for (;;) {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    write(1, bytes, (error, written) => (error ? reject(error) : resolve(written)));
    try {
      return await promise;
    } catch (error) {
      // The caller's pipe may be non-blocking and full.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await Bun.sleep(1);
    }
  }
}
