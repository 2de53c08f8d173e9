/**
 * What the command prints. It writes to the file descriptors directly, because process.stdout makes a pipe
 * non-blocking, for the caller too.
 */

import { node } from "../bun/node.ts";
import { programName } from "../bun/runtime.ts";
import { printable, printableJson, printableLines } from "../protocol/printable.ts";

/** Writes text that was composed here to standard output. Everything except newlines and colours is made printable. */
export function print(text: string): void {
  writeAll(1, printableLines(text));
}

/** Writes a value to standard output as one line of JSON. */
export function printJson(value: unknown): void {
  writeAll(1, `${printableJson(value)}\n`);
}

/**
 * Writes one line to standard error, after the name of the command. The message may quote anything: it is made
 * printable.
 */
export function complain(message: string): void {
  try {
    writeAll(2, `${programName()}: ${printable(message)}\n`);
  } catch {
    // There is nobody left to tell.
  }
}

/** Writes a sequence of src/console/terminal.ts to standard output. */
export function writeControl(sequence: string): void {
  try {
    writeAll(1, sequence);
  } catch {
    // The terminal has gone.
  }
}

/** Whether to write in colour: standard output is a terminal that knows it, and NO_COLOR is not set (no-color.org). */
export function inColour(): boolean {
  return isTerminal() && process.env.TERM !== "dumb" && !process.env.NO_COLOR;
}

/** Whether standard output is a terminal. */
export function isTerminal(): boolean {
  return node.tty.isatty(1);
}

// --- internal ---

function writeAll(fd: number, text: string): void {
  let bytes = Buffer.from(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(node.fs.writeSync(fd, bytes));
    } catch (error) {
      // The caller's pipe may be non-blocking and full.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Bun.sleepSync(1);
    }
  }
}
