/** The phases of the unit in order, and how long each lasted. It knows no process and no clock. */

import type { MonitorEvent, Span, UnitPhase } from "./events.ts";

export class Timeline {
  readonly #spans: Span[] = [];
  #phase: UnitPhase = "inactive";
  #sinceUsec = 0;

  /** Becomes something else. Returns the event; undefined if it is that already. */
  enter(phase: UnitPhase, timeUsec: number, why?: string): MonitorEvent | undefined {
    if (phase === this.#phase) return undefined;
    const from = this.#phase;
    const durationUsec = timeUsec - this.#sinceUsec;
    // Before it was started the first time, it was not there.
    const isFirst = this.#spans.length === 0 && from === "inactive";
    if (!isFirst) this.#spans.push({ phase: from, startUsec: this.#sinceUsec, durationUsec });
    this.#phase = phase;
    this.#sinceUsec = timeUsec;
    return {
      event: "phase",
      timeUsec,
      from,
      to: phase,
      ...(!isFirst && { afterUsec: durationUsec }),
      ...(why !== undefined && { why }),
    };
  }

  /** What it was at, until now. */
  spans(timeUsec: number): Span[] {
    const last = { phase: this.#phase, startUsec: this.#sinceUsec };
    const isUp = this.#phase !== "inactive" && this.#phase !== "failed";
    return [...this.#spans, isUp ? { ...last, durationUsec: timeUsec - this.#sinceUsec } : last];
  }
}
