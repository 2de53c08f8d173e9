/** Where errors go that nobody waits for. */

import { printable } from "./protocol/printable.ts";
import { shorten } from "./protocol/shorten.ts";

/** What to do with an error. */
export type OnError = (error: unknown) => void;

/** Says it in one line on standard error, once a minute at most. */
export function reportToStderr(): OnError {
  let last = Number.NEGATIVE_INFINITY;
  return (error) => {
    const now = performance.now();
    if (now - last < 60_000) return;
    last = now;
    console.error(`sd-notify: ${errorLine(error)}`);
  };
}

/** Does something whose failure is no reason to stop. */
export function attempt(onError: OnError, action: () => void): void {
  try {
    action();
  } catch (error) {
    report(onError, error);
  }
}

/** Reports an error. A report that fails is no reason to stop either. */
export function report(onError: OnError, error: unknown): void {
  try {
    onError(error);
  } catch {
    // The caller's own mistake, in the one place that has nobody to tell.
  }
}

/**
 * The first line of what an error says, which may quote anything: fit for a status, which must not make the message too
 * long, and for whoever prints that.
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

/** A third of a message, which may take three bytes for each character. */
const MAX_LENGTH = 1000;

function textOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message || error.name) : String(error);
  } catch {
    // An object without a prototype, or one whose toString() throws.
    return Object.prototype.toString.call(error);
  }
}
