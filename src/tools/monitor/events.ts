/** What the monitor tells: an object with --json, otherwise text. */

import type { FdKind } from "../../server/listen-fds.ts";
import type { Phase, Sender, Verdict } from "../../verdict/types.ts";
import type { Ping } from "../unit/watchdog.ts";

/** What the unit is doing; "inactive" or "failed" if nothing of it runs. */
export type UnitPhase = Phase | "inactive" | "failed";

export type MonitorEvent = { timeUsec: number } & (
  | { event: "started"; pid: number; command: string[]; socket: string; fds: string[] }
  | {
      event: "message";
      sender: Sender & { name: string };
      text: string;
      /** CLOCK_MONOTONIC in microseconds, as MONOTONIC_USEC=. */
      receivedUsec: number;
      fds: ({ name: string } & FdKind)[];
      verdict: Verdict;
      /** For a ping of the watchdog: how long after the previous one. */
      ping?: Ping;
    }
  /** `answeredUsec`: how long it took; absent if it is refused. */
  | { event: "barrier"; sender: Sender & { name: string }; answeredUsec?: number; verdict: Verdict }
  | { event: "phase"; from: UnitPhase; to: UnitPhase; afterUsec?: number; why?: string }
  | { event: "watchdog"; timeoutUsec: number }
  /** `refused`: the processes that this user may not send it to. */
  | { event: "signal"; signal: string; pids: number[]; refused?: number[]; why: string }
  | { event: "fd"; name: string; what: string }
  | { event: "exit"; pid: number; code: number | null; signal: string | null }
  | { event: "suppressed"; messages: number; ignored: number }
  /** `refused`: how many signals were. */
  | { event: "end"; timeline: Span[]; messages: number; ignored: number; refused?: number; status: number; why: string }
);

/** How long the unit was in a phase. */
export interface Span {
  phase: UnitPhase;
  startUsec: number;
  /** Absent at the end. */
  durationUsec?: number;
}
