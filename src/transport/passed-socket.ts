/**
 * A socket that the unit passes. With `OpenFile=/run/systemd/notify:notify`, systemd.service(5), the service manager
 * connects it before the service starts. Writing to it needs no libc, so it works when bun:ffi does not.
 */

import { SystemError } from "../../ffi/errors.ts";
import { node } from "../bun/node.ts";
import { SD_LISTEN_FDS_START } from "../protocol/systemd.ts";
import type { SendOptions } from "./options.ts";

/**
 * Writes a message to the passed socket, as this process and without fds. Returns false if there is no such socket, or
 * if the options ask for more.
 *
 * @throws SystemError if the message can't be written.
 */
export function sendByPassedSocket(message: string | Uint8Array, options: SendOptions | undefined): boolean {
  const { pid = process.pid, fds = [], socket } = options ?? {};
  const fd = passedSocket();
  if (fd === undefined || pid !== process.pid || fds.length > 0 || socket !== undefined) return false;
  try {
    node.fs.writeSync(fd, typeof message === "string" ? Buffer.from(message) : message);
  } catch (error) {
    const errnos = node.os.constants.errno;
    const { code = "EIO", message: why } = error as NodeJS.ErrnoException;
    const errno = errnos[code as keyof typeof errnos] ?? errnos.EIO;
    throw new SystemError(`write to the socket "notify" in $LISTEN_FDS: ${why}`, code, errno, "write");
  }
  return true;
}

// --- internal ---

/** The passed fd whose name is "notify"; undefined if there is none, or if all fds were passed to another process. */
function passedSocket(): number | undefined {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = process.env;
  const names = (LISTEN_FDNAMES ?? "").split(":");
  const index = names.indexOf("notify");
  if (LISTEN_PID !== `${process.pid}` || LISTEN_FDS !== `${names.length}` || index === -1) return undefined;
  return SD_LISTEN_FDS_START + index;
}
