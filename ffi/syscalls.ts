/**
 * System calls with JavaScript's types. Each throws a SystemError, whose `address` is the argument `about`. Each call
 * is repeated if a signal interrupted it, except close(2), which has closed the fd by then.
 */

import { arena, at, INCOMING, MAX_POLLFDS, PAYLOAD_SIZE } from "./arena.ts";
import {
  CLOCK_MONOTONIC,
  EAGAIN,
  EINTR,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_SETFD,
  FD_CLOEXEC,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_TRUNC,
  O_CLOEXEC,
  O_PATH,
  O_RDONLY,
  PID_FS_MAGIC,
  SOCK_CLOEXEC,
  SOL_SOCKET,
  SYS_pidfd_open,
} from "./constants.ts";
import { systemError } from "./errno.ts";
import { CONTROL_SIZE, CREDENTIALS_SIZE, msghdr, pollfd, statfs, timespec } from "./layouts.ts";
import { errno, libc } from "./libc.ts";
import {
  type Control,
  readControl,
  resetMsghdr,
  type SocketAddress,
  writeControl,
  writeIovec,
  writeMsghdr,
  writeSocketAddress,
} from "./structs.ts";

// --- sockets ---

/** socket(2), close-on-exec. */
export function socket(domain: number, type: number, about?: string): number {
  return retry(() => libc().socket(domain, type | SOCK_CLOEXEC, 0), "socket", about);
}

/** connect(2). `about` is how `to` was written, for the error. */
export function connect(fd: number, to: SocketAddress, about?: string): void {
  const { base, view } = arena();
  const length = writeSocketAddress(view, at.socketAddress, to);
  retry(() => libc().connect(fd, base + at.socketAddress, length), "connect", about);
}

/** bind(2). */
export function bind(fd: number, to: SocketAddress, about?: string): void {
  const { base, view } = arena();
  const length = writeSocketAddress(view, at.socketAddress, to);
  retry(() => libc().bind(fd, base + at.socketAddress, length), "bind", about);
}

/** setsockopt(2) of an int at SOL_SOCKET. */
export function setSocketOption(fd: number, option: number, value: number): void {
  const { base, view } = arena();
  view.setInt32(at.ints, value, true);
  retry(() => libc().setsockopt(fd, SOL_SOCKET, option, base + at.ints, 4), "setsockopt");
}

/** getsockopt(2) of an int at SOL_SOCKET. */
export function getSocketOption(fd: number, option: number): number {
  const { base, view } = arena();
  view.setInt32(at.ints + 4, 4, true);
  retry(() => libc().getsockopt(fd, SOL_SOCKET, option, base + at.ints, base + at.ints + 4), "getsockopt");
  return view.getInt32(at.ints, true);
}

/** shutdown(2). */
export function shutdown(fd: number, how: number, about?: string): void {
  retry(() => libc().shutdown(fd, how), "shutdown", about);
}

// --- messages ---

/**
 * Puts the bytes that the next send() or sendmsg() sends into the arena, and returns their number. A string is encoded
 * as UTF-8. If it is the same string as last time, it is still there, because nothing else writes there.
 *
 * @throws RangeError if there are more than PAYLOAD_SIZE.
 */
export function setPayload(data: string | Uint8Array): number {
  if (data === encoded) return encodedLength;
  const { outgoing } = arena();
  encoded = undefined;
  if (typeof data === "string") {
    const { read, written } = encoder.encodeInto(data, outgoing);
    if (read < data.length) throw tooLong();
    encoded = data;
    encodedLength = written;
    return written;
  }
  if (data.length > outgoing.length) throw tooLong();
  outgoing.set(data);
  return data.length;
}

/** send(2) of the payload's first `length` bytes. Returns how many were sent. */
export function send(fd: number, length: number, flags: number, about?: string): number {
  const base = arena().base + at.outgoing;
  // This call is frequent enough to save retry()'s function: it is made only if the first attempt fails.
  const sent = libc().send(fd, base, length, flags);
  return sent === -1 ? retry(() => libc().send(fd, base, length, flags), "send", about) : sent;
}

/** sendmsg(2) of the payload's bytes from `start` to `end`, with fds and credentials. Returns how many were sent. */
export function sendmsg(
  fd: number,
  start: number,
  end: number,
  control: Control,
  flags: number,
  about?: string,
): number {
  const { base, view } = arena();
  const controlLength = writeControl(view, at.control, control);
  writeIovec(view, at.iovec, base + at.outgoing + start, end - start);
  writeMsghdr(view, at.msghdr, base + at.iovec, base + at.control, controlLength);
  return retry(() => libc().sendmsg(fd, base + at.msghdr, flags), "sendmsg", about);
}

/** What recvmsg() received. The caller has to close the fds. */
export interface Received extends Control {
  /** A copy of the bytes. */
  data: Uint8Array;
  /** The message or its control data was longer than the room for it. */
  truncated: boolean;
}

/**
 * recvmsg(2), without the fds that come with the message. There is no room for them, so the kernel drops them. For a
 * barrier, that is as good as close(2), which may fail, or block, if somebody else opened the file. Waits until there
 * is a message.
 */
export function recvmsg(fd: number): Received {
  return receive(fd, 0, CREDENTIALS_SIZE) as Received;
}

/** recvmsg(2), with the fds, as close-on-exec. Returns undefined if there is no message yet. */
export function tryRecvmsg(fd: number): Received | undefined {
  return receive(fd, MSG_DONTWAIT, CONTROL_SIZE);
}

// --- file descriptors ---

/** open(2) with O_PATH: a reference to a file of any kind, without access to it. */
export function openPath(path: string): number {
  return retry(() => libc().open(path, O_PATH | O_CLOEXEC), "open", path);
}

/**
 * Reads a whole file: open(2), read(2), close(2). It is for files of /proc. node:fs would take a millisecond longer,
 * because it must be loaded first.
 */
export function readFile(path: string): Uint8Array {
  const { base, incoming } = arena();
  const fd = retry(() => libc().open(path, O_RDONLY | O_CLOEXEC), "open", path);
  try {
    let length = 0;
    for (;;) {
      const read = retry(() => libc().read(fd, base + INCOMING + length, PAYLOAD_SIZE - length), "read", path);
      if (read === 0) return incoming.slice(0, length);
      length += read;
    }
  } finally {
    close(fd);
  }
}

/** close(2). */
export function close(fd: number): void {
  if (libc().close(fd) === -1 && errno() !== EINTR) throw systemError(errno(), "close");
}

/** pipe2(2) with O_CLOEXEC: [read end, write end]. */
export function pipe(): [number, number] {
  const { base, view } = arena();
  retry(() => libc().pipe2(base + at.ints, O_CLOEXEC), "pipe2");
  return [view.getInt32(at.ints, true), view.getInt32(at.ints + 4, true)];
}

/** fcntl(2): another fd for the same open file, close-on-exec. */
export function duplicate(fd: number): number {
  return retry(() => libc().fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl");
}

/** fcntl(2): whether the fd is open. */
export function isOpen(fd: number): boolean {
  return libc().fcntl(fd, F_GETFD, 0) !== -1;
}

/** fcntl(2): whether execve(2) closes the fd. */
export function isCloseOnExec(fd: number): boolean {
  return (retry(() => libc().fcntl(fd, F_GETFD, 0), "fcntl") & FD_CLOEXEC) !== 0;
}

/** fcntl(2): clears FD_CLOEXEC if an executed program is to keep the fd, and else sets it. */
export function keepOnExec(fd: number, keep: boolean): void {
  const flags = retry(() => libc().fcntl(fd, F_GETFD, 0), "fcntl");
  retry(() => libc().fcntl(fd, F_SETFD, keep ? flags & ~FD_CLOEXEC : flags | FD_CLOEXEC), "fcntl");
}

/** poll(2) of one fd until `timeoutMs` (Infinity: for ever). Returns revents, or 0 if the time is up. */
export function poll(fd: number, events: number, timeoutMs: number): number {
  const [revents = 0] = pollAll([fd], events, timeoutMs);
  return revents;
}

/** poll(2) of some fds for the same events. Returns the revents of each, all 0 if the time is up. */
export function pollAll(fds: readonly number[], events: number, timeoutMs: number): number[] {
  if (fds.length > MAX_POLLFDS) throw new RangeError(`Cannot poll more than ${MAX_POLLFDS} file descriptors`);
  const { base, view } = arena();
  const place = (i: number) => at.pollfds + i * pollfd.size;
  const deadline = performance.now() + timeoutMs;
  const wait = () => {
    for (let i = 0; i < fds.length; i++) {
      view.setInt32(place(i) + pollfd.fd, fds[i] as number, true);
      view.setInt16(place(i) + pollfd.events, events, true);
      view.setInt16(place(i) + pollfd.revents, 0, true);
    }
    const leftMs = Math.max(0, Math.ceil(deadline - performance.now()));
    return libc().poll(base + at.pollfds, fds.length, leftMs > MAX_POLL_MS ? -1 : leftMs);
  };
  retry(wait, "poll");
  const revents: number[] = [];
  for (let i = 0; i < fds.length; i++) revents.push(view.getInt16(place(i) + pollfd.revents, true));
  return revents;
}

// --- processes and time ---

/** getppid(2): the current parent. process.ppid may be an old copy. */
export function getppid(): number {
  return libc().getppid();
}

/** clock_gettime(2) of CLOCK_MONOTONIC, in microseconds. */
export function monotonicUsec(): number {
  const { base, view } = arena();
  retry(() => libc().clock_gettime(CLOCK_MONOTONIC, base + at.timespec), "clock_gettime");
  const seconds = view.getBigInt64(at.timespec + timespec.tv_sec, true);
  const nanoseconds = view.getBigInt64(at.timespec + timespec.tv_nsec, true);
  return Number(seconds * 1_000_000n + nanoseconds / 1000n);
}

/** pidfd_open(2). */
export function pidfdOpen(pid: number): number {
  return retry(() => libc().syscall(SYS_pidfd_open, pid, 0), "pidfd_open", `process ${pid}`);
}

/** Returns the inode number of a pidfd, which identifies a process for ever; undefined before pidfs (Linux 6.9). */
export function pidfdInode(pidfd: number): bigint | undefined {
  const { base, view } = arena();
  retry(() => libc().fstatfs(pidfd, base + at.statfs), "fstatfs");
  if (view.getBigInt64(at.statfs + statfs.f_type, true) !== BigInt(PID_FS_MAGIC)) return undefined;
  // node:fs knows struct stat, which differs between architectures. It is loaded here because few messages need it.
  const { fstatSync } = process.getBuiltinModule("node:fs");
  return fstatSync(pidfd, { bigint: true }).ino;
}

// --- internal ---

const encoder = new TextEncoder();
/** The string whose bytes the payload holds. */
let encoded: string | undefined;
let encodedLength = 0;

let readyToReceive = false;

/** INT_MAX of <limits.h>: the longest time that poll(2) takes. */
const MAX_POLL_MS = 0x7fffffff;

function receive(fd: number, flags: number, controlSize: number): Received | undefined {
  const { base, view, incoming } = arena();
  if (!readyToReceive) {
    writeIovec(view, at.receivedIovec, base + INCOMING, PAYLOAD_SIZE);
    writeMsghdr(view, at.receivedMsghdr, base + at.receivedIovec, base + at.control, CONTROL_SIZE);
    readyToReceive = true;
  }
  resetMsghdr(view, at.receivedMsghdr, controlSize);
  const call = () => libc().recvmsg(fd, base + at.receivedMsghdr, flags | MSG_CMSG_CLOEXEC);
  const length = retry(call, "recvmsg", undefined, EAGAIN);
  if (length === -1) return undefined;
  const controlLength = view.getUint32(at.receivedMsghdr + msghdr.msg_controllen, true);
  const { fds, credentials } = readControl(view, at.control, controlLength);
  const received = view.getInt32(at.receivedMsghdr + msghdr.msg_flags, true);
  return { fds, credentials, data: incoming.slice(0, length), truncated: (received & (MSG_TRUNC | MSG_CTRUNC)) !== 0 };
}

/**
 * Calls until no signal interrupts it. Returns the result, or -1 for the `expected` error. @throws SystemError for any
 * other error
 */
function retry(call: () => number, syscall: string, about?: string, expected?: number): number {
  for (;;) {
    const result = call();
    if (result !== -1) return result;
    const error = errno();
    if (error === expected) return -1;
    if (error !== EINTR) throw systemError(error, syscall, about);
  }
}

function tooLong(): RangeError {
  return new RangeError(`Cannot send more than ${PAYLOAD_SIZE} bytes`);
}
