/** What the bridge counts. Its memory does not grow with the number of messages. */

import { shorten } from "../../protocol/shorten.ts";
import type { Problem, Verdict } from "../../verdict/types.ts";
import type { Ping } from "../unit/watchdog.ts";
import type { Ignored } from "./snapshot.ts";

export class Tally {
  messages = 0;
  pings = 0;
  restarts = 0;
  smallestMarginUsec: number | undefined;
  readonly #ignored = new Map<string, Ignored>();

  get ignored(): Ignored[] {
    return [...this.#ignored.values()];
  }

  ping({ afterUsec, timeoutUsec }: Ping): void {
    this.smallestMarginUsec = Math.min(this.smallestMarginUsec ?? Number.POSITIVE_INFINITY, timeoutUsec - afterUsec);
  }

  /** Counts what is ignored. Returns what is ignored for the first time. */
  ignore({ problems }: Verdict): Problem[] {
    return problems.filter((problem) => {
      const name = nameOf(problem);
      const known = this.#find(name) ?? (this.#ignored.size < MAX_REASONS ? undefined : this.#find(OTHERS));
      if (known === undefined) {
        const added = this.#ignored.size < MAX_REASONS ? name : OTHERS;
        this.#ignored.set(keyOf(added), { ...added, count: 1 });
      } else known.count++;
      return known === undefined;
    });
  }

  // --- internal ---

  #find(name: Name): Ignored | undefined {
    return this.#ignored.get(keyOf(name));
  }
}

// --- internal ---

type Name = Pick<Ignored, "what" | "reason">;

function keyOf({ what, reason }: Name): string {
  return `${what} ${reason}`;
}

/** A Prometheus label must have few values, because each is a time series. */
const MAX_REASONS = 40;
const MAX_LENGTH = 160;
const OTHERS: Name = { what: "other", reason: "other" };

/** Names it without the parts that differ each time: numbers and values. */
function nameOf({ what, why }: Problem): Name {
  const [key = ""] = what.split("=", 1);
  return { what: shorten(key || "message", MAX_LENGTH), reason: shorten(why.replaceAll(/\d+/g, "N"), MAX_LENGTH) };
}
