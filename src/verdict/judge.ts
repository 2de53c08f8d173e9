/**
 * What the service manager makes of a message: what it does, what it ignores and why, and the line that cures it. This
 * is pure: the caller says who sent the message, and what the unit is like.
 *
 * The rules are those of systemd 262: sd_notify(3), systemd.service(5), and its src/core/manager.c and service.c.
 */

import { printable } from "../protocol/printable.ts";
import { shorten } from "../protocol/shorten.ts";
import { decodeText, MAX_MESSAGE_LENGTH, parseAssignment, splitLines } from "../protocol/wire.ts";
import { judgeAssignment } from "./rules.ts";
import type { MessageFacts, Phase, Problem, Sender, UnitFacts, Verdict } from "./types.ts";

/** Returns what the service manager makes of a message, in sentences that can be printed as they are. */
export function judge(message: MessageFacts, unit: UnitFacts = {}): Verdict {
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
  const lines = splitLines(decodeText(message.bytes));
  const refusal = refuse(message, lines, unit);
  if (refusal) return { effects: [], problems: [{ what: "", ...refusal }] };
  if (lines?.includes(BARRIER)) {
    return { effects: ["closes the fd: all that was sent before has been processed"], problems: [] };
  }
  const verdict: Verdict = { effects: [], problems: [] };
  const values = readValues(lines ?? [], verdict.problems);
  for (const [key, value] of values) {
    const { effect, problem, phase } = judgeAssignment(key, value, { values, message, unit });
    if (effect !== undefined) verdict.effects.push(effect);
    if (problem !== undefined)
      verdict.problems.push({ what: `${shorten(key, MAX_SHOWN)}=${shorten(value, MAX_SHOWN)}`, ...problem });
    // service_notify_message(): STOPPING beats READY beats RELOADING.
    if (phase !== undefined && rank(phase) > rank(verdict.phase)) verdict.phase = phase;
  }
  if (message.fdCount > 0 && !values.has("FDSTORE") && !values.has("MAINPIDFD")) {
    verdict.problems.push({ what: "fds", why: "no FDSTORE=1 goes with them: they are closed", cure: "FDSTORE=1" });
  }
  return verdict;
}

/** How much of an assignment is shown. */
const MAX_SHOWN = 40;

type Refusal = Omit<Problem, "what">;

/** sd_notify_barrier(3) */
const BARRIER = "BARRIER=1";

/** Returns why the whole message is ignored. The checks are in the order of the manager's. */
function refuse(
  { bytes, fdCount, sender }: MessageFacts,
  lines: readonly string[] | undefined,
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
  if (lines === undefined) {
    return {
      why: 'it ends with a single backslash, so the service manager drops it ("Out of memory.")',
      cure: "double each backslash in a value, as notify() does",
    };
  }
  if (lines.includes(BARRIER)) {
    if (lines.length > 1) return { why: "BARRIER=1 is to be alone in its message", cure: "send the rest before it" };
    if (fdCount !== 1) return { why: `BARRIER=1 comes with exactly one fd, not with ${fdCount}`, cure: "barrier()" };
    return undefined;
  }
  return refuseSender(sender, unit);
}

function refuseSender({ pid, role }: Sender, { notifyAccess = "all" }: UnitFacts): Refusal | undefined {
  if (role === "gone") {
    return {
      why: `process ${pid} had exited before the manager could see which unit it belongs to`,
      cure: "wait for a barrier before the process exits: sd-notify without --no-block, barrier() in the library",
    };
  }
  if (role === "stranger") {
    return {
      why: `process ${pid} is not of this unit`,
      cure: "send from a process of the unit, or as root with --pid= of one",
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
      why:
        `process ${pid} is started by the service, and NotifyAccess=exec takes messages only from processes ` +
        `that the manager starts`,
      cure: "NotifyAccess=all",
    };
  }
  return undefined;
}

/** Returns the values that count, by key. A line that doesn't count becomes a problem. */
function readValues(lines: readonly string[], problems: Problem[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of lines) {
    const assignment = parseAssignment(line);
    if (assignment === undefined) {
      problems.push({ what: shorten(line, MAX_SHOWN), why: "it is no assignment", cure: "NAME=value, one on a line" });
      continue;
    }
    const { key, value } = assignment;
    if (values.has(key)) {
      problems.push({
        what: shorten(line, MAX_SHOWN),
        why: `${shorten(key, MAX_SHOWN)}= stands before it already, and the first one counts`,
      });
      continue;
    }
    values.set(key, value);
    if (/[\n\r]/.test(value)) {
      problems.push({
        what: shorten(line, MAX_SHOWN),
        why: "a backslash before the end of the line makes the next line part of this one",
        cure: "double each backslash in a value, as notify() does",
      });
    }
  }
  return values;
}

function rank(phase: Phase | undefined): number {
  return phase === undefined ? 0 : { reloading: 1, activating: 1, active: 2, deactivating: 3 }[phase];
}
