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
 * Tells the service manager about the state of this service. Everything is checked first, whether there is a service
 * manager or not; then the message goes out as one datagram, by one system call. It waits while the manager's queue
 * is full.
 *
 * @returns true when the message was sent, false when this process is not supervised ($NOTIFY_SOCKET is not set).
 * @throws TypeError or RangeError that names the field or option that can't be sent; SyntaxError when the address
 *   is none; SystemError with `code`, `errno`, `syscall` and `address` when the operating system refuses;
 *   FFIUnavailableError where libc can't be called.
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
      // The message is as good without it.
      if (error instanceof FFIUnavailableError) return undefined;
      throw error;
    }
  },
};
