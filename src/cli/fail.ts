/** What the command does when something is wrong. */

import { FFIUnavailableError } from "../../ffi/errors.ts";
import type { Arguments } from "../bun/arguments.ts";
import { explain } from "../console/explain.ts";
import { complain } from "../console/output.ts";
import { decodeBytes } from "../linux/bytes.ts";
import { handOver } from "./fallback.ts";

/** Says what is wrong, and returns the exit status. Where libc can't be called, systemd's own command takes over. */
export function fail(error: unknown, commandLine: Arguments): number {
  if (error instanceof FFIUnavailableError) {
    const obstacle = handOver(commandLine);
    complain(`${explain(error)}; ${obstacle}`);
  } else {
    complain(asGiven(explain(error), commandLine));
  }
  return 1;
}

// --- internal ---

/** Where a character of the arguments stands for a byte, those of the message do. */
function asGiven(message: string, { encoding }: Arguments): string {
  const bytes = Buffer.from(message, "latin1");
  return encoding === "latin1" && bytes.toString("latin1") === message ? decodeBytes(bytes) : message;
}
