/** What the manager said of a unit, by its starts. Pure. */

import type { Life, SaidLine } from "./facts.ts";

/** Which start of the unit was the last one; empty if that is not known. */
export function lastInvocation({ said }: Life): string {
  const lines = "value" in said ? said.value : [];
  return lines.findLast(({ invocation }) => invocation !== "")?.invocation ?? "";
}

/** What the manager said of the last start, oldest first. */
export function saidOfLast(life: Life): readonly SaidLine[] {
  if ("unknown" in life.said) return [];
  const lines = life.said.value;
  const last = lastInvocation(life);
  // A later line that belongs to no start is about a start that did not get that far.
  return lines.filter(({ invocation }) => invocation === last || invocation === "");
}

/** The longest time that a successful start took, according to the journal. */
export function longestStart({ said }: Life): number | undefined {
  if ("unknown" in said) return undefined;
  let longest: number | undefined;
  let began: SaidLine | undefined;
  for (const line of said.value) {
    if (/^Starting /.test(line.text)) began = line;
    if (/^(Started|Finished) /.test(line.text) && began !== undefined && began.invocation === line.invocation) {
      longest = Math.max(longest ?? 0, line.usec - began.usec);
    }
  }
  return longest;
}

/** A line without the name of the unit at its beginning. */
export function wordsOf(text: string): string {
  return text.replace(/^\S+: /, "");
}
