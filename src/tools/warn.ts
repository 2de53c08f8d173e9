/** Saying something on standard error, without waiting for a reader who has stopped reading. */

import { POLLOUT } from "../../ffi/constants.ts";
import { poll } from "../../ffi/syscalls.ts";
import { complain } from "../console/output.ts";

/**
 * As complain(); but after a second, or another time, the line is left out. What is longer than a pipe has
 * room for is cut.
 */
export function warn(message: string, patienceMs = PATIENCE_MS): void {
  let isRead = true;
  try {
    isRead = poll(2, POLLOUT, patienceMs) !== 0;
  } catch {
    // Without libc nobody can know.
  }
  if (isRead) complain(message.slice(0, MAX_LENGTH));
}

// --- internal ---

const PATIENCE_MS = 1000;

/** A pipe that has room at all has it for PIPE_BUF bytes, and what is not printable takes up to 10 for a character. */
const MAX_LENGTH = 1000;
