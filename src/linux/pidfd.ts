/** What identifies a process. */

import { ENOSYS, EPERM } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/errno.ts";
import { close, pidfdInode, pidfdOpen } from "../../ffi/syscalls.ts";

/**
 * Returns the inode number of the process' pidfd, which no other process will ever have. It is undefined if the kernel
 * has none (before Linux 6.9) or a seccomp filter hides it.
 *
 * @throws SystemError with code "ESRCH" if there is no such process.
 */
export function pidfdInodeOf(pid: number): bigint | undefined {
  let pidfd: number;
  try {
    pidfd = pidfdOpen(pid);
  } catch (error) {
    if (isErrno(error, EPERM, ENOSYS)) return undefined;
    throw error;
  }
  try {
    return pidfdInode(pidfd);
  } finally {
    close(pidfd);
  }
}
