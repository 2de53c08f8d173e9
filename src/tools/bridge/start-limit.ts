/** How often a command may be started. If it keeps ending at once, more restarts don't help. */

export class StartLimit {
  #restartsMs: number[] = [];

  /** Counts a restart. Returns a reason if the command must not be restarted. */
  refuse(): string | undefined {
    const now = performance.now();
    this.#restartsMs = [...this.#restartsMs.filter((ms) => now - ms < INTERVAL_MS), now];
    if (this.#restartsMs.length < BURST) return undefined;
    return `not started again: that was ${BURST - 1} times in ${INTERVAL_MS / 1000} s`;
  }

  /** RESTART_RESET=1 */
  reset(): void {
    this.#restartsMs = [];
  }
}

// --- internal ---

/** systemd-system.conf(5), DefaultStartLimitBurst= and DefaultStartLimitIntervalSec=; the first start counts. */
const BURST = 5;
const INTERVAL_MS = 10_000;
