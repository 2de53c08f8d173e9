/** The verb of this package. */

import { FFIUnavailableError } from "../ffi/errors.ts";
import { monotonicUsec } from "../ffi/syscalls.ts";
import { registered } from "./bun/registered.ts";
import { pidfdInodeOf } from "./linux/pidfd.ts";
import { encode } from "./protocol/encode.ts";
import type { Facts } from "./protocol/fields.ts";
import type { State } from "./protocol/state.ts";
import { checkSendOptions, managerAddress, type SendOptions } from "./transport/options.ts";
import { send } from "./transport/send.ts";

/**
 * Tells the service manager about the state of this service. Everything is checked first, with or without a service
 * manager. Then the message goes out as one datagram, by one system call. If the queue of the manager is full, this
 * waits.
 *
 * @returns true if the message was sent, false if this process is not supervised ($NOTIFY_SOCKET is not set).
 * @throws TypeError or RangeError that names the field or option that can't be sent; SyntaxError for an address that
 *   can't be used; SystemError with `code`, `errno`, `syscall` and `address` if the operating system refuses;
 *   FFIUnavailableError if libc can't be called.
 * @see sd_notify(3)
 * @example
 * notify({ ready: true, status: "Listening on :3000" });
 */
export function notify(state: State, options?: SendOptions): boolean {
  const checked = checkSendOptions("notify", options, ["pid", "fds", "socket"]);
  const address = managerAddress(checked);
  const message = encode(state, address === undefined ? noFacts : systemFacts);
  if (address === undefined) return false;
  send(message, address, checked);
  if (checked === undefined) registered.current?.hear(message);
  return true;
}

// --- internal ---

const noFacts: Facts = { monotonicUsec: () => 0, pidfdInode: () => undefined };

const systemFacts: Facts = {
  monotonicUsec,
  pidfdInode(pid) {
    try {
      return pidfdInodeOf(pid);
    } catch (error) {
      // The message works without it.
      if (error instanceof FFIUnavailableError) return undefined;
      throw error;
    }
  },
};
