/** What a server says of itself, in words that PID 1 takes. */

import { printable } from "../protocol/printable.ts";
import { formatAssignment, MAX_MESSAGE_LENGTH } from "../protocol/wire.ts";
import { firstLine } from "../report.ts";

/** What a server is busy with. What it doesn't count is undefined. */
export interface Load {
  requests: number | undefined;
  websockets: number;
}

/**
 * Makes a status of any value: its first line, printable, and cut between two characters to what fits in a
 * message. PID 1 drops a whole message that is too long, and with it what else it says.
 */
export function toStatus(value: unknown): string {
  // What is far too long need not be read to its end.
  const line = firstLine(typeof value === "string" ? value.trimStart().slice(0, MAX_MESSAGE_LENGTH) : value);
  return cut(printable(line.replaceAll("\t", " ")), MAX_STATUS_BYTES);
}

/** "Listening on http://localhost:3000/: 7 requests" */
export function readyStatus(where: string, status: string | undefined): string {
  return toStatus(status ? `${where}: ${status}` : where);
}

/** "Stopping: 1 request in flight, 2 websockets open" */
export function loadStatus(what: string, { requests, websockets }: Load): string {
  const parts: string[] = [];
  if (requests !== undefined) parts.push(`${count(requests, "request")} in flight`);
  if (websockets > 0) parts.push(`${count(websockets, "websocket")} open`);
  return parts.length === 0 ? what : `${what}: ${parts.join(", ")}`;
}

// --- internal ---

/** Leaves room for the other fields that a message with a status has here. */
const MAX_STATUS_BYTES = MAX_MESSAGE_LENGTH - 256;

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** Cuts a text to what takes this many bytes on the wire, where a backslash takes two. */
function cut(text: string, maxBytes: number): string {
  if (bytesOf(text) <= maxBytes) return text;
  let kept = "";
  let bytes = bytesOf(ELLIPSIS);
  for (const character of text) {
    bytes += bytesOf(character);
    if (bytes > maxBytes) break;
    kept += character;
  }
  return kept + ELLIPSIS;
}

const ELLIPSIS = "…";

function bytesOf(text: string): number {
  return Buffer.byteLength(formatAssignment("", text)) - 1;
}
