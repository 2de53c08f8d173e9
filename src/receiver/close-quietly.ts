import { close } from "../../ffi/syscalls.ts";

/**
 * Closes file descriptors that somebody else may have closed, or has opened and sent: such a file gives
 * whatever error it likes, and is closed all the same.
 */
export function closeQuietly(fds: readonly number[]): void {
  for (const fd of fds) {
    try {
      close(fd);
    } catch {
      // The next one.
    }
  }
}
