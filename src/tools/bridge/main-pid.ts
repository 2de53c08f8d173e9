/** The part of a message that names the main process. It is not passed on to the manager above. Pure. */

import { parseAssignment, splitLines } from "../../protocol/wire.ts";

/** Whether the fields do. */
export function namesMainPid(fields: Record<string, string>): boolean {
  return KEYS.some((key) => Object.hasOwn(fields, key));
}

/** Returns the message without those fields. Every other assignment stays the same, byte for byte. */
export function withoutMainPid(bytes: Uint8Array): Uint8Array {
  // One character for each byte.
  const lines = splitLines(Buffer.from(bytes).toString("latin1")) ?? [];
  const kept = lines.filter((line) => !KEYS.includes(parseAssignment(line)?.key ?? ""));
  return Buffer.from(kept.map(escapeLine).join("\n"), "latin1");
}

// --- internal ---

/**
 * If they were passed on, another process would become the main one, and this one's messages and signals would not
 * count any more. Also, a pid of another PID namespace means nothing there.
 */
const KEYS = ["MAINPID", "MAINPIDFDID", "MAINPIDFD"];

/** A newline inside a line had a backslash before it. Without that, the rest would become a separate line. */
function escapeLine(line: string): string {
  return line.replaceAll(/[\\\n\r]/g, "\\$&");
}
