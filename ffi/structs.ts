/**
 * Writes and reads C structs in a DataView. Nothing here calls the system, so all of it can be tested with bytes.
 * test/structs.test.ts compares every written struct with the one that C makes of the same values.
 *
 * All fields are little-endian, as on every machine Bun runs on. musl declares msg_iovlen, msg_controllen and cmsg_len
 * as 32 bits and padding: 64 bits written there mean the same.
 */

import { AF_INET, AF_INET6, AF_UNIX, AF_VSOCK, SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET } from "./constants.ts";
import {
  CMSG_LEN,
  CMSG_SPACE,
  cmsghdr,
  iovec,
  msghdr,
  SUN_PATH_SIZE,
  sockaddr_in,
  sockaddr_in6,
  sockaddr_un,
  sockaddr_vm,
  ucred,
} from "./layouts.ts";

/** A socket address. `path` is sun_path without its terminating NUL; an abstract one begins with NUL. */
export type SocketAddress = { family: "unix"; path: Uint8Array } | { family: "vsock"; cid: number; port: number };

/** What a socket is bound to. The path of a unix socket is as above, and empty if it has none. */
export type BoundAddress =
  | { family: "unix"; path: Uint8Array }
  | { family: "inet" | "inet6"; address: string; port: number };

/** The events that epoll(7) watches an fd for, and the 64 bits that identify the fd to whoever waits. */
export interface EpollEvent {
  events: number;
  data: bigint;
}

/** The sender of a message: struct ucred, as SCM_CREDENTIALS carries it. */
export interface Credentials {
  pid: number;
  uid: number;
  gid: number;
}

/** Ancillary data of a message. */
export interface Control {
  fds: readonly number[];
  credentials?: Credentials | undefined;
}

/** Writes a sockaddr_un or sockaddr_vm and returns its length, socklen_t. */
export function writeSocketAddress(view: DataView, at: number, address: SocketAddress): number {
  if (address.family === "vsock") {
    fill(view, at, sockaddr_vm.size);
    view.setUint16(at + sockaddr_vm.svm_family, AF_VSOCK, true);
    view.setUint32(at + sockaddr_vm.svm_port, address.port, true);
    view.setUint32(at + sockaddr_vm.svm_cid, address.cid, true);
    return sockaddr_vm.size;
  }
  const { path } = address;
  if (path.length + (path[0] === 0 ? 0 : 1) > SUN_PATH_SIZE) {
    throw new RangeError(`Cannot use a socket address of ${path.length} bytes: sun_path holds ${SUN_PATH_SIZE}`);
  }
  fill(view, at, sockaddr_un.size);
  view.setUint16(at + sockaddr_un.sun_family, AF_UNIX, true);
  bytes(view, at + sockaddr_un.sun_path, path.length).set(path);
  // unix(7): a path counts its NUL; an abstract name is exactly the bytes that the length covers.
  const terminator = path[0] === 0 ? 0 : 1;
  return sockaddr_un.sun_path + path.length + terminator;
}

/** Reads the address, of this length, that getsockname(2) wrote. Returns undefined if it is of another family. */
export function readBoundAddress(view: DataView, at: number, length: number): BoundAddress | undefined {
  const family = view.getUint16(at, true);
  if (family === AF_UNIX) {
    // unix(7): an unnamed address is the family alone. A path may end with a NUL; an abstract name begins with one.
    const path = bytes(view, at + sockaddr_un.sun_path, Math.max(0, length - sockaddr_un.sun_path)).slice();
    const end = path[0] === 0 ? -1 : path.indexOf(0);
    return { family: "unix", path: end === -1 ? path : path.subarray(0, end) };
  }
  if (family === AF_INET) {
    const port = view.getUint16(at + sockaddr_in.sin_port);
    return { family: "inet", address: bytes(view, at + sockaddr_in.sin_addr, 4).join("."), port };
  }
  if (family !== AF_INET6) return undefined;
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(at + sockaddr_in6.sin6_addr + i * 2).toString(16));
  // A URL has the shortest form, RFC 5952.
  const address = new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
  return { family: "inet6", address, port: view.getUint16(at + sockaddr_in6.sin6_port) };
}

/** struct epoll_event of <sys/epoll.h>: packed on x86-64 only. */
export function epollEvent(arch: string): { size: number; events: number; data: number } {
  return arch === "x64" ? { size: 12, events: 0, data: 4 } : { size: 16, events: 0, data: 8 };
}

/** Writes a struct epoll_event. */
export function writeEpollEvent(view: DataView, at: number, { events, data }: EpollEvent, arch: string): void {
  const epoll_event = epollEvent(arch);
  fill(view, at, epoll_event.size);
  view.setUint32(at + epoll_event.events, events, true);
  view.setBigUint64(at + epoll_event.data, data, true);
}

/** Writes SCM_RIGHTS, then SCM_CREDENTIALS, and returns msg_controllen. */
export function writeControl(view: DataView, at: number, { fds, credentials }: Control): number {
  let end = at;
  if (fds.length > 0) {
    const data = writeCmsghdr(view, end, SCM_RIGHTS, fds.length * 4);
    for (let i = 0; i < fds.length; i++) view.setInt32(data + i * 4, fds[i] as number, true);
    end += CMSG_SPACE(fds.length * 4);
  }
  if (credentials) {
    const data = writeCmsghdr(view, end, SCM_CREDENTIALS, ucred.size);
    view.setInt32(data + ucred.pid, credentials.pid, true);
    view.setUint32(data + ucred.uid, credentials.uid, true);
    view.setUint32(data + ucred.gid, credentials.gid, true);
    end += CMSG_SPACE(ucred.size);
  }
  return end - at;
}

/** Reads the control data that recvmsg(2) wrote. */
export function readControl(view: DataView, at: number, length: number): Control {
  const fds: number[] = [];
  let credentials: Credentials | undefined;
  for (let end = at + length; at + cmsghdr.size <= end; ) {
    // (The upper half of a size_t is 0: control data is shorter than CONTROL_SIZE.)
    const dataLength = view.getUint32(at + cmsghdr.cmsg_len, true) - cmsghdr.size;
    if (dataLength < 0) break;
    const data = at + cmsghdr.size;
    const type = view.getInt32(at + cmsghdr.cmsg_type, true);
    if (view.getInt32(at + cmsghdr.cmsg_level, true) === SOL_SOCKET) {
      if (type === SCM_RIGHTS) {
        for (let i = 0; i + 4 <= dataLength; i += 4) fds.push(view.getInt32(data + i, true));
      } else if (type === SCM_CREDENTIALS) {
        credentials = {
          pid: view.getInt32(data + ucred.pid, true),
          uid: view.getUint32(data + ucred.uid, true),
          gid: view.getUint32(data + ucred.gid, true),
        };
      }
    }
    at += CMSG_SPACE(dataLength);
  }
  return { fds, credentials };
}

/** Writes a struct iovec. `base` is an address. */
export function writeIovec(view: DataView, at: number, base: number, length: number): void {
  view.setBigUint64(at + iovec.iov_base, BigInt(base), true);
  view.setBigUint64(at + iovec.iov_len, BigInt(length), true);
}

/** Writes a struct msghdr without a name, for a connected socket. `iov` and `control` are addresses. */
export function writeMsghdr(view: DataView, at: number, iov: number, control: number, controlLength: number): void {
  fill(view, at, msghdr.size);
  view.setBigUint64(at + msghdr.msg_iov, BigInt(iov), true);
  view.setBigUint64(at + msghdr.msg_iovlen, 1n, true);
  view.setBigUint64(at + msghdr.msg_control, BigInt(controlLength === 0 ? 0 : control), true);
  view.setBigUint64(at + msghdr.msg_controllen, BigInt(controlLength), true);
}

/** Prepares a struct msghdr that recvmsg(2) has written for the next message. */
export function resetMsghdr(view: DataView, at: number, controlLength: number): void {
  view.setUint32(at + msghdr.msg_controllen, controlLength, true);
  view.setInt32(at + msghdr.msg_flags, 0, true);
}

// --- internal ---

function writeCmsghdr(view: DataView, at: number, type: number, length: number): number {
  fill(view, at, CMSG_SPACE(length));
  view.setBigUint64(at + cmsghdr.cmsg_len, BigInt(CMSG_LEN(length)), true);
  view.setInt32(at + cmsghdr.cmsg_level, SOL_SOCKET, true);
  view.setInt32(at + cmsghdr.cmsg_type, type, true);
  return at + cmsghdr.size;
}

function fill(view: DataView, at: number, length: number): void {
  bytes(view, at, length).fill(0);
}

function bytes(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length);
}
