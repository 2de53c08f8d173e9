/** The processes of the unit: this process' descendants, those too that their parents have left. */

import { adoptOrphans, waitForExit } from "../../../ffi/process.ts";
import { descendants } from "./processes.ts";

/** Told of each signal that has reached anybody. */
type OnSignal = (signal: "SIGHUP" | "SIGTERM" | "SIGKILL", pids: number[], why: string) => void;

export class Family {
  /** The child whose end Bun waits for. */
  child: number | undefined;
  readonly #onSignal: OnSignal;

  constructor(onSignal: OnSignal) {
    adoptOrphans();
    this.#onSignal = onSignal;
  }

  /** Those that run. Those that have ended, and were adopted, are forgotten. */
  pids(): number[] {
    const all = descendants(process.pid);
    const adopted = all.filter(({ parent, pid }) => parent === process.pid && pid !== this.child);
    for (const { pid, isZombie } of adopted) if (isZombie) waitForExit(pid);
    return all.filter(({ isZombie }) => !isZombie).map(({ pid }) => pid);
  }

  signal(signal: "SIGHUP" | "SIGTERM" | "SIGKILL", why: string, pids = this.pids()): void {
    const reached = pids.filter((pid) => {
      try {
        return process.kill(pid, signal);
      } catch {
        // It has ended meanwhile.
        return false;
      }
    });
    if (reached.length > 0) this.#onSignal(signal, reached, why);
  }

  /** Ends what is left. (They are nobody's children that an event would tell of.) */
  async end(timeoutMs: number): Promise<void> {
    if (this.pids().length === 0) return;
    this.signal("SIGTERM", "left over");
    const deadline = performance.now() + timeoutMs;
    while (this.pids().length > 0 && performance.now() < deadline) await Bun.sleep(10);
    this.signal("SIGKILL", "left over");
    while (this.pids().length > 0) await Bun.sleep(1);
  }
}
