/** Counts and sums up the events so far, for the foot of a terminal, the timeline and the report. Pure. */

import type { Verdict } from "../../verdict/types.ts";
import type { MonitorEvent, Span, UnitPhase } from "./events.ts";

export type MarkKind = "ping" | "reload" | "ignored" | "missed";

/** An event that the timeline shows at a single point. */
export interface Mark {
  kind: MarkKind;
  timeUsec: number;
}

export class Summary {
  phase: UnitPhase = "inactive";
  /** When the phase began. */
  sinceUsec = 0;
  /** The status that systemctl(1) would show now. */
  status = "";
  messages = 0;
  /** The number of messages and barriers that were ignored in part or whole. */
  ignored = 0;
  pings = 0;
  missed = 0;
  /** The shortest time that was left of the watchdog's when a ping came. Undefined before the first ping. */
  smallestMarginUsec: number | undefined;
  /** The phases that have ended. */
  readonly spans: Span[] = [];
  readonly #marks: Record<MarkKind, Mark[]> = { ping: [], reload: [], ignored: [], missed: [] };
  readonly #counts: Record<MarkKind, number> = { ping: 0, reload: 0, ignored: 0, missed: 0 };

  add(event: MonitorEvent): void {
    switch (event.event) {
      case "phase":
        this.#enter(event);
        break;
      case "message": {
        this.messages++;
        this.#ignore(event);
        this.status = statusOf(event.verdict) ?? this.status;
        if (event.ping === undefined) break;
        const marginUsec = event.ping.timeoutUsec - event.ping.afterUsec;
        this.smallestMarginUsec = Math.min(marginUsec, this.smallestMarginUsec ?? marginUsec);
        this.pings++;
        this.#mark("ping", event.timeUsec);
        break;
      }
      case "barrier":
        this.#ignore(event);
        break;
      case "watchdog":
        this.missed++;
        this.#mark("missed", event.timeUsec);
        break;
    }
  }

  /** Returns the marks of a kind. If there are very many, this is a sample. */
  marks(kind: MarkKind): readonly Mark[] {
    return this.#marks[kind];
  }

  /** Returns how often something happened, sampled or not. */
  count(kind: MarkKind): number {
    return this.#counts[kind];
  }

  // --- internal ---

  #enter({ from, to, timeUsec, afterUsec }: Extract<MonitorEvent, { event: "phase" }>): void {
    if (afterUsec !== undefined) {
      this.spans.push({ phase: from, startUsec: this.sinceUsec, durationUsec: timeUsec - this.sinceUsec });
    }
    // systemd clears the status when it starts a unit.
    if (to === "activating") this.status = "";
    if (to === "reloading") this.#mark("reload", timeUsec);
    this.phase = to;
    this.sinceUsec = timeUsec;
  }

  #ignore({ verdict, timeUsec }: { verdict: Verdict; timeUsec: number }): void {
    if (verdict.problems.length === 0) return;
    this.ignored++;
    this.#mark("ignored", timeUsec);
  }

  #mark(kind: MarkKind, timeUsec: number): void {
    this.#counts[kind]++;
    const marks = this.#marks[kind];
    marks.push({ kind, timeUsec });
    // Weeks of pings take no more memory than this, and a picture has fewer columns.
    if (marks.length > MAX_MARKS) this.#marks[kind] = marks.filter((_, i) => i % 2 === 0);
  }
}

/** Returns the status that a message sets: "" if it clears the status, undefined if it leaves it alone. */
export function statusOf({ effects }: Verdict): string | undefined {
  const effect = effects.find(isStatusEffect);
  return effect === undefined ? undefined : (/^the status is "(.*)"$/s.exec(effect)?.[1] ?? "");
}

/** Whether an effect only repeats the line STATUS= of the message. */
export function isStatusEffect(effect: string): boolean {
  return effect.startsWith('the status is "') || effect === "the status is empty";
}

// --- internal ---

const MAX_MARKS = 4096;
