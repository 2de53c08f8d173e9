/** Draws the timeline in text: a row of bars to scale for each phase, and a row for each kind of mark. Pure. */

import { type Format, type Line, line, styled } from "../../console/line.ts";
import { formatUsec } from "../../protocol/durations.ts";
import type { Span, UnitPhase } from "./events.ts";
import type { MarkKind, Summary } from "./summary.ts";

/** Returns the lines of the picture, each of which fits in `columns`. */
export function drawTimeline(timeline: readonly Span[], summary: Summary, columns: number): Line[] {
  const startUsec = timeline[0]?.startUsec ?? 0;
  const last = timeline.at(-1);
  const endUsec = last === undefined ? 0 : last.startUsec + (last.durationUsec ?? 0);
  const scale = new Scale(startUsec, endUsec, Math.max(MIN_BAR, columns - LABEL - SUM));
  const phases = PHASES.flatMap(([phase, format]) => {
    const spans = timeline.filter((span) => span.phase === phase);
    if (spans.length === 0 || (phase === "inactive" && spans.every(({ durationUsec }) => !durationUsec))) return [];
    const cells = scale.cells();
    for (const { startUsec, durationUsec = 0 } of spans) cells.fill("█", ...scale.range(startUsec, durationUsec));
    const usec = spans.reduce((sum, { durationUsec = 0 }) => sum + durationUsec, 0);
    return [row(phase, styled(format, cells.join("")), usec === 0 ? "" : formatUsec(usec))];
  });
  const marks = MARKS.flatMap(([kind, label, sign, format]) => {
    if (summary.count(kind) === 0) return [];
    const cells = scale.cells();
    for (const { timeUsec } of summary.marks(kind)) cells[scale.column(timeUsec)] = sign;
    return [row(label, styled(format, cells.join("")), `${summary.count(kind)}`)];
  });
  return [line`${styled("bold", "timeline")}, ${formatUsec(endUsec - startUsec)}`, ...phases, ...marks, scale.axis()];
}

// --- internal ---

/** Widths in columns: the label with its blanks, the sum after the bar, and the narrowest bar. */
const LABEL = 16;
const SUM = 14;
const MIN_BAR = 10;

const PHASES: readonly [UnitPhase, Format][] = [
  ["activating", "cyan"],
  ["active", "green"],
  ["reloading", "yellow"],
  ["deactivating", "blue"],
  ["inactive", "dim"],
  ["failed", "red"],
];

const MARKS: readonly [MarkKind, label: string, sign: string, Format][] = [
  ["ping", "pings", "·", "green"],
  ["missed", "missed pings", "✗", "red"],
  ["reload", "reloads", "▲", "yellow"],
  ["ignored", "ignored", "!", "red"],
];

class Scale {
  constructor(
    private readonly startUsec: number,
    private readonly endUsec: number,
    private readonly width: number,
  ) {}

  cells(): string[] {
    return Array<string>(this.width).fill(" ");
  }

  column(usec: number): number {
    const part = (usec - this.startUsec) / Math.max(1, this.endUsec - this.startUsec);
    return Math.min(this.width - 1, Math.max(0, Math.floor(part * this.width)));
  }

  /** Returns the first column of a span, and the one after its last. A span has at least one column. */
  range(startUsec: number, durationUsec: number): [number, number] {
    const first = this.column(startUsec);
    return [
      first,
      Math.max(first + 1, this.column(startUsec + durationUsec) + (this.isEnd(startUsec + durationUsec) ? 1 : 0)),
    ];
  }

  /** Returns the last line, with the times of both ends. They count from the start of the monitor, as elsewhere. */
  axis(): Line {
    const from = seconds(this.startUsec);
    const to = seconds(this.endUsec);
    const gap = " ".repeat(Math.max(1, this.width - from.length - to.length));
    return styled("dim", `${" ".repeat(LABEL)}${from}${gap}${to}`);
  }

  private isEnd(usec: number): boolean {
    return usec >= this.endUsec;
  }
}

function row(label: string, bar: Line, sum: string): Line {
  return line`  ${label.padEnd(LABEL - 2)}${bar}  ${sum}`;
}

function seconds(usec: number): string {
  return `${(usec / 1e6).toFixed(2)} s`;
}
