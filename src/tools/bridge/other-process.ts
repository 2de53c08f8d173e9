/** A process that is not a child of this one: after MAINPID=, the main process may be such a one. */

import { POLLIN } from "../../../ffi/constants.ts";
import { close, pidfdOpen, poll } from "../../../ffi/syscalls.ts";
import { exists } from "../../linux/manager.ts";
import { processInfo } from "../unit/processes.ts";

export class OtherProcess implements Disposable {
  readonly pid: number;
  #pidfd: number | undefined;

  constructor(pid: number) {
    this.pid = pid;
    this.#pidfd = openPidfd(pid);
  }

  /** False for a zombie, and for another process that has the pid now. */
  get isRunning(): boolean {
    if (this.#pidfd !== undefined) return poll(this.#pidfd, POLLIN, 0) === 0;
    return exists(this.pid) && processInfo(this.pid)?.isZombie !== true;
  }

  [Symbol.dispose](): void {
    if (this.#pidfd !== undefined) close(this.#pidfd);
    this.#pidfd = undefined;
  }
}

// --- internal ---

/** Returns undefined if there is none: the process has gone, or the kernel or a seccomp filter knows no pidfds. */
function openPidfd(pid: number): number | undefined {
  try {
    return pidfdOpen(pid);
  } catch {
    return undefined;
  }
}
