import { close } from "../../ffi/syscalls.ts";

/**
 * Closes file descriptors that somebody else may have closed, or has opened and sent. close(2) may report any error
 * for such a file, but closes it all the same.
 */
export function closeQuietly(fds: readonly number[]): void {
  for (const fd of fds) {
    try {
      close(fd);
    } catch {
      // Go on with the next one.
    }
  }
}
