import { registered } from "./bun/registered.ts";
import { mustBe } from "./protocol/check.ts";
import { checkSendOptions, managerAddress, type SendOptions } from "./transport/options.ts";
import { send } from "./transport/send.ts";

/**
 * Sends a message that is text or bytes already, of any length and any content: sd_pid_notify_with_fds() of libsystemd.
 * PID 1 ignores messages of more than 4096 bytes.
 *
 * @returns true if the message was sent, false if this process is not supervised ($NOTIFY_SOCKET is not set).
 * @throws what notify() throws, except for fields.
 * @see sd_pid_notify_with_fds(3)
 * @example
 * notifyRaw("READY=1\nX_COLOUR=green");
 */
export function notifyRaw(message: string | Uint8Array, options?: SendOptions): boolean {
  if (typeof message !== "string" && !(message instanceof Uint8Array)) {
    throw mustBe("notify", "the message", "a string or a Uint8Array", message);
  }
  const checked = checkSendOptions("notify", options, ["pid", "fds", "socket"]);
  const address = managerAddress(checked);
  if (address === undefined) return false;
  send(message, address, checked);
  if (checked === undefined) registered.current?.hear(message);
  return true;
}
