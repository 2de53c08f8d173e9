/** Messages as bytes, from this process to the service manager. */

import {
  EAGAIN,
  EBADF,
  ECONNREFUSED,
  EDESTADDRREQ,
  EIO,
  ENOENT,
  ENOTCONN,
  ENOTSOCK,
  MSG_NOSIGNAL,
} from "../../ffi/constants.ts";
import { isErrno, systemError } from "../../ffi/errno.ts";
import { FFIUnavailableError, SystemError } from "../../ffi/errors.ts";
import type { Control } from "../../ffi/structs.ts";
import * as sys from "../../ffi/syscalls.ts";
import { parseAddress } from "../protocol/address.ts";
import { type Connection, connect, finish } from "./connection.ts";
import type { SendOptions } from "./options.ts";
import { sendByPassedSocket } from "./passed-socket.ts";

/**
 * Sends one message to the address. `flags` are those of send(2), besides MSG_NOSIGNAL.
 *
 * @throws SyntaxError if the address can't be used, SystemError if the message can't be sent, FFIUnavailableError if
 *   libc can't be called and the unit passes no socket either.
 */
export function send(message: string | Uint8Array, to: string, options?: SendOptions, flags = 0): void {
  try {
    sendByLibc(message, to, options, flags);
  } catch (error) {
    if (!(error instanceof FFIUnavailableError)) throw error;
    if (!sendByPassedSocket(message, options)) throw error;
  }
}

// --- internal ---

/** More addresses than a program has. When a test suite connects to more, the oldest connection is closed. */
const MAX_CONNECTIONS = 8;

/** One connected socket for each address, the oldest first. */
const connections = new Map<string, Connection>();

function sendByLibc(message: string | Uint8Array, to: string, options: SendOptions | undefined, flags: number): void {
  const kept = connections.get(to);
  if (kept) {
    try {
      transmit(kept, message, options, flags);
      return;
    } catch (error) {
      // If the manager has gone, another one may listen at the address by now. The message is for that one.
      if (isGone(error)) forget(kept);
      else if (isLost(error, kept)) connections.delete(to);
      else throw error;
    }
  }
  const source = options?.socket === undefined ? "$NOTIFY_SOCKET" : "the socket";
  const connection = connect(parseAddress(to, source), to);
  // A worker can't close its sockets when it ends.
  const keep = !connection.once && Bun.isMainThread;
  try {
    transmit(connection, message, options, flags);
    if (connection.once) finish(connection);
    if (keep) remember(connection);
  } catch (error) {
    if (keep) sys.close(connection.fd);
    throw error;
  } finally {
    if (!keep) sys.close(connection.fd);
  }
}

function remember(connection: Connection): void {
  for (const oldest of connections.values()) {
    if (connections.size < MAX_CONNECTIONS) break;
    forget(oldest);
  }
  connections.set(connection.name, connection);
}

function forget(connection: Connection): void {
  connections.delete(connection.name);
  sys.close(connection.fd);
}

/** Nobody listens any more: the receiver was closed, or its socket removed. */
function isGone(error: unknown): boolean {
  return isErrno(error, ECONNREFUSED, ENOENT);
}

/**
 * Somebody else closed the connection's fd. Its number may belong to another file by now, which must not be touched.
 */
function isLost(error: unknown, { fd }: Connection): boolean {
  // EBADF may also be about one of the fds to send.
  return isErrno(error, ENOTSOCK, EDESTADDRREQ, ENOTCONN) || (isErrno(error, EBADF) && !sys.isOpen(fd));
}

function transmit(
  connection: Connection,
  message: string | Uint8Array,
  options: SendOptions | undefined,
  flags: number,
): void {
  const length = sys.setPayload(message);
  const fds = options?.fds ?? NO_FDS;
  const pid = options?.pid;
  const foreign = pid !== undefined && pid !== process.pid;
  if (fds.length === 0 && !foreign && !connection.stream) {
    const sent = sys.send(connection.fd, length, flags | MSG_NOSIGNAL, connection.name);
    if (sent !== length) throw short(sent, length, connection);
    return;
  }
  if (foreign) {
    try {
      // SCM_CREDENTIALS carries the real ids, as libsystemd does. Without it the kernel adds the same ids by itself.
      const credentials = { pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
      transmitWith(connection, length, { fds, credentials }, flags);
      return;
    } catch (error) {
      // Most often EPERM: no CAP_SYS_ADMIN. systemd-notify(1): it then sends under its own PID.
      if (!(error instanceof SystemError) || isGone(error) || isErrno(error, EAGAIN)) throw error;
    }
  }
  transmitWith(connection, length, { fds }, flags);
}

function transmitWith(connection: Connection, length: number, control: Control, flags: number): void {
  const { fd, name, stream } = connection;
  let sent = sys.sendmsg(fd, 0, length, control, flags | MSG_NOSIGNAL, name);
  while (stream && sent < length) sent += sys.sendmsg(fd, sent, length, { fds: NO_FDS }, flags | MSG_NOSIGNAL, name);
  if (sent !== length) throw short(sent, length, connection);
}

const NO_FDS: readonly number[] = [];

function short(sent: number, length: number, { name }: Connection): SystemError {
  return systemError(EIO, "send", name, `only ${sent} of ${length} bytes went out`);
}
