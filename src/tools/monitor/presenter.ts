/** Prints events: as JSON, as text, or on a terminal with a foot and with a picture at the end. */

import { monotonicUsec } from "../../../ffi/syscalls.ts";
import { line, styled } from "../../console/line.ts";
import { inColour, isTerminal } from "../../console/output.ts";
import { printableJson } from "../../protocol/printable.ts";
import type { MonitorEvent } from "./events.ts";
import { Folder, type Shown } from "./fold.ts";
import { foot, KEY_HELP } from "./foot.ts";
import type { TerminalUser } from "./foreground.ts";
import { Limiter } from "./limiter.ts";
import { drawTimeline } from "./picture.ts";
import type { Printer } from "./printer.ts";
import { Screen } from "./screen.ts";
import { INDENT, show, showEnd, showLines } from "./show.ts";
import { Summary } from "./summary.ts";

export interface Presenter extends TerminalUser, Disposable {
  tell(event: MonitorEvent): void;
  /** Prints what the keys do. */
  help(): void;
}

/** Chooses the presenter. `isLive`: events arrive when they happen, and not from a recording. */
export function createPresenter(
  printer: Printer,
  { json, isLive = true }: { json: boolean; isLive?: boolean },
): Presenter {
  if (json) return simple((event) => printer.print(`${printableJson(event)}\n`));
  const terminal = isTerminal() && process.env.TERM !== "dumb";
  const limiter = new Limiter((event) => printer.print(show(event, { columns: undefined, colour: inColour() })));
  if (terminal) return new TerminalPresenter(printer, isLive);
  return simple(
    (event) => limiter.emit(event),
    () => limiter.flush(),
  );
}

// --- internal ---

function simple(tell: (event: MonitorEvent) => void, end = () => {}): Presenter {
  return { tell, help() {}, take() {}, giveBack() {}, lose() {}, [Symbol.dispose]: end };
}

/** The fewest columns in which the timeline is drawn as a picture. */
const MIN_PICTURE = 52;

class TerminalPresenter implements Presenter {
  readonly #colour = inColour();
  readonly #summary = new Summary();
  readonly #printer: Printer;
  readonly #hasFoot: boolean;
  /** Created at the first event. */
  #opened: Screen | undefined;
  /** Whether this process has the terminal. */
  #isOurs = false;
  readonly #folder = new Folder((shown) => this.#show(shown));
  readonly #limiter = new Limiter((event) => this.#folder.emit(event));
  /** The time on the monotonic clock from which the events count theirs. */
  #startUsec = monotonicUsec();
  /** When the last phase began. */
  #since = new Date();

  constructor(printer: Printer, hasFoot: boolean) {
    this.#printer = printer;
    this.#hasFoot = hasFoot;
  }

  tell(event: MonitorEvent): void {
    this.#startUsec = Math.min(this.#startUsec, monotonicUsec() - event.timeUsec);
    this.#summary.add(event);
    if (event.event === "phase") this.#since = new Date();
    this.#limiter.emit(event);
    this.#screen?.refresh();
  }

  help(): void {
    this.#folder.flush();
    const lines = KEY_HELP.map(([key, what]) => line`${styled("bold", key.padEnd(10))}  ${what}`);
    this.#print(showLines(this.#now(), lines, this.#look()));
  }

  take(): void {
    refreshSize();
    this.#isOurs = true;
    this.#opened?.take();
  }

  giveBack(): void {
    this.#isOurs = false;
    this.#opened?.giveBack();
  }

  lose(): void {
    this.#isOurs = false;
    this.#opened?.lose();
  }

  [Symbol.dispose](): void {
    this.#limiter.flush();
    this.#folder.flush();
    this.#opened?.[Symbol.dispose]();
  }

  // --- internal ---

  get #screen(): Screen | undefined {
    if (!this.#hasFoot) return undefined;
    if (this.#opened === undefined) {
      const keys = process.stdin.isTTY === true;
      const lines = (columns: number) =>
        foot(this.#summary, { columns, colour: this.#colour, since: this.#since, keys });
      this.#opened = new Screen(this.#printer, lines, keys);
      if (this.#isOurs) this.#opened.take();
    }
    return this.#opened;
  }

  #show(shown: Shown): void {
    const look = this.#look();
    if (shown.event === "end") this.#opened?.[Symbol.dispose]();
    if (shown.event !== "end" || look.columns < MIN_PICTURE) {
      this.#print(show(shown, look));
      return;
    }
    const picture = drawTimeline(shown.timeline, this.#summary, look.columns - INDENT);
    this.#print(showLines(shown.timeUsec, [...picture, showEnd(shown)], look));
  }

  #print(text: string): void {
    if (this.#screen) this.#screen.print(text);
    else this.#printer.print(text);
  }

  #look(): { columns: number; colour: boolean } {
    if (!this.#isOurs) refreshSize();
    return { columns: process.stdout.columns || 80, colour: this.#colour };
  }

  #now(): number {
    return monotonicUsec() - this.#startUsec;
  }
}

/** process.stdout learns its size by SIGWINCH, which a terminal sends only to what is in the foreground. */
function refreshSize(): void {
  (process.stdout as { _refreshSize?: () => void })._refreshSize?.();
}
