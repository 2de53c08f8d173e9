/** A terminal whose last rows stay while the output scrolls above them. Each update is one write. */

import { writeControl } from "../../console/output.ts";
import { drawFoot, MARK_NO_PASTES, MARK_PASTES, RELEASE, reserveFoot, SCROLL_ALL } from "../../console/terminal.ts";
import { printableLines } from "../../protocol/printable.ts";
import type { TerminalUser } from "./foreground.ts";
import type { Printer } from "./printer.ts";

export class Screen implements TerminalUser, Disposable {
  readonly #printer: Printer;
  readonly #foot: (columns: number) => string[];
  readonly #hasKeys: boolean;
  /** A sequence of its own has reserved them. */
  #reserved: { rows: number; height: number } | undefined;
  #drawn = "";
  #drawnMs = Number.NEGATIVE_INFINITY;
  /** Whether this process may draw there, and still wants to. */
  #isOurs = false;
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #onResize = () => this.#redraw();
  /** The process may end at any time, by process.exit() too. */
  readonly #onExit = () => {
    if (this.#reserved && !this.#printer.isWriting) writeControl(this.#ending);
  };

  /** `foot` returns the lines that stay. `hasKeys`: what is typed are keys. Draws nothing before take(). */
  constructor(printer: Printer, foot: (columns: number) => string[], hasKeys: boolean) {
    this.#printer = printer;
    this.#foot = foot;
    this.#hasKeys = hasKeys;
    process.stdout.on("resize", this.#onResize);
    process.prependOnceListener("exit", this.#onExit);
  }

  /** Draws the foot, on a terminal that somebody else may have used. */
  take(): void {
    if (this.#isOver) return;
    this.#isOurs = true;
    this.#redraw();
  }

  giveBack(): void {
    this.#hide();
    this.#release(this.#ending);
  }

  lose(): void {
    this.#hide();
    // What another program has drawn stays.
    this.#release(SCROLL_ALL);
  }

  /** Prints lines above the foot. */
  print(text: string): void {
    this.#printer.print(text);
    this.refresh();
  }

  /** Draws the foot if it has changed, but not more often than a person can see. */
  refresh(): void {
    if (!this.#isOurs || this.#timer) return;
    const waitMs = this.#drawnMs + REFRESH_MS - performance.now();
    if (waitMs <= 0) this.#draw();
    else this.#timer = setTimeout(() => this.#draw(), waitMs);
  }

  /** Removes the foot; what is printed after that is at the end. */
  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    process.stdout.off("resize", this.#onResize);
    process.off("exit", this.#onExit);
    this.giveBack();
  }

  // --- internal ---

  /** Undoes what the foot has changed about the terminal. */
  get #ending(): string {
    return `${this.#hasKeys ? MARK_NO_PASTES : ""}${RELEASE}`;
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drawnMs = performance.now();
    // 0 of a terminal whose size nobody has told, as a serial one.
    const rows = process.stdout.rows || 0;
    const lines = this.#foot(process.stdout.columns || 80).map(printableLines);
    if (rows < lines.length + MIN_ROWS) {
      this.#release(this.#ending);
      return;
    }
    if (this.#reserved?.rows !== rows || this.#reserved.height !== lines.length) {
      // The letters of a paste must not act as keys.
      this.#printer.control(`${this.#hasKeys ? MARK_PASTES : ""}${reserveFoot(rows, lines.length)}`);
      this.#reserved = { rows, height: lines.length };
      this.#drawn = "";
    }
    const drawn = drawFoot(rows, lines);
    if (drawn === this.#drawn) return;
    this.#printer.control(drawn);
    this.#drawn = drawn;
  }

  /** A terminal that changes its size forgets the region, and some break the lines of the foot anew. */
  #redraw(): void {
    if (!this.#isOurs) return;
    if (this.#reserved) this.#reserved = { rows: 0, height: 0 };
    this.#draw();
  }

  #hide(): void {
    this.#isOurs = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #release(how: string): void {
    if (this.#reserved) this.#printer.control(how);
    this.#reserved = undefined;
  }
}

// --- internal ---

/** The least time from one drawing of the foot to the next. */
const REFRESH_MS = 50;

/** The rows that are left for what scrolls; with fewer there is no foot. */
const MIN_ROWS = 5;
