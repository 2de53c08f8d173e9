/** A terminal whose last rows stay while the output scrolls above them. Each update is one write. */

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
  #drawnMs = Number.NEGATIVE_INFINITY;
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;
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
    // Somebody may have stopped the monitor, and the shell may have used the terminal in the meantime.
    process.on("SIGCONT", this.#onResize);
    process.once("exit", this.#onExit);
    this.#draw();
  }

  /** Prints lines above the foot. */
  print(text: string): void {
    this.#printer.print(text);
    this.refresh();
  }

  /** Draws the foot if it has changed, but not more often than a person can see. */
  refresh(): void {
    if (this.#isOver || this.#timer) return;
    const waitMs = this.#drawnMs + REFRESH_MS - performance.now();
    if (waitMs <= 0) this.#draw();
    else this.#timer = setTimeout(() => this.#draw(), waitMs);
  }

  /** Removes the foot; what is printed after that is at the end. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    process.stdout.off("resize", this.#onResize);
    process.off("SIGCONT", this.#onResize);
    process.off("exit", this.#onExit);
    this.#release();
  }

  // --- internal ---

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drawnMs = performance.now();
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

  /** Terminals forget the region then, and some break the lines of the foot anew. */
  #resize(): void {
    if (this.#reserved) this.#reserved = { rows: 0, height: 0 };
    this.#draw();
  }

  #release(): void {
    if (this.#reserved) this.#printer.control(RELEASE);
    this.#reserved = undefined;
  }
}

// --- internal ---

/** The least time from one drawing of the foot to the next. */
const REFRESH_MS = 50;

/** The rows that are left for what scrolls; with fewer there is no foot. */
const MIN_ROWS = 5;
