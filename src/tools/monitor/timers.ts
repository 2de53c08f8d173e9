/** Timers by name, one of each. */
export class Timers<Name extends string> {
  readonly #timers = new Map<Name, Timer>();

  /** Begins one, in place of another of the name. One that is longer than timers can be never ends. */
  set(name: Name, ms: number, action: () => void): void {
    this.clear(name);
    if (ms >= 0x7fffffff) return;
    const end = () => {
      this.#timers.delete(name);
      action();
    };
    this.#timers.set(name, setTimeout(end, Math.max(0, ms)));
  }

  /** Whether one runs. */
  has(name: Name): boolean {
    return this.#timers.has(name);
  }

  clear(...names: Name[]): void {
    for (const name of names) {
      clearTimeout(this.#timers.get(name));
      this.#timers.delete(name);
    }
  }
}
