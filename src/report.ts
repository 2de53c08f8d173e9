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

/** Does something whose failure is no reason to stop. A report that fails is none either. */
export function attempt(onError: OnError, action: () => void): void {
  try {
    action();
  } catch (error) {
    try {
      onError(error);
    } catch {
      // The caller's own mistake, in the one place that has nobody to tell.
    }
  }
}

/** The first line of what an error says, which may quote anything: fit for a status, and for whoever prints that. */
export function errorLine(error: unknown): string {
  return printable(firstLine(error instanceof Error ? error.message || error.name : error));
}

/** The first line of a text, fit for a status: a longer one would make the message too long. */
export function firstLine(value: unknown): string {
  const text = String(value);
  return shorten((text.split(/[\n\r]/, 1)[0] ?? "").replaceAll("\0", "").toWellFormed(), MAX_LENGTH);
}

// --- internal ---

/** A third of a message, which may take three bytes for each character. */
const MAX_LENGTH = 1000;
