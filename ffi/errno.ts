/** From -1 to an Error. */

import { EOPNOTSUPP, EPERM, ESOCKTNOSUPPORT, ETOOMANYREFS } from "./constants.ts";
import { SystemError } from "./errors.ts";
import { errno, libc } from "./libc.ts";

/** Returns the result of a C function. If it is -1, throws the error that errno names. */
export function check(result: number, syscall: string, about?: string): number {
  if (result === -1) throw systemError(errno(), syscall, about);
  return result;
}

/** Makes the error for a value of errno; `why` replaces the text of strerror(3). */
export function systemError(errno: number, syscall: string, about?: string, why = strerror(errno)): SystemError {
  const what = about === undefined ? syscall : `${syscall} ${about}`;
  return new SystemError(`${what}: ${why}`, errnoName(errno) ?? `E${errno}`, errno, syscall, about);
}

/** Whether the error is a SystemError with one of these values of errno. */
export function isErrno(error: unknown, ...values: number[]): error is SystemError {
  return error instanceof SystemError && values.includes(error.errno);
}

/** Returns "ENOENT" for 2; undefined if the number is no errno. */
export function errnoName(errno: number): string | undefined {
  const name = NAMES[errno];
  if (name !== undefined) return name;
  // This is loaded here, because only an error needs it, and loading it takes longer than a notification.
  const { constants } = process.getBuiltinModule("node:os");
  const names: Record<string, number> = constants.errno;
  // EAGAIN and EWOULDBLOCK, for example, share a number. The first name is the usual one.
  return Object.keys(names).find((name) => names[name] === errno);
}

// --- internal ---

function strerror(errno: number): string {
  return libc().strerror(errno);
}

/**
 * Names that node:os lacks, or lists after another name for the same number (ENOTSUP). EPERM is here too, because the
 * command meets it whenever it has no privilege.
 */
const NAMES: Record<number, string> = {
  [EPERM]: "EPERM",
  [EOPNOTSUPP]: "EOPNOTSUPP",
  [ESOCKTNOSUPPORT]: "ESOCKTNOSUPPORT",
  [ETOOMANYREFS]: "ETOOMANYREFS",
};
