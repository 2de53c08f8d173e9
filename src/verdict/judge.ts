/**
 * What the service manager makes of a message: what it does, and what it ignores, why, and the line that cures it. Pure: who sent the
 * message and what the unit is like is said by whoever asks.
 *
 * The rules are those of systemd 262: sd_notify(3), systemd.service(5), and its src/core/manager.c and service.c.
 */

import { shorten } from "../protocol/check.ts";
import { decodeText, isBarrier, type Line, readLines } from "../protocol/lines.ts";
import { MAX_MESSAGE_LENGTH } from "../protocol/message.ts";
import { printable } from "../protocol/printable.ts";
import { judgeAssignment } from "./rules.ts";

/** The settings and the state of a unit, as far as they decide what becomes of a message. What is undefined decides nothing. */
export interface UnitFacts {
  /** Type= */
  type?: string | undefined;
  /** NotifyAccess= */
  notifyAccess?: "none" | "main" | "exec" | "all" | undefined;
  /** FileDescriptorStoreMax=, and how many the store holds. */
  fdStoreMax?: number | undefined;
  fdStored?: number | undefined;
  /** WatchdogSec=, in microseconds; 0: none. */
  watchdogUsec?: number | undefined;
  /** What the unit is at. */
  phase?: Phase | undefined;
  /** When the reload began that is under way: CLOCK_MONOTONIC in microseconds. */
  reloadUsec?: number | undefined;
  /** Whether the main process has a handler for the signal of a reload, which Type=notify-reload asks for. */
  handlesReload?: boolean | undefined;
}

export type Phase = "activating" | "active" | "reloading" | "deactivating";

/** Who sent a message, as the service manager sees it. */
export interface Sender {
  /** 0 where the message carries no credentials, or those of a process that can't be seen. */
  pid: number;
  uid: number;
  /**
   * main: the main process. control: one of ExecStartPre=, ExecReload= and their likes. member: another process of the unit.
   * stranger: a process of no unit, or of another. gone: it had exited when the manager looked.
   */
  role: "main" | "control" | "member" | "stranger" | "gone";
}

export interface MessageFacts {
  bytes: Uint8Array;
  /** How many file descriptors came along. */
  fdCount: number;
  sender: Sender;
  /** What the process that MAINPID= names is to the unit, where that is known. */
  mainPidRole?: Sender["role"] | undefined;
}

export interface Verdict {
  /** What the service manager does, a sentence each. */
  effects: string[];
  /** What it ignores. */
  problems: Problem[];
  /** What the unit is at when it has done so; undefined: what it was at. */
  phase?: Phase | undefined;
}

export interface Problem {
  /** What is ignored: the whole message (""), "fds", or an assignment. */
  what: string;
  why: string;
  /** What to change: a line of the unit file, or the message as it should be. */
  cure?: string | undefined;
}

/** Returns what the service manager makes of a message. */
export function judge(message: MessageFacts, unit: UnitFacts = {}): Verdict {
  // A long text or name is cut, and what would do something to a terminal is spelt out.
  const { effects, problems, ...phase } = judgeText(message, unit);
  return {
    effects: effects.map(printable),
    problems: problems.map(({ what, why, cure }) => ({
      what: printable(what),
      why: printable(why),
      ...(cure !== undefined && { cure: printable(cure) }),
    })),
    ...phase,
  };
}

// --- internal ---

function judgeText(message: MessageFacts, unit: UnitFacts): Verdict {
  const lines = readLines(decodeText(message.bytes));
  const refusal = refuse(message, lines, unit);
  if (lines === undefined || refusal) return { effects: [], problems: [{ what: "", ...(refusal ?? UNFINISHED) }] };
  if (isBarrier(lines)) {
    return { effects: ["closes the fd: all that was sent before has been processed"], problems: [] };
  }
  const verdict: Verdict = { effects: [], problems: lines.flatMap(whyItDoesNotCount) };
  const assignments = lines.filter(({ isFirst }) => isFirst);
  const keys = new Set(assignments.map(({ key }) => key));
  for (const assignment of assignments) {
    const { effect, problem, phase } = judgeAssignment(assignment, { assignments, keys, message, unit });
    if (effect !== undefined) verdict.effects.push(effect);
    if (problem !== undefined) {
      verdict.problems.push({ what: `${shorten(assignment.key)}=${shorten(assignment.value, 40)}`, ...problem });
    }
    // service_notify_message(): STOPPING beats READY beats RELOADING.
    if (phase !== undefined && rank(phase) > rank(verdict.phase)) verdict.phase = phase;
  }
  if (message.fdCount > 0 && !keys.has("FDSTORE") && !keys.has("MAINPIDFD")) {
    verdict.problems.push({ what: "fds", why: "no FDSTORE=1 goes with them: they are closed", cure: "FDSTORE=1" });
  }
  return verdict;
}

type Refusal = Omit<Problem, "what">;

const UNFINISHED: Refusal = {
  why: "it ends in a backslash, which takes the next character as it is, and there is none",
  cure: "write each backslash twice",
};

/** Why all of the message is ignored, in the order in which the manager looks. */
function refuse(
  { bytes, fdCount, sender }: MessageFacts,
  lines: readonly Line[] | undefined,
  unit: UnitFacts,
): Refusal | undefined {
  if (bytes.length > MAX_MESSAGE_LENGTH) {
    return {
      why: `it has ${bytes.length} bytes, and the service manager reads ${MAX_MESSAGE_LENGTH} at most`,
      cure: "shorten STATUS=, or send two messages",
    };
  }
  if (bytes.subarray(0, -1).includes(0))
    return { why: "it contains a NUL byte", cure: "remove it: the end needs none" };
  if (sender.pid <= 0) {
    return {
      why: "it carries no credentials: its sender is in a PID namespace that the manager can't see into",
      cure: "send from the service's own PID namespace",
    };
  }
  if (lines === undefined) return UNFINISHED;
  if (lines.some(({ text }) => text === "BARRIER=1")) {
    if (!isBarrier(lines)) return { why: "BARRIER=1 is to be alone in its message", cure: "send the rest before it" };
    if (fdCount !== 1) return { why: `BARRIER=1 comes with exactly one fd, not with ${fdCount}`, cure: "barrier()" };
    return undefined;
  }
  return refuseSender(sender, unit);
}

function refuseSender({ pid, role }: Sender, { notifyAccess = "all" }: UnitFacts): Refusal | undefined {
  if (role === "gone") {
    return {
      why: `process ${pid} had exited before the manager could see which unit it is of`,
      cure: "wait for a barrier before the end: sd-notify without --no-block, barrier() in the library",
    };
  }
  if (role === "stranger") {
    return {
      why: `process ${pid} is not of this unit`,
      cure: "send from a process of the unit, or with --pid= of one as root",
    };
  }
  if (notifyAccess === "none") {
    return { why: "NotifyAccess=none: the unit takes no messages", cure: "NotifyAccess=main" };
  }
  if (notifyAccess === "main" && role !== "main") {
    return {
      why: `process ${pid} is not the main process, and NotifyAccess=main takes messages from no other`,
      cure: role === "control" ? "NotifyAccess=exec" : "NotifyAccess=all",
    };
  }
  if (notifyAccess === "exec" && role === "member") {
    return {
      why: `process ${pid} is started by the service, and NotifyAccess=exec takes messages from what the manager starts`,
      cure: "NotifyAccess=all",
    };
  }
  return undefined;
}

/** What stands in the message and is not looked at. */
function whyItDoesNotCount({ text, key, isFirst }: Line): Problem[] {
  const what = shorten(text, 40);
  if (isFirst) return [];
  if (key === "") return [{ what, why: "it is no assignment", cure: "NAME=value, one on a line" }];
  return [{ what, why: `${shorten(key)}= stands before it already, and the first one counts` }];
}

function rank(phase: Phase | undefined): number {
  return phase === undefined ? 0 : { reloading: 1, activating: 1, active: 2, deactivating: 3 }[phase];
}
