/** The options that callers of the library have for sending a message. */

import { SCM_MAX_FD } from "../../ffi/layouts.ts";
import { checkInteger, checkOptionNames, mustBe } from "../protocol/check.ts";

/**
 * How a message is sent.
 *
 * @example
 * const options: SendOptions = { pid: process.pid };
 * notify({ status: "up" }, options);
 */
export interface SendOptions {
  /** The process to appear as the sender, if this process has the privilege for that. Default: this process. */
  pid?: number | undefined;
  /** File descriptors to send along, at most 253. They stay open here. */
  fds?: readonly number[] | undefined;
  /** Where to send it; default: $NOTIFY_SOCKET. */
  socket?: string | undefined;
}

/** The service manager's address; undefined if this process is not supervised. */
export function managerAddress(options: SendOptions | undefined): string | undefined {
  return options?.socket ?? process.env.NOTIFY_SOCKET;
}

/**
 * Checks the options and returns a copy of them, so that the caller can't change them afterwards.
 *
 * @throws TypeError or RangeError that names the wrong option.
 */
export function checkSendOptions<Options extends SendOptions>(
  doing: string,
  options: Options | undefined,
  names: readonly (keyof Options & string)[],
): SendOptions | undefined {
  if (options === undefined) return undefined;
  checkOptionNames(doing, options, names);
  const { pid, socket, fds: list } = options;
  if (pid !== undefined) checkInteger(doing, "pid", pid, 1, 0x7fffffff);
  if (socket !== undefined && typeof socket !== "string") throw mustBe(doing, "socket", "a string", socket);
  if (list === undefined) return { pid, socket };
  if (!Array.isArray(list)) throw mustBe(doing, "fds", "an array of file descriptors", list);
  const fds = [...list];
  if (fds.length > SCM_MAX_FD) {
    throw new RangeError(`Cannot ${doing}: fds has ${fds.length} file descriptors, and a message takes ${SCM_MAX_FD}`);
  }
  for (let i = 0; i < fds.length; i++) checkInteger(doing, `fds[${i}]`, fds[i], 0, 0x7fffffff);
  return { pid, socket, fds };
}
