/** What a unit's files say in the end. Pure. */

import type { Configuration } from "./configuration-facts.ts";
import type { Assignment } from "./unit-file.ts";

export interface Placed {
  path: string;
  assignment: Assignment;
}

/** The assignments that count. An empty one takes back those before it. */
export function inForce({ files }: Configuration): Placed[] {
  const all = files.flatMap(({ path, assignments }) => assignments.map((assignment) => ({ path, assignment })));
  const reset = new Set<string>();
  const kept = all.toReversed().filter(({ assignment: { section, name, value } }) => {
    const key = `${section}\n${name}`;
    if (value === "") reset.add(key);
    return !reset.has(key);
  });
  return kept.reverse();
}

/** The last assignment of a setting. */
export function lastOf(configuration: Configuration, name: string): Placed | undefined {
  return inForce(configuration).findLast(({ assignment }) => assignment.name === name);
}
