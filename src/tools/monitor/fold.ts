/** Combines a run of pings into one, if they came in time and with nothing else between them. */

import type { Sender } from "../../verdict/types.ts";
import type { MonitorEvent } from "./events.ts";

/** What is shown: an event, or a run of pings instead of each ping. */
export type Shown = MonitorEvent | PingRun;

export interface PingRun {
  event: "pings";
  /** The time of the first ping. */
  timeUsec: number;
  /** The time of the last ping. */
  endUsec: number;
  sender: Sender & { name: string };
  count: number;
  smallestMarginUsec: number;
}

type Message = Extract<MonitorEvent, { event: "message" }>;

export class Folder {
  readonly #emit: (shown: Shown) => void;
  #run: (PingRun & { first: Message }) | undefined;

  constructor(emit: (shown: Shown) => void) {
    this.#emit = emit;
  }

  /** Takes an event. A ping is held back until the run ends. */
  emit(event: MonitorEvent): void {
    // systemd-notify(1) sends one after each ping.
    if (isAnswered(event) && event.sender.pid === this.#run?.sender.pid) return;
    if (!isQuietPing(event)) {
      this.flush();
      this.#emit(event);
      return;
    }
    const marginUsec = event.ping.timeoutUsec - event.ping.afterUsec;
    if (this.#run?.sender.pid !== event.sender.pid) this.flush();
    this.#run ??= {
      event: "pings",
      timeUsec: event.timeUsec,
      endUsec: event.timeUsec,
      sender: event.sender,
      count: 0,
      smallestMarginUsec: marginUsec,
      first: event,
    };
    this.#run.count++;
    this.#run.endUsec = event.timeUsec;
    this.#run.smallestMarginUsec = Math.min(this.#run.smallestMarginUsec, marginUsec);
  }

  /** Emits what was held back. */
  flush(): void {
    if (this.#run === undefined) return;
    const { first, ...run } = this.#run;
    this.#run = undefined;
    this.#emit(run.count === 1 ? first : run);
  }
}

/** Whether a message is one of show()'s lines of one ping, in time. */
export function isQuietPing(event: MonitorEvent): event is Message & { ping: NonNullable<Message["ping"]> } {
  return event.event === "message" && event.ping?.late === false && isPingOnly(event);
}

/** Whether an event is a barrier that needs no words. */
function isAnswered(event: MonitorEvent): event is Extract<MonitorEvent, { event: "barrier" }> {
  return event.event === "barrier" && event.verdict.problems.length === 0;
}

/** Whether it says nothing else. */
export function isPingOnly({ text, verdict }: Pick<Message, "text" | "verdict">): boolean {
  return text === "WATCHDOG=1" && verdict.problems.length === 0;
}
