/** Prints to standard error without waiting for a reader that has stopped reading. */

import { POLLOUT } from "../../ffi/constants.ts";
import { poll } from "../../ffi/syscalls.ts";
import { complain } from "../console/output.ts";

/**
 * The same as complain(), but gives up on the line after a second, or after another time. A line that is longer than a
 * pipe has room for is cut.
 */
export function warn(message: string, patienceMs = PATIENCE_MS): void {
  let isRead = true;
  try {
    isRead = poll(2, POLLOUT, patienceMs) !== 0;
  } catch {
    // Without libc there is no way to know.
  }
  if (isRead) complain(message.slice(0, MAX_LENGTH));
}

// --- internal ---

const PATIENCE_MS = 1000;

/** A pipe with any room has room for PIPE_BUF bytes. A character that is not printable takes up to 10. */
const MAX_LENGTH = 1000;
