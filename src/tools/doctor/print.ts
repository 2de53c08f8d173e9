/** The checklist as text, and its conclusion. */

import { type Format, type Line, line, styled } from "../../console/line.ts";
import type { Check } from "./facts.ts";

export interface Report {
  subject: string;
  /** The most likely cause. */
  summary: string;
  checks: readonly Check[];
  /** The text of a minimal unit file. */
  unit: string;
}

/** Returns the report as lines, coloured if it is for a terminal. */
export function formatReport({ summary, checks, unit }: Report, colours: boolean): string {
  const lines = [
    styled("bold", summary),
    line``,
    ...checks.flatMap(formatCheck),
    line``,
    styled("dim", "# A minimal unit for it:"),
    ...unit.split("\n").map((text) => line`${text}`),
  ];
  return lines.map((line) => line.render(colours)).join("\n");
}

/** 0 when nothing failed. */
export function exitStatus(checks: readonly Check[]): number {
  return checks.some(({ result }) => result === "failed") ? 1 : 0;
}

// --- internal ---

function formatCheck({ result, what, why, cure }: Check): Line[] {
  const text = why === undefined ? what : `${what}: ${why}`;
  const told = line`${styled(COLOURS[result], WORDS[result].padEnd(WIDTH))}${text}`;
  if (cure === undefined || result === "passed") return [told];
  return [told, line`${" ".repeat(WIDTH)}cure: ${styled("bold", cure)}`];
}

const WORDS = { passed: "ok", failed: "FAILED", unknown: "unknown", note: "note" } as const;
const COLOURS = { passed: "green", failed: ["red", "bold"], unknown: "yellow", note: "cyan" } as const satisfies Record<
  Check["result"],
  Format
>;
const WIDTH = 8;
