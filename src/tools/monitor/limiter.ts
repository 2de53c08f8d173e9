/** Lets through as much as a person can read, and counts the rest. */

import type { MonitorEvent } from "./events.ts";

/** Messages and barriers in a second. */
const MAX_PER_SECOND = 100;

export class Limiter {
  readonly #emit: (event: MonitorEvent) => void;
  #second = -1;
  #shown = 0;
  #messages = 0;
  #ignored = 0;
  #lastUsec = 0;

  constructor(emit: (event: MonitorEvent) => void) {
    this.#emit = emit;
  }

  emit(event: MonitorEvent): void {
    this.#lastUsec = event.timeUsec;
    const second = Math.floor(event.timeUsec / 1e6);
    const isMessage = event.event === "message" || event.event === "barrier";
    if (second > this.#second || !isMessage) this.flush();
    if (second > this.#second) {
      this.#second = second;
      this.#shown = 0;
    }
    if (isMessage && ++this.#shown > MAX_PER_SECOND) {
      this.#messages++;
      if (event.verdict.problems.length > 0) this.#ignored++;
      return;
    }
    this.#emit(event);
  }

  /** Tells of the messages that were counted and not let through. At the end, no event may do that. */
  flush(): void {
    if (this.#messages === 0) return;
    this.#emit({ event: "suppressed", timeUsec: this.#lastUsec, messages: this.#messages, ignored: this.#ignored });
    this.#messages = 0;
    this.#ignored = 0;
  }
}
