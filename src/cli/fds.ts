/** --fd and --fdname */

import { isOpen } from "../../ffi/syscalls.ts";
import { UsageError } from "../console/usage-error.ts";
import { whyNoFdName } from "../protocol/fd-name.ts";
import { parseUnsigned } from "../protocol/numbers.ts";

/** Reads a value of --fd. @throws UsageError */
export function parseFd(value: string): number {
  const fd = parseUnsigned(value);
  if (fd === undefined || fd > 0x7fffffffn)
    throw new UsageError(`--fd=${value} is no file descriptor: it must be a number`);
  return Number(fd);
}

/**
 * Checks that the fds to send were passed. Each may be given once, except 0, 1 and 2. Returns the passed fds that are
 * not sent.
 *
 * @throws UsageError
 */
export function checkFds(fds: readonly number[], inherited: readonly number[]): number[] {
  const left = new Set(inherited);
  for (const fd of fds) {
    if (fd <= 2 ? isOpen(fd) : left.delete(fd)) continue;
    const why = inherited.includes(fd)
      ? "it is given twice"
      : "it is not open: pass it with a redirection such as 4<file";
    throw new UsageError(`--fd=${fd} can't be sent: ${why}`);
  }
  return [...left];
}

/** @throws UsageError unless the service manager would accept the name for file descriptors. */
export function checkFdName(name: string): void {
  const why = whyNoFdName(name);
  if (why !== undefined) throw new UsageError(`--fdname=${JSON.stringify(name)} is no name: ${why}`);
}
