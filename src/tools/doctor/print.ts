/** The checklist as text, or as JSON. */

import { styleText } from "node:util";
import { printable } from "../../protocol/printable.ts";
import type { Check } from "./facts.ts";

export interface Report {
  subject: string;
  checks: readonly Check[];
  /** The text of a minimal unit file. */
  unit: string;
}

/** Returns the report as lines; in colours where it is for a terminal. */
export function formatReport({ subject, checks, unit }: Report, colours: boolean): string {
  const style = (format: Parameters<typeof styleText>[0], text: string) =>
    colours ? styleText(format, text, { validateStream: false }) : text;
  const lines = checks.flatMap(({ result, what, why, cure }) => [
    `${style(COLOURS[result], WORDS[result].padEnd(WIDTH))}${printable(why === undefined ? what : `${what}: ${why}`)}`,
    ...(cure === undefined || result === "passed"
      ? []
      : [`${" ".repeat(WIDTH)}cure: ${style("bold", printable(cure))}`]),
  ]);
  return [printable(subject), "", ...lines, "", style("dim", "# A minimal unit for it:"), unit].join("\n");
}

/** Returns the report as one line of JSON. */
export function formatJson({ subject, checks, unit }: Report): string {
  return `${JSON.stringify({ subject, checks, unit })}\n`;
}

/** 0 when nothing failed. */
export function exitStatus(checks: readonly Check[]): number {
  return checks.some(({ result }) => result === "failed") ? 1 : 0;
}

// --- internal ---

const WORDS = { passed: "ok", failed: "FAILED", unknown: "unknown", note: "note" } as const;
const COLOURS = { passed: "green", failed: ["red", "bold"], unknown: "yellow", note: "cyan" } as const satisfies Record<
  Check["result"],
  Parameters<typeof styleText>[0]
>;
const WIDTH = 8;
