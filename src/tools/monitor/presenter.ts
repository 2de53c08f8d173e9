/** How events are told: as JSON, as text in a pipe, or on a terminal with a foot and a picture at the end. */

import { monotonicUsec } from "../../../ffi/syscalls.ts";
import { line, styled } from "../../console/line.ts";
import { inColour, isTerminal } from "../../console/output.ts";
import { printableJson } from "../../protocol/printable.ts";
import type { MonitorEvent } from "./events.ts";
import { Folder, type Shown } from "./fold.ts";
import { foot, KEY_HELP } from "./foot.ts";
import { Limiter } from "./limiter.ts";
import { drawTimeline } from "./picture.ts";
import type { Printer } from "./printer.ts";
import { Screen } from "./screen.ts";
import { INDENT, show, showEnd, showLines } from "./show.ts";
import { Summary } from "./summary.ts";

export interface Presenter extends Disposable {
  tell(event: MonitorEvent): void;
  /** Shows the keys. */
  help(): void;
}

export function createPresenter(printer: Printer, { json }: { json: boolean }): Presenter {
  if (json) return simple((event) => printer.print(`${printableJson(event)}\n`));
  const terminal = isTerminal() && process.env.TERM !== "dumb";
  const limiter = new Limiter((event) => printer.print(show(event, { columns: undefined, colour: inColour() })));
  return terminal ? new TerminalPresenter(printer) : simple((event) => limiter.emit(event));
}

// --- internal ---

function simple(tell: (event: MonitorEvent) => void): Presenter {
  return { tell, help() {}, [Symbol.dispose]() {} };
}

class TerminalPresenter implements Presenter {
  readonly #colour = inColour();
  readonly #summary = new Summary();
  readonly #printer: Printer;
  /** From the first event on. */
  #opened: Screen | undefined;
  readonly #folder = new Folder((shown) => this.#show(shown));
  readonly #limiter = new Limiter((event) => this.#folder.emit(event));
  /** The start of the events' clock. */
  #startUsec = monotonicUsec();
  /** When the last phase began. */
  #since = new Date();

  constructor(printer: Printer) {
    this.#printer = printer;
  }

  tell(event: MonitorEvent): void {
    this.#startUsec = Math.min(this.#startUsec, monotonicUsec() - event.timeUsec);
    this.#summary.add(event);
    if (event.event === "phase") this.#since = new Date();
    this.#limiter.emit(event);
    this.#screen.refresh();
  }

  help(): void {
    this.#folder.flush();
    const lines = KEY_HELP.map(([key, what]) => line`${styled("bold", key.padEnd(10))}  ${what}`);
    this.#screen.print(showLines(this.#now(), lines, this.#look()));
  }

  [Symbol.dispose](): void {
    this.#folder.flush();
    this.#opened?.[Symbol.dispose]();
  }

  // --- internal ---

  get #screen(): Screen {
    const keys = process.stdin.isTTY === true;
    this.#opened ??= new Screen(this.#printer, (columns) =>
      foot(this.#summary, { columns, colour: this.#colour, since: this.#since, keys }),
    );
    return this.#opened;
  }

  #show(shown: Shown): void {
    if (shown.event !== "end") {
      this.#screen.print(show(shown, this.#look()));
      return;
    }
    this.#screen[Symbol.dispose]();
    const picture = drawTimeline(shown.timeline, this.#summary, this.#screen.columns - INDENT);
    this.#screen.print(showLines(shown.timeUsec, [...picture, showEnd(shown)], this.#look()));
  }

  #look(): { columns: number; colour: boolean } {
    return { columns: this.#screen.columns, colour: this.#colour };
  }

  #now(): number {
    return monotonicUsec() - this.#startUsec;
  }
}
