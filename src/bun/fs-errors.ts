/**
 * Errors of node:fs. They have their own type, and a negative errno. No issue filed: Node.js does the same. This
 * stays.
 */

import { SystemError } from "../../ffi/errors.ts";

/** Makes a SystemError from an error of node:fs. `what` says what can't be done. */
export function fromNodeError(error: unknown, what: string, address?: string): SystemError {
  const { code = "EIO", errno = -5, syscall = "fs" } = error as NodeJS.ErrnoException;
  return new SystemError(`${what}: ${syscall}: ${code}`, code, Math.abs(errno), syscall, address);
}
