/** What the command does if something is wrong. */

import { FFIUnavailableError } from "../../ffi/errors.ts";
import type { Arguments } from "../bun/arguments.ts";
import { explain } from "../console/explain.ts";
import { complain } from "../console/output.ts";
import { UsageError } from "../console/usage-error.ts";
import { decodeBytes } from "../linux/bytes.ts";
import { execSystemdNotify } from "./fallback.ts";
import { meantTool } from "./subcommand.ts";

/** Says what is wrong, and returns the exit status. If libc can't be called, systemd's own command takes over. */
export function fail(error: unknown, commandLine: Arguments): number {
  if (error instanceof FFIUnavailableError) {
    const obstacle = execSystemdNotify(commandLine);
    complain(`${explain(error)}; ${obstacle}`);
  } else {
    const message = error instanceof UsageError ? explainUsage(error, commandLine.args) : explain(error);
    complain(asGiven(message, commandLine));
  }
  return 1;
}

// --- internal ---

/**
 * A misspelled subcommand is a message, and is sent if that is possible, as systemd-notify(1) does. But if there is
 * nobody to send it to, it was most likely meant as a subcommand.
 */
function explainUsage(error: UsageError, args: readonly string[]): string {
  const tool = meantTool(args);
  if (tool === undefined) return explain(error);
  if (process.env.NOTIFY_SOCKET === undefined) return `${args[0]} is no subcommand: did you mean ${tool}?`;
  return `${explain(error)}; or did you mean sd-notify ${tool}?`;
}

/** Decodes the message, if each character of the arguments, and so of the message, stands for a byte. */
function asGiven(message: string, { encoding }: Arguments): string {
  const bytes = Buffer.from(message, "latin1");
  return encoding === "latin1" && bytes.toString("latin1") === message ? decodeBytes(bytes) : message;
}
