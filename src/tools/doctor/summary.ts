/** The first line of the report: the most likely cause. */

import type { Check, Facts, Unit } from "./facts.ts";
import { isWaiting } from "./unit-state.ts";

/** Returns as text the one failure that explains the rest. */
export function summarize({ subject, unit, process, self }: Facts, checks: readonly Check[]): string {
  const known = unit && "value" in unit && !process && !self ? unit.value : undefined;
  const failed = checks.filter(({ result }) => result === "failed");
  const [first] = [...failed].sort((a, b) => rankOf(a, known) - rankOf(b, known));
  if (first !== undefined) return about(subject, textOf(first));
  const start = known && checks.find(({ name }) => name === "start");
  if (start?.result === "note") return about(subject, `${textOf(start)}; nothing else is wrong that can be seen`);
  if (checks.length > 0 && checks.every(({ result }) => result === "unknown")) return `${subject}: nothing can be seen`;
  return about(subject, `${start?.what ?? subject}: nothing is wrong that can be seen`);
}

// --- internal ---

/** Each entry explains those after it. */
const RANKS: readonly string[] = [
  "ignored",
  "comment",
  "drop-in",
  "refused",
  "daemon-reload",
  "unit",
  "process",
  "stopped",
  "container",
  "exit-status",
  "socket",
  "access",
  "families",
  "system-calls",
  "memory",
  "reload",
  "watchdog",
  "journal",
  "message",
  "program",
  "start",
];

function rankOf({ name }: Check, unit: Unit | undefined): number {
  // Anything else may be the cause of a missing READY=1. Other states explain themselves.
  const waits = unit && isWaiting(unit) && (unit.subState === "start" || unit.result === "timeout");
  if (name === "start" && !waits) return RANKS.indexOf("socket") - 0.5;
  const rank = RANKS.indexOf(name);
  // A check that is not listed is about the configuration.
  return rank === -1 ? RANKS.indexOf("exit-status") - 0.5 : rank;
}

function textOf({ what, why }: Check): string {
  return why === undefined ? what : `${what}: ${why}`;
}

function about(subject: string, text: string): string {
  return text.startsWith(subject) ? text : `${subject}: ${text}`;
}
