/** Converts times to positions on a chart's horizontal axis, in percent of its width. Pure. */

import { formatUsec } from "../../../protocol/durations.ts";

export interface Tick {
  percent: number;
  label: string;
}

export class Scale {
  readonly #startUsec: number;
  readonly #lengthUsec: number;

  constructor(startUsec: number, endUsec: number) {
    this.#startUsec = startUsec;
    this.#lengthUsec = Math.max(1, endUsec - startUsec);
  }

  /** Returns the position of a time. */
  at(usec: number): number {
    const part = Math.min(1, Math.max(0, (usec - this.#startUsec) / this.#lengthUsec));
    return round(MARGIN + part * (100 - 2 * MARGIN));
  }

  /** Returns the width of a duration. */
  width(startUsec: number, durationUsec: number): number {
    return round(this.at(startUsec + durationUsec) - this.at(startUsec));
  }

  /** Returns the ticks of the axis. They are at round times, and there is room for them on a phone. */
  ticks(): Tick[] {
    const stepUsec = STEPS_USEC.find((step) => this.#lengthUsec / step <= MAX_TICKS) ?? this.#lengthUsec;
    const first = Math.ceil(this.#startUsec / stepUsec);
    const count = Math.floor((this.#startUsec + this.#lengthUsec) / stepUsec) - first + 1;
    return Array.from({ length: count }, (_, i) => {
      const usec = (first + i) * stepUsec;
      return { percent: this.at(usec), label: usec === 0 ? "0" : formatUsec(usec) };
    });
  }
}

// --- internal ---

/** The space at each end, so that a mark there is not cut. */
const MARGIN = 1.5;

const MAX_TICKS = 7;

/** Up to 5 s, the steps are 1, 2 and 5 times a power of ten. Longer steps are round in minutes, hours or days. */
const STEPS_USEC = [
  ...[1, 10, 100, 1e3, 1e4, 1e5, 1e6].flatMap((unit) => [unit, 2 * unit, 5 * unit]),
  ...[10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200].map((seconds) => seconds * 1e6),
  ...[1, 2, 7, 14, 28, 91, 182, 364, 1000, 3640].map((days) => days * 86400e6),
];

function round(number: number): number {
  return Math.round(number * 1000) / 1000;
}
