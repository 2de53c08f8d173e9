/** The unit that the monitor plays: what it is at, since when, and what it was at before. It knows no process and no clock. */

import type { Phase, UnitFacts } from "../../verdict/types.ts";
import type { MonitorEvent, Span, UnitPhase } from "./events.ts";

export class Unit {
  readonly facts: UnitFacts;
  readonly #timeline: Span[] = [];
  #phase: UnitPhase = "inactive";
  #sinceUsec = 0;

  constructor(facts: UnitFacts) {
    this.facts = { ...facts };
  }

  get phase(): UnitPhase {
    return this.#phase;
  }

  /** Whether anything of it is to run. */
  get isUp(): boolean {
    return this.#phase !== "inactive" && this.#phase !== "failed";
  }

  /** Becomes something else. Returns the event; undefined where it is that already. */
  enter(phase: UnitPhase, timeUsec: number, why?: string): MonitorEvent | undefined {
    if (phase === this.#phase) return undefined;
    const from = this.#phase;
    const isFirst = this.#timeline.length === 0 && from === "inactive";
    const afterUsec = isFirst ? undefined : timeUsec - this.#sinceUsec;
    this.#endSpan(timeUsec);
    this.#phase = phase;
    this.#sinceUsec = timeUsec;
    this.facts.phase = this.isUp ? (phase as Phase) : undefined;
    return {
      event: "phase",
      timeUsec,
      from,
      to: phase,
      ...(afterUsec !== undefined && { afterUsec }),
      ...(why !== undefined && { why }),
    };
  }

  /** What it was at, until now. */
  timeline(timeUsec: number): Span[] {
    const last = { phase: this.#phase, startUsec: this.#sinceUsec };
    return [...this.#timeline, this.isUp ? { ...last, durationUsec: timeUsec - this.#sinceUsec } : last];
  }

  // --- internal ---

  #endSpan(timeUsec: number): void {
    const durationUsec = timeUsec - this.#sinceUsec;
    // Before it was started the first time, it was not there.
    if (this.#timeline.length === 0 && this.#phase === "inactive") return;
    this.#timeline.push({ phase: this.#phase, startUsec: this.#sinceUsec, durationUsec });
  }
}
