/** Timers by name, one for each name. */

import { startTimer } from "../../bun/timers.ts";

export class Timers<Name extends string> {
  readonly #timers = new Map<Name, { endMs: number; action: () => void; timer: Disposable }>();

  /** Starts a timer. It replaces another of the same name. */
  set(name: Name, ms: number, action: () => void): void {
    this.clear(name);
    const timer = startTimer(ms, () => {
      this.#timers.delete(name);
      action();
    });
    this.#timers.set(name, { endMs: performance.now() + ms, action, timer });
  }

  /** Makes a running timer end no sooner than in this time. */
  extend(name: Name, ms: number): void {
    const running = this.#timers.get(name);
    if (running && running.endMs < performance.now() + ms) this.set(name, ms, running.action);
  }

  clear(...names: Name[]): void {
    for (const name of names) {
      this.#timers.get(name)?.timer[Symbol.dispose]();
      this.#timers.delete(name);
    }
  }
}
