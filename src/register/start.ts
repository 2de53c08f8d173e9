/** When the start of a program is over, if the program doesn't know that anybody waits for it. */

import type { Settings } from "./settings.ts";

/**
 * How long a loaded program may still open servers and say itself that it is ready. An async main() does that right
 * after listen().
 */
const SETTLE_MS = 20;

/** How long the workers of a program may take to open theirs, one after another. */
const WORKERS_MS = 250;

/** How long it may take to open another server while its top level still awaits something. */
const UNFINISHED_MS = 2000;

export class Start {
  readonly #over = Promise.withResolvers<void>();
  readonly #ready: Settings["ready"];
  #state: "unknown" | "loading" | "loaded" = "unknown";
  #listens = false;
  #settleMs = SETTLE_MS;
  #timer: Timer | undefined;

  constructor(ready: Settings["ready"]) {
    this.#ready = ready;
    // The program must not be imported too early, so not in this turn of the event loop.
    if (ready === "loaded") setTimeout(() => this.#watch(), 0);
  }

  /** Resolves when it is over. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** A server listens. If there are several workers, the others are about to. */
  listens(inWorker = false): void {
    this.#listens = true;
    if (inWorker) this.#settleMs = WORKERS_MS;
    this.#watch();
    this.#schedule();
  }

  /** The program has said itself that it is ready. */
  isReady(): void {
    clearTimeout(this.#timer);
    this.#over.resolve();
  }

  /** Learns when the program's modules are evaluated. Importing one that is being evaluated waits until it is done. */
  #watch(): void {
    if (this.#state !== "unknown") return;
    this.#state = "loading";
    const loaded = () => {
      this.#state = "loaded";
      this.#schedule();
    };
    // The program ends with an error, so nobody is left to tell. Or Bun.main is not the name of a module.
    import(Bun.main).then(loaded, loaded);
  }

  #schedule(): void {
    const isLoaded = this.#state === "loaded";
    if (this.#ready === "program" || (this.#ready === "loaded" ? !isLoaded : !this.#listens)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#over.resolve(), isLoaded ? this.#settleMs : UNFINISHED_MS).unref();
  }
}
