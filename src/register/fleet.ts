/** All servers of a program, treated as one. Servers come and go. */

import { type Adapter, adapt, totalLoad } from "../server/adapters.ts";
import { type BunServer, whenStopped } from "../server/adopted-server.ts";
import { allDone } from "../server/all-done.ts";
import type { Load } from "../server/status.ts";

export class Fleet implements Adapter {
  readonly #started: Promise<void>;
  readonly #adapters = new Map<BunServer, Adapter>();
  /** The servers that are being drained. They stop one by one, and count until the end. */
  #draining: Adapter[] | undefined;

  /** `started` resolves when the servers of the start listen. */
  constructor(started: Promise<void>) {
    this.#started = started;
  }

  /** bun --hot gets the same server again. */
  add(server: BunServer): void {
    if (this.#adapters.has(server)) return;
    this.#adapters.set(server, adapt(server));
    whenStopped(server, () => this.#adapters.delete(server));
  }

  get isEmpty(): boolean {
    return this.#adapters.size === 0;
  }

  whenListening(): Promise<void> {
    return this.#started;
  }

  where(): string | undefined {
    const places = this.#all().flatMap((adapter) => adapter.where() ?? []);
    return places.length === 0 ? undefined : places.join(", ");
  }

  load(): Load {
    return totalLoad(this.#all());
  }

  async drain(): Promise<void> {
    this.#draining = [...this.#adapters.values()];
    await allDone(this.#draining.map(async (adapter) => adapter.drain()));
  }

  closeNow(): void {
    for (const adapter of this.#all()) adapter.closeNow();
  }

  #all(): Adapter[] {
    return this.#draining ?? [...this.#adapters.values()];
  }
}
