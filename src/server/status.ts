/** The status of a server, in a form that PID 1 accepts. */

import { printable } from "../protocol/printable.ts";
import { formatAssignment, MAX_MESSAGE_LENGTH } from "../protocol/wire.ts";
import { firstLine } from "../report.ts";

/** What a server is busy with. A number that it doesn't count is undefined. */
export interface Load {
  requests: number | undefined;
  websockets: number;
}

/**
 * Makes a status from any value: its first line, printable, and cut between two characters so that it fits in a
 * message. PID 1 drops a message that is too long, with all its fields.
 */
export function toStatus(value: unknown): string {
  // A text that is far too long need not be read to its end.
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

/** This leaves room for the other fields of a message with a status. */
const MAX_STATUS_BYTES = MAX_MESSAGE_LENGTH - 256;

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** Cuts a text to this many bytes on the wire. A backslash takes two there. */
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
