/** Fills the queue of a socket that nobody reads. */

import { EAGAIN, MSG_DONTWAIT } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/errno.ts";
import { send } from "../../src/transport/send.ts";

export function sendSync(address: string): void {
  try {
    for (;;) send("X_FILL=1", address, undefined, MSG_DONTWAIT);
  } catch (error) {
    if (!isErrno(error, EAGAIN)) throw error;
  }
}
