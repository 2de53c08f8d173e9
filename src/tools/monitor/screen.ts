/** A terminal whose last rows stay, while what is printed scrolls above them. Each update is one write. */

import { writeControl } from "../../console/output.ts";
import { drawFoot, RELEASE, reserveFoot } from "../../console/terminal.ts";
import { printableLines } from "../../protocol/printable.ts";
import type { Printer } from "./printer.ts";

export class Screen implements Disposable {
  readonly #printer: Printer;
  readonly #foot: (columns: number) => string[];
  /** A sequence of its own has reserved them. */
  #reserved: { rows: number; height: number } | undefined;
  #drawn = "";
  #isOver = false;
  readonly #onResize = () => this.#resize();
  /** The process may end at any time, by process.exit() too. */
  readonly #onExit = () => {
    if (this.#reserved && !this.#printer.isWriting) writeControl(RELEASE);
  };

  /** `foot` returns the lines that stay. */
  constructor(printer: Printer, foot: (columns: number) => string[]) {
    this.#printer = printer;
    this.#foot = foot;
    process.stdout.on("resize", this.#onResize);
    // Somebody may have stopped it, and the shell has used the terminal meanwhile.
    process.on("SIGCONT", this.#onResize);
    process.once("exit", this.#onExit);
    this.refresh();
  }

  /** Prints lines above the foot. */
  print(text: string): void {
    this.#printer.print(text);
    this.refresh();
  }

  /** Draws the foot, if it has changed. */
  refresh(): void {
    if (this.#isOver) return;
    const rows = process.stdout.rows || 24;
    const lines = this.#foot(process.stdout.columns || 80).map(printableLines);
    if (rows < lines.length + MIN_ROWS) {
      this.#release();
      return;
    }
    if (this.#reserved?.rows !== rows || this.#reserved.height !== lines.length) {
      this.#printer.control(reserveFoot(rows, lines.length));
      this.#reserved = { rows, height: lines.length };
      this.#drawn = "";
    }
    const drawn = drawFoot(rows, lines);
    if (drawn === this.#drawn) return;
    this.#printer.control(drawn);
    this.#drawn = drawn;
  }

  /** Removes the foot; what is printed after that is at the end. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    process.stdout.off("resize", this.#onResize);
    process.off("SIGCONT", this.#onResize);
    process.off("exit", this.#onExit);
    this.#release();
  }

  // --- internal ---

  /** Terminals forget the region then, and some break the lines of the foot anew. */
  #resize(): void {
    this.#reserved = undefined;
    this.refresh();
  }

  #release(): void {
    if (this.#reserved) this.#printer.control(RELEASE);
    this.#reserved = undefined;
  }
}

// --- internal ---

/** The rows that are left for what scrolls; with fewer there is no foot. */
const MIN_ROWS = 5;
