/** What the manager does with the messages that it logs at level debug: it may take one and ignore its content. */

import { judge } from "../../verdict/judge.ts";
import type { Check, Unit } from "./facts.ts";
import { isInTrouble } from "./trouble.ts";

const encoder = new TextEncoder();

export function checkMessages(unit: Unit): Check[] {
  if ("unknown" in unit.journal) return [];
  const checks = new Map<string, { check: Check; times: number }>();
  for (const { text, ours } of unit.journal.value) {
    const message = ours ? readMessage(text) : undefined;
    if (message === undefined) continue;
    for (const { what, why, cure } of problemsOf(message, unit)) {
      const key = `${what}: ${why}`;
      const times = (checks.get(key)?.times ?? 0) + 1;
      const often = times === 1 ? "" : ` (${times} times)`;
      const check: Check = {
        name: "message",
        result: isInTrouble(unit) ? "failed" : "note",
        what: `${what === what.trim() ? what : JSON.stringify(what)} of process ${message.pid}${often}`,
        why,
        ...(cure !== undefined && { cure }),
      };
      checks.set(key, { check, times });
    }
  }
  return [...checks.values()].map(({ check }) => check);
}

/** Reads a line of service_notify_message(): "Got notification message from PID 1 (READY=1, STATUS=up)", or 262's. */
export function readMessage(line: string): { pid: number; assignments: string[] } | undefined {
  const [, pid, quoted, plain] = /Got notification message from PID (\d+)(?: \((.*)\)|: (.*))$/s.exec(line) ?? [];
  const text = quoted ?? plain;
  if (pid === undefined || text === undefined || Number(pid) > 0x7fffffff) return undefined;
  // Where a new assignment begins is not certain: a status may contain ", A=".
  return { pid: Number(pid), assignments: text.split(/, (?=\s*[A-Za-z_]\w*=)/) };
}

// --- internal ---

function problemsOf({ pid, assignments }: { pid: number; assignments: string[] }, unit: Unit) {
  const { type, fdStoreMax, watchdogUsec } = unit;
  // The manager has taken the message. Its fds can't be seen, so whatever depends on them is left out.
  const text = assignments.filter((one) => !/^(FD|BARRIER|MAINPIDFD)/.test(one)).join("\n");
  const bytes = encoder.encode(text.replaceAll("\\", "\\\\"));
  if (text === "") return [];
  const sender = { pid, uid: 0, role: "main" } as const;
  return judge({ bytes, fdCount: 0, sender }, { type, fdStoreMax, watchdogUsec }).problems;
}
