/**
 * Servers in workers. Each thread has its own Bun.serve(), which --preload does not reach. So register preloads
 * itself there, and the thread tells the main thread what it serves, through a separate channel.
 */

import { node } from "../bun/node.ts";
import type { Adapter } from "../server/adapters.ts";
import { asOne } from "../server/all-done.ts";
import type { Load } from "../server/status.ts";

/** What a worker tells. */
export type Report = { thread: number } & (
  | { says: "serves"; places: string[]; load: Load; fds: number[] }
  /** `why` not all of its servers could be. */
  | { says: "drained"; why: string | undefined }
  /** Its program has told the manager something. */
  | { says: "heard"; message: string | Uint8Array }
);

/** What the main thread asks of all workers. */
export type Order = { order: "drain" };

/** Opens the channel. It keeps no thread alive. */
export function openChannel(): BroadcastChannel {
  const channel = new BroadcastChannel("sd-notify.register");
  (channel as unknown as { unref(): void }).unref();
  return channel;
}

/** The servers of all workers. */
export class Workers implements Adapter {
  readonly #reports = new Map<number, Extract<Report, { says: "serves" }>>();
  readonly #onServes: () => void;
  readonly #onHeard: (message: string | Uint8Array) => void;
  readonly #channel = openChannel();
  #hasAny = false;
  #drained: { left: Set<number>; errors: Error[]; all: PromiseWithResolvers<void> } | undefined;

  constructor(onServes: () => void, onHeard: (message: string | Uint8Array) => void) {
    this.#onServes = onServes;
    this.#onHeard = onHeard;
    this.#channel.onmessage = ({ data }) => this.#hear(data as Report);
  }

  /** Has each worker that the program makes from now on load a module first. */
  preload(path: string): void {
    const workers = this;
    const Original = globalThis.Worker;
    globalThis.Worker = class Worker extends Original {
      constructor(url: string | URL, options?: WorkerOptions) {
        workers.#hasAny = true;
        const given = options?.preload ?? [];
        const preload = [...(isThere(path) ? [path] : []), ...(Array.isArray(given) ? given : [given])];
        super(url, { ...options, preload });
        // Once the worker has ended, it has another id.
        const { threadId } = this;
        this.addEventListener("close", () => workers.#forget(threadId));
      }
    };
  }

  get isEmpty(): boolean {
    return !this.#hasAny;
  }

  /** The passed sockets that they serve. */
  get fds(): number[] {
    return [...this.#reports.values()].flatMap(({ fds }) => fds);
  }

  async whenListening(): Promise<void> {}

  where(): string | undefined {
    const places = new Set([...this.#reports.values()].flatMap(({ places }) => places));
    return places.size === 0 ? undefined : [...places].join(", ");
  }

  load(): Load {
    const loads = [...this.#reports.values()].map(({ load }) => load);
    return {
      requests: loads.length === 0 ? undefined : loads.reduce((sum, { requests = 0 }) => sum + requests, 0),
      websockets: loads.reduce((sum, { websockets }) => sum + websockets, 0),
    };
  }

  async drain(): Promise<void> {
    if (this.#reports.size === 0) return;
    this.#drained = { left: new Set(this.#reports.keys()), errors: [], all: Promise.withResolvers() };
    this.#channel.postMessage({ order: "drain" } satisfies Order);
    await this.#drained.all.promise;
    if (this.#drained.errors.length > 0) throw asOne(this.#drained.errors);
  }

  /** They end with the process. */
  closeNow(): void {}

  #hear(report: Report): void {
    if (report.says === "heard") this.#onHeard(report.message);
    else if (report.says === "drained") {
      if (report.why !== undefined) this.#drained?.errors.push(new Error(report.why));
      this.#forget(report.thread);
    } else {
      this.#hasAny = true;
      const before = this.#reports.get(report.thread)?.places.join();
      this.#reports.set(report.thread, report);
      // A report of its load alone must not put off the end of the start.
      if (report.places.length > 0 && report.places.join() !== before) this.#onServes();
    }
  }

  #forget(thread: number): void {
    this.#reports.delete(thread);
    this.#drained?.left.delete(thread);
    if (this.#drained?.left.size === 0) this.#drained.all.resolve();
  }
}

// --- internal ---

/** A bundle has no such file. Its workers import register themselves. */
function isThere(path: string): boolean {
  return !Bun.main.startsWith("/$bunfs/") && /\/register\/main\.[jt]s$/.test(path) && node.fs.existsSync(path);
}
