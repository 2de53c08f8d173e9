/** What in a message names the main process, and does not go on to the manager above. Pure. */

import { parseAssignment, splitLines } from "../../protocol/wire.ts";

/** Whether the fields do. */
export function namesMainPid(fields: Record<string, string>): boolean {
  return KEYS.some((key) => Object.hasOwn(fields, key));
}

/** Returns the message without that. Every other assignment stays as it was, to the byte. */
export function withoutMainPid(bytes: Uint8Array): Uint8Array {
  // A character for a byte.
  const lines = splitLines(Buffer.from(bytes).toString("latin1")) ?? [];
  const kept = lines.filter((line) => !KEYS.includes(parseAssignment(line)?.key ?? ""));
  return Buffer.from(kept.map(escapeLine).join("\n"), "latin1");
}

// --- internal ---

/**
 * Passed on, they would make another process the main one, and this one's messages and signals would count no
 * longer; and a number of another PID namespace means nothing there.
 */
const KEYS = ["MAINPID", "MAINPIDFDID", "MAINPIDFD"];

/** A line end in a line had a backslash before it; without that, what follows would be a line of its own. */
function escapeLine(line: string): string {
  return line.replaceAll(/[\\\n\r]/g, "\\$&");
}
