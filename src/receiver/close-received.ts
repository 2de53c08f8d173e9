import { close } from "../../ffi/syscalls.ts";

/**
 * Closes file descriptors that somebody else has opened and sent. An error, which such a file may give as it likes, is nobody's here:
 * close(2) closes all the same.
 */
export function closeReceived(fds: readonly number[]): void {
  for (const fd of fds) {
    try {
      close(fd);
    } catch {
      // The next one.
    }
  }
}
