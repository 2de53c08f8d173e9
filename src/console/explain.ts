/** One line for an error: what failed, why and, if it is known, the cure. */

import { SystemError } from "../../ffi/errors.ts";
import { UsageError } from "./usage-error.ts";

/** Returns what to tell the user of the command about an error, or anything else that was thrown. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const hint =
    error instanceof SystemError ? (hints[`${error.code} ${error.syscall}`] ?? hints[error.code]) : undefined;
  // Our own messages are one line, and a newline in one belongs to what it quotes. Other messages may have several
  // lines.
  const isOurs = error instanceof UsageError || error instanceof SystemError;
  const line = isOurs ? error.message : error.message.split("\n", 1)[0];
  const message = (line ?? "").replace(/^Cannot /, "cannot ");
  return hint === undefined ? message : `${message}: ${hint}`;
}

// --- internal ---

/** By code and system call, or by code alone. */
const hints: Record<string, string> = {
  "ENOENT connect": "is the manager's socket visible in this container or mount namespace?",
  ECONNREFUSED: "nobody reads from this socket: has the manager gone, or is its network namespace another one?",
  "EACCES connect": "this user may not write to the socket",
  EPROTOTYPE: "it is not a datagram socket",
  ETOOMANYREFS: "this user has more file descriptors under way to other processes than LimitNOFILE= allows",
  EMSGSIZE: "the message is larger than the kernel lets this user send",
  "ETIMEDOUT poll": "the message was sent, but may not have been read; --no-block does not wait",
};
