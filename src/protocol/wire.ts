/**
 * The text of a message, as PID 1 reads it: the one reader and writer of the wire format.
 *
 * PID 1 splits a message with strv_split_newlines() of its src/basic/strv.c. That function ends a line at \n and at
 * \r, skips empty lines, and removes the backslash before a character. So a backslash in a value is lost unless it is
 * doubled. A backslash before the end of a line joins the next line to this one. A backslash at the end of the message
 * makes PID 1 say "Out of memory." and drop everything. (Seen with systemd 252 and 262:
 * test/systemd/messages.units.ts.)
 */

import { PIPE_BUF } from "../../ffi/constants.ts";

/** One line, as `KEY=value`. */
export interface Assignment {
  key: string;
  value: string;
}

/** The longest message that PID 1 reads: NOTIFY_BUFFER_MAX of its src/core/manager.c. */
export const MAX_MESSAGE_LENGTH = PIPE_BUF;

/** Returns the line for a value that has no line end, so that PID 1 reads just this value. */
export function formatAssignment(key: string, value: string): string {
  return `${key}=${value.includes("\\") ? value.replaceAll("\\", "\\\\") : value}`;
}

/**
 * Returns the lines that PID 1 finds. A NUL at the end is not part of the text. Returns undefined if the message ends
 * in the middle of an escape: then PID 1 finds no lines.
 */
export function splitLines(text: string): string[] | undefined {
  if (text.endsWith("\0")) return splitLines(text.slice(0, -1));
  const lines: string[] = [];
  let line = "";
  // The start of the text that is not in a line yet.
  let start = 0;
  for (const { index, 0: character } of text.matchAll(/[\\\n\r]/g)) {
    if (index < start) continue;
    line += text.slice(start, index);
    start = index + 1;
    if (character === "\\") {
      if (start === text.length) return undefined;
      line += text.charAt(start++);
    } else {
      if (line !== "") lines.push(line);
      line = "";
    }
  }
  line += text.slice(start);
  if (line !== "") lines.push(line);
  return lines;
}

/** Splits a line at its first "="; undefined if it has no key or no "=". */
export function parseAssignment(line: string): Assignment | undefined {
  const equals = line.indexOf("=");
  return equals < 1 ? undefined : { key: line.slice(0, equals), value: line.slice(equals + 1) };
}

/** Returns the assignments by key. As in PID 1, the first of two equal keys wins. */
export function readAssignments(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of splitLines(text) ?? []) {
    const assignment = parseAssignment(line);
    if (assignment && !values.has(assignment.key)) values.set(assignment.key, assignment.value);
  }
  return values;
}

/** Whether the message is a barrier: BARRIER=1 alone. */
export function isBarrier(text: string): boolean {
  // Most messages are no barrier. This check is enough for them, and they need not be split.
  if (!text.includes("BARRIER=1") && !text.includes("\\")) return false;
  const lines = splitLines(text);
  return lines?.length === 1 && lines[0] === "BARRIER=1";
}

/** Decodes a message's bytes. What is not UTF-8 becomes U+FFFD; a byte order mark stays, as it does in PID 1. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

// --- internal ---

// Programs that only send don't have it in their bundle.
const decoder = /* @__PURE__ */ new TextDecoder("utf-8", { ignoreBOM: true });
