/** What the monitor has to tell: as an object with --json, as text else. */

import type { FdKind } from "../../server/listen-fds.ts";
import type { Phase, Sender, Verdict } from "../../verdict/types.ts";
import type { Ping } from "../unit/watchdog.ts";

/** What the unit is at; "inactive" and "failed" when nothing of it runs. */
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
      /** Where it is a ping of the watchdog: how long after the one before. */
      ping?: Ping;
    }
  /** `answeredUsec`: how long it took; absent where it is refused. */
  | { event: "barrier"; sender: Sender & { name: string }; answeredUsec?: number; verdict: Verdict }
  | { event: "phase"; from: UnitPhase; to: UnitPhase; afterUsec?: number; why?: string }
  | { event: "watchdog"; timeoutUsec: number }
  /** `refused`: those that this user may not send it to. */
  | { event: "signal"; signal: string; pids: number[]; refused?: number[]; why: string }
  | { event: "fd"; name: string; what: string }
  | { event: "exit"; pid: number; code: number | null; signal: string | null }
  | { event: "suppressed"; messages: number; ignored: number }
  /** `refused`: how many signals were. */
  | { event: "end"; timeline: Span[]; messages: number; ignored: number; refused?: number; status: number; why: string }
);

/** How long the unit was at something. */
export interface Span {
  phase: UnitPhase;
  startUsec: number;
  /** Absent at the end. */
  durationUsec?: number;
}
