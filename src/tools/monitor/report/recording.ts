/** Collects the events that a report shows. If there are very many, it keeps the first and the last ones. */

import { shorten } from "../../../protocol/shorten.ts";
import type { Problem } from "../../../verdict/types.ts";
import type { Ping } from "../../unit/watchdog.ts";
import type { MonitorEvent, Span } from "../events.ts";
import { Folder, type Shown } from "../fold.ts";
import { Summary } from "../summary.ts";

export type TimedPing = Ping & { timeUsec: number };

/** An event in the list. `leftOut` is the number of the message's problems that were not kept. */
export type Happened = Exclude<Shown, { event: "end" | "suppressed" }> & { leftOut?: number };

export interface Fault {
  problem: Problem;
  count: number;
}

export class Recording {
  readonly summary = new Summary();
  readonly happened: Happened[] = [];
  /** The number of events that were not kept. They came after the first `keptFirst` ones. */
  dropped = 0;
  readonly keptFirst = KEPT_FIRST;
  /** If there are very many pings, those with the smallest margins. */
  pings: TimedPing[] = [];
  /** What was ignored, why, and how often. */
  readonly faults = new Map<string, Fault>();
  end: Extract<MonitorEvent, { event: "end" }> | undefined;
  readonly #folder = new Folder((shown) => this.#keep(shown));
  #lastUsec = 0;

  add(event: MonitorEvent): void {
    this.#lastUsec = Math.max(this.#lastUsec, event.timeUsec);
    this.summary.add(event);
    if (event.event === "message" || event.event === "barrier") {
      for (const problem of event.verdict.problems.slice(0, MAX_PROBLEMS)) this.#count(problem);
    }
    if (event.event === "message" && event.ping) {
      this.pings.push({ timeUsec: event.timeUsec, ...event.ping });
      if (this.pings.length > MAX_PINGS) this.pings = thin(this.pings);
    }
    this.#folder.emit(event);
  }

  /** Adds the run of pings that is still being counted. */
  flush(): void {
    this.#folder.flush();
  }

  /** The phases of the unit. If the recording has no end, the last phase lasts until the last event. */
  timeline(): Span[] {
    if (this.end) return this.end.timeline;
    const { spans, phase, sinceUsec } = this.summary;
    return [...spans, { phase, startUsec: sinceUsec, durationUsec: this.#lastUsec - sinceUsec }];
  }

  // --- internal ---

  #count(problem: Problem): void {
    const key = JSON.stringify([problem.what, problem.why, problem.cure]);
    const known = this.faults.get(key);
    if (known) known.count++;
    else if (this.faults.size < MAX_FAULTS) this.faults.set(key, { problem, count: 1 });
  }

  #keep(shown: Shown): void {
    if (shown.event === "end") {
      this.end = shown;
      return;
    }
    if (shown.event === "suppressed") return;
    this.happened.push(trim(shown));
    if (this.happened.length > KEPT_FIRST + 2 * KEPT_LAST) {
      this.happened.splice(KEPT_FIRST, KEPT_LAST);
      this.dropped += KEPT_LAST;
    }
  }
}

// --- internal ---

/** How many events are kept: exactly so many from the beginning, and at least so many from the end. */
const KEPT_FIRST = 1000;
const KEPT_LAST = 1000;

const MAX_PINGS = 2000;

/** How much of a message PID 1 reads. */
const MAX_TEXT = 4096;

/** How many different faults are kept, and how many problems of one message. */
const MAX_FAULTS = 100;
const MAX_PROBLEMS = 10;

function trim(happened: Happened): Happened {
  if (happened.event !== "message" && happened.event !== "barrier") return happened;
  const { effects, problems } = happened.verdict;
  const verdict = { effects: effects.slice(0, MAX_PROBLEMS), problems: problems.slice(0, MAX_PROBLEMS) };
  const leftOut = problems.length - verdict.problems.length;
  const trimmed = { ...happened, verdict, ...(leftOut > 0 && { leftOut }) };
  return trimmed.event === "message" ? { ...trimmed, text: shorten(trimmed.text, MAX_TEXT) } : trimmed;
}

/** Halves the pings. Of each pair, the ping with the smaller margin stays. */
function thin(pings: readonly TimedPing[]): TimedPing[] {
  const margin = ({ timeoutUsec, afterUsec }: TimedPing) => timeoutUsec - afterUsec;
  return pings.flatMap((ping, i) => {
    const next = pings[i + 1];
    if (i % 2 === 1) return [];
    return [next !== undefined && margin(next) < margin(ping) ? next : ping];
  });
}
