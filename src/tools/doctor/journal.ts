/** What PID 1 refused, by its own words in the journal. */

import { MAX_MESSAGE_LENGTH } from "../../protocol/wire.ts";
import type { Check, Unit } from "./facts.ts";
import { problemOf } from "./unit-checks.ts";
import { listens } from "./unit-state.ts";

export interface Refusal {
  why: string;
  cure?: string | undefined;
}

export function checkJournal(unit: Unit): Check[] {
  const { journal, logLevel, manager } = unit;
  const name = "journal";
  if ("unknown" in journal)
    return [{ name, result: "unknown", what: "messages that were refused", why: journal.unknown }];
  const checks = new Map<string, Check & { times: number }>();
  for (const { text, ours } of journal.value) {
    const refusal = explainLine(text, unit);
    if (refusal === undefined) continue;
    const { why, cure } = refusal;
    // The pid differs from one message to the next.
    const key = why.replace(/process \d+/, "");
    const times = (checks.get(key)?.times ?? 0) + 1;
    // A line that names no unit may be about another unit.
    const what = ours ? "a message was refused" : "a message of this unit's or another's was refused";
    const often = times === 1 ? "" : ` (${times} times)`;
    const check: Check = {
      name,
      result: ours ? "failed" : "note",
      what: `${what}${often}`,
      why,
      ...(cure && { cure }),
    };
    checks.set(key, { ...check, times });
  }
  const found = [...checks.values()].map(({ times: _, ...check }) => check);
  if (logLevel === "debug") {
    return found.length > 0
      ? found
      : [{ name, result: "passed", what: "the journal tells of no message that was refused" }];
  }
  if (!listens(unit)) return found;
  const systemctl = manager === "user" ? "systemctl --user" : "systemctl";
  const why = `the manager logs at level ${logLevel}, and most refusals at level debug`;
  const cure = `${systemctl} log-level debug, start it again, then ${systemctl} log-level ${logLevel}`;
  return [...found, { name, result: "note", what: "the journal may not tell of all that was refused", why, cure }];
}

/** Translates a line of PID 1's into the judge's words; undefined if the line is about something else. */
export function explainLine(line: string, unit: Unit): Refusal | undefined {
  for (const [pattern, explain] of LINES) {
    const match = pattern.exec(line);
    const pid = Number(match?.[1] ?? 0);
    // Anyone who may write to a user manager's journal may write any number.
    if (match) return pid > 0x7fffffff ? undefined : explain(pid, unit, match[1] ?? "");
  }
  return undefined;
}

// --- internal ---

/** manager.c and service.c of systemd 252 to 262. */
const LINES: [pattern: RegExp, explain: (pid: number, unit: Unit, text: string) => Refusal | undefined][] = [
  [
    /Got notification message from PID (\d+).*, but reception is disabled/,
    (pid) => sent("STATUS=", { notifyAccess: "none" }, pid),
  ],
  [
    /Got notification message from PID (\d+).*, but reception only permitted for main PID \d* ?and control/,
    (pid) => sent("STATUS=", { notifyAccess: "exec" }, pid),
  ],
  [
    /Got notification message from PID (\d+).*, but reception only permitted for (?:main|control) PID/,
    // With NotifyAccess=exec, systemd names the main process alone as long as there is no control process.
    (pid, { controlPid, notifyAccess }) =>
      pid !== controlPid && notifyAccess === "exec"
        ? sent("STATUS=", { notifyAccess }, pid)
        : sent("STATUS=", { notifyAccess: "main" }, pid, pid === controlPid ? "control" : "member"),
  ],
  [/Cannot find unit for notify message of PID (\d+)/, (pid) => sent("STATUS=", {}, pid, "gone")],
  [/notify message with(?:out valid| invalid)? credentials|notify message without/, () => sent("STATUS=", {}, 0)],
  [/embedded NUL/, () => sent("STATUS=\0x", {}, 1)],
  [
    /notify message exceeded maximum size|Got message with truncated payload data/,
    () => ({
      ...sent(`STATUS=${"x".repeat(MAX_MESSAGE_LENGTH)}`, {}, 1),
      why: `it had more than ${MAX_MESSAGE_LENGTH} bytes`,
    }),
  ],
  // log_oom(), for strv_split_newlines() fails in one more way.
  [/Out of memory\.$/, () => problemOf("STATUS=\\", {})],
  [/Got (?:extra )?auxiliary fds with notification message/, () => problemOf("STATUS=", {}, { fdCount: 1 })],
  [/Cannot store more fds than FileDescriptorStoreMax=/, (_, { fdStoreMax }) => storeRefusal(fdStoreMax)],
  [
    /not UTF-8 clean/,
    () => ({ why: "STATUS= is not UTF-8, and the old status is cleared", cure: "encode it as UTF-8" }),
  ],
  [/FDSTOREREMOVE=1 requested, but no valid/, () => problemOf("FDSTOREREMOVE=1", {})],
  [/Passed WATCHDOG= field is invalid/, () => problemOf("WATCHDOG=x", {})],
  [
    /New main PID (\d+) (?:does not belong to service|is not in)/,
    (pid) => ({
      why: `MAINPID=${pid} is not of this unit, and only root may name such a one`,
      cure: "send it as root",
    }),
  ],
  [
    /New main PID (\d+) (is the manager|doesn't exist|does not exist)/,
    (pid) => ({ why: `MAINPID=${pid} is no process of the service` }),
  ],
  [
    /PIDFD ID of process (\d+) .*mismatches with received MAINPIDFDID=/,
    (pid) => ({ why: `MAINPID=${pid} is another process than MAINPIDFDID= says` }),
  ],
  [/Extra notification messages sent with BARRIER=1/, () => problemOf("BARRIER=1\nX=1", {})],
  [/incorrect number of fds with BARRIER=1/, () => ({ why: "BARRIER=1 comes with exactly one fd", cure: "barrier()" })],
  [
    /Failed to parse (MAINPID|NOTIFYACCESS|ERRNO|EXIT_STATUS|WATCHDOG_USEC|EXTEND_TIMEOUT_USEC|MONOTONIC_USEC)\b/,
    (_pid, _unit, key) => ({ why: `${key}=: ${problemOf(`${key}=?`, {})?.why}` }),
  ],
  [
    /lacks handler for reload signal (\w+)/,
    () => ({
      why: "READY=1 was answered by ending the start: the main process has no handler for the signal of a reload",
      cure: "Type=notify, or a handler",
    }),
  ],
];

function sent(
  text: string,
  unit: Partial<Unit>,
  pid: number,
  role: "main" | "member" | "control" | "gone" = "member",
): Refusal | undefined {
  return problemOf(text, unit, { sender: { pid, uid: 0, role } });
}

function storeRefusal(fdStoreMax: number): Refusal {
  return (
    problemOf("FDSTORE=1", { fdStoreMax, fdStored: fdStoreMax }, { fdCount: 1 }) ?? { why: "the fd store is full" }
  );
}
