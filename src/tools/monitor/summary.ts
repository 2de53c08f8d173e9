/** What has happened so far, in a few words: for the foot of a terminal, the timeline and the report. Pure. */

import type { Verdict } from "../../verdict/types.ts";
import type { MonitorEvent, Span, UnitPhase } from "./events.ts";

export type MarkKind = "ping" | "reload" | "ignored" | "missed";

/** Something that happened at one time. */
export interface Mark {
  kind: MarkKind;
  timeUsec: number;
}

export class Summary {
  phase: UnitPhase = "inactive";
  /** Since when it is that. */
  sinceUsec = 0;
  /** What PID 1 would show now. */
  status = "";
  messages = 0;
  /** Messages and barriers that are ignored in part or whole. */
  ignored = 0;
  pings = 0;
  missed = 0;
  /** The least time that was left when a ping came; undefined before the first. */
  smallestMarginUsec: number | undefined;
  /** The phases that are over. */
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

  /** What happened when; of very many of a kind, a sample. */
  marks(kind: MarkKind): readonly Mark[] {
    return this.#marks[kind];
  }

  /** How often something happened. */
  count(kind: MarkKind): number {
    return this.#counts[kind];
  }

  // --- internal ---

  #enter({ from, to, timeUsec, afterUsec }: Extract<MonitorEvent, { event: "phase" }>): void {
    if (afterUsec !== undefined) {
      this.spans.push({ phase: from, startUsec: this.sinceUsec, durationUsec: timeUsec - this.sinceUsec });
    }
    // A restart begins without one.
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
    // Of a life of weeks, every second one: a picture has fewer columns.
    if (marks.length > MAX_MARKS) this.#marks[kind] = marks.filter((_, i) => i % 2 === 0);
  }
}

/** The status that a message sets: "" if it clears it; undefined if it sets none. */
export function statusOf({ effects }: Verdict): string | undefined {
  const effect = effects.find(isStatusEffect);
  return effect === undefined ? undefined : (/^the status is "(.*)"$/s.exec(effect)?.[1] ?? "");
}

/** Whether an effect says what the line STATUS= says already. */
export function isStatusEffect(effect: string): boolean {
  return effect.startsWith('the status is "') || effect === "the status is empty";
}

// --- internal ---

const MAX_MARKS = 4096;
