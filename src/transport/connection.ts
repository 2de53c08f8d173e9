/** Sockets that are connected to the service manager. */

import {
  AF_UNIX,
  AF_VSOCK,
  EACCES,
  EADDRINUSE,
  EAFNOSUPPORT,
  ENODEV,
  EOPNOTSUPP,
  EPERM,
  EPROTO,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
  SHUT_WR,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  VMADDR_CID_ANY,
} from "../../ffi/constants.ts";
import { isErrno, systemError } from "../../ffi/errno.ts";
import { SUN_PATH_SIZE } from "../../ffi/layouts.ts";
import * as sys from "../../ffi/syscalls.ts";
import type { Address } from "../protocol/address.ts";

export interface Connection {
  fd: number;
  /** The address as it was written, for errors. */
  name: string;
  /** A byte stream, which may take a message in pieces. */
  stream: boolean;
  /** It carries one message, which ends with the connection. */
  once: boolean;
}

/** Connects to the address. @throws SystemError, with nothing left open. */
export function connect(address: Address, name: string): Connection {
  if (address.family === "vsock") return connectVsock(address, name);
  const fd = sys.socket(AF_UNIX, SOCK_DGRAM, name);
  try {
    growSendBuffer(fd);
    if (address.path.length < SUN_PATH_SIZE || address.path[0] === 0) sys.connect(fd, address, name);
    else connectLongPath(fd, name);
  } catch (error) {
    sys.close(fd);
    throw error;
  }
  return { fd, name, stream: false, once: false };
}

/**
 * Ends a connection that carries one message: tells the peer that the message is complete, and waits until the peer
 * has read it.
 */
export function finish({ fd, name }: Connection): void {
  sys.shutdown(fd, SHUT_WR, name);
  const { data } = sys.recvmsg(fd);
  if (data.length > 0) throw systemError(EPROTO, "recvmsg", name, "the peer answered, but it should only read");
}

// --- internal ---

type VsockAddress = Extract<Address, { family: "vsock" }>;

/** libsystemd asks for the same size, so that a message of 1 MB goes through. */
const SEND_BUFFER_SIZE = 8 << 20;

/** Makes the send buffer as large as the kernel allows. With CAP_NET_ADMIN, that is more than net.core.wmem_max. */
function growSendBuffer(fd: number): void {
  sys.setSocketOption(fd, SO_SNDBUF, SEND_BUFFER_SIZE);
  // socket(7): the kernel doubles the value.
  if (sys.getSocketOption(fd, SO_SNDBUF) >= 2 * SEND_BUFFER_SIZE) return;
  try {
    sys.setSocketOption(fd, SO_SNDBUFFORCE, SEND_BUFFER_SIZE);
  } catch (error) {
    if (!isErrno(error, EPERM)) throw error;
  }
}

/** Connects to a path that is too long for sun_path, by the short name that /proc has for every open file. */
function connectLongPath(fd: number, path: string): void {
  const file = sys.openPath(path);
  try {
    sys.connect(fd, { family: "unix", path: new TextEncoder().encode(`/proc/self/fd/${file}`) }, path);
  } finally {
    sys.close(file);
  }
}

function connectVsock(address: VsockAddress, name: string): Connection {
  const { fd, type } = openVsock(address, name);
  try {
    bindPrivilegedPort(fd, name);
    sys.connect(fd, address, name);
    growSendBuffer(fd);
  } catch (error) {
    sys.close(fd);
    throw error;
  }
  return { fd, name, stream: type === SOCK_STREAM, once: type !== SOCK_DGRAM };
}

/** Opens a socket of the address' type, or of the first type that this machine's vsock supports. */
function openVsock(address: VsockAddress, name: string): { fd: number; type: number } {
  const one = { stream: SOCK_STREAM, dgram: SOCK_DGRAM, seqpacket: SOCK_SEQPACKET };
  const types = address.type ? [one[address.type]] : [SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM];
  for (const type of types) {
    try {
      return { fd: sys.socket(AF_VSOCK, type, name), type };
    } catch (error) {
      const unsupported = isErrno(error, ESOCKTNOSUPPORT, EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT, ENODEV);
      if (!unsupported || type === types.at(-1)) throw error;
    }
  }
  throw new Error("unreachable");
}

/**
 * Binds to the highest free port below 1024, to show the peer that the sender is privileged. Without that privilege,
 * it binds to no port.
 */
function bindPrivilegedPort(fd: number, name: string): void {
  for (let port = 1023; port > 0; port--) {
    try {
      sys.bind(fd, { family: "vsock", cid: VMADDR_CID_ANY, port }, name);
      return;
    } catch (error) {
      if (isErrno(error, EACCES, EPERM)) return;
      if (!isErrno(error, EADDRINUSE) || port === 1) throw error;
    }
  }
}
