/** From the text of a message to the object. */

import { fieldOfKey } from "./fields.ts";
import type { State } from "./state.ts";
import { readAssignments } from "./wire.ts";

/**
 * Reads the text of a message as PID 1 does. An assignment that is no field, or has a wrong value for one, goes into
 * `extra`. A line that is no assignment is left out.
 */
export function decode(text: string): State {
  const state: Record<string, unknown> = {};
  const extra: [string, string][] = [];
  for (const [key, value] of readAssignments(text)) {
    const field = fieldOfKey(key);
    const parsed = field?.parse(value);
    if (field === undefined || parsed === undefined) extra.push([key, value]);
    else state[field.name] = parsed;
  }
  if (extra.length > 0) state.extra = Object.fromEntries(extra);
  return state;
}
