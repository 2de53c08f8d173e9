/** Reports errors that nobody waits for. */

import { printable } from "./protocol/printable.ts";
import { shorten } from "./protocol/shorten.ts";

/** What to do with an error. */
export type OnError = (error: unknown) => void;

/** Reports an error in one line on standard error, at most once a minute. */
export function reportToStderr(): OnError {
  let last = Number.NEGATIVE_INFINITY;
  return (error) => {
    const now = performance.now();
    if (now - last < 60_000) return;
    last = now;
    console.error(`sd-notify: ${errorLine(error)}`);
  };
}

/** Does something, and goes on if it fails. */
export function attempt(onError: OnError, action: () => void): void {
  try {
    action();
  } catch (error) {
    report(onError, error);
  }
}

/** Reports an error, and goes on if the report fails. */
export function report(onError: OnError, error: unknown): void {
  try {
    onError(error);
  } catch {
    // This is the caller's own mistake, and there is nobody left to tell.
  }
}

/**
 * Returns the first line of an error's text, which may quote anything. The result is short enough for a status, and
 * harmless when it is printed.
 */
export function errorLine(error: unknown): string {
  return shorten(printable(firstLine(error)), MAX_LENGTH);
}

/** The first line of a text, or of what an error says. PID 1 ends a line at a carriage return too. */
export function firstLine(value: unknown): string {
  const [line = ""] = textOf(value)
    .trim()
    .split(/[\n\r]/, 1);
  return line.replaceAll("\0", "").toWellFormed();
}

// --- internal ---

/** Less than a third of the longest message, because a character may take three bytes. */
const MAX_LENGTH = 1000;

function textOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message || error.name) : String(error);
  } catch {
    // An object without a prototype, or one whose toString() throws.
    return Object.prototype.toString.call(error);
  }
}
