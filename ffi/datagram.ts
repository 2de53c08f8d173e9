/**
 * What one datagram and its barrier need of libc, for a program that does nothing else: the command's short way. It stands beside libc.ts, arena.ts
 * and structs.ts because those cost more at a start than the message (the module bun:ffi 0.2 ms, tables of objects 0.13 ms).
 * A function here returns what C's does, -1 for an error, and explains nothing.
 */

import {
  AF_UNIX,
  CLOCK_MONOTONIC,
  EPERM,
  MSG_NOSIGNAL,
  O_CLOEXEC,
  PID_FS_MAGIC,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
  SYS_pidfd_open,
} from "./constants.ts";
import { layout } from "./datagram-layout.ts" with { type: "macro" };

const { ADDRESS, HEADER, VECTOR, POLLFD, INTS, TIMESPEC, RIGHTS, CREDENTIALS, CONTROL_END, STATFS, TEXT, SIZE } =
  layout();
const { SUN_PATH, SUN_PATH_SIZE, MSG_IOV, MSG_IOVLEN, MSG_CONTROL, MSG_CONTROLLEN, IOV_LEN } = layout();
const { CMSG_LEVEL, CMSG_TYPE, CMSG_HEADER, PID, UID, GID, TV_NSEC, F_TYPE } = layout();

// FFIType of bun:ffi; the last two are i64_fast and u64_fast.
const i32 = 5;
const u32 = 6;
const ptr = 12;
const i64 = 15;
const u64 = 16;

const symbols = {
  getppid: { args: [], returns: i32 }, // pid_t getppid(void)
  getuid: { args: [], returns: u32 }, // uid_t getuid(void)
  getgid: { args: [], returns: u32 }, // gid_t getgid(void)
  socket: { args: [i32, i32, i32], returns: i32 }, // int socket(int domain, int type, int protocol)
  setsockopt: { args: [i32, i32, i32, ptr, u32], returns: i32 }, // int setsockopt(int, int level, int name, const void *, socklen_t)
  getsockopt: { args: [i32, i32, i32, ptr, ptr], returns: i32 }, // int getsockopt(int, int level, int name, void *, socklen_t *)
  connect: { args: [i32, ptr, u32], returns: i32 }, // int connect(int, const struct sockaddr *, socklen_t)
  sendmsg: { args: [i32, ptr, i32], returns: i64 }, // ssize_t sendmsg(int, const struct msghdr *, int flags)
  pipe2: { args: [ptr, i32], returns: i32 }, // int pipe2(int[2], int flags)
  poll: { args: [ptr, u64, i32], returns: i32 }, // int poll(struct pollfd *, nfds_t, int timeout)
  open: { args: [ptr, i32], returns: i32 }, // int open(const char *, int flags, ...)
  read: { args: [i32, ptr, u64], returns: i64 }, // ssize_t read(int, void *, size_t)
  close: { args: [i32], returns: i32 }, // int close(int)
  clock_gettime: { args: [i32, ptr], returns: i32 }, // int clock_gettime(clockid_t, struct timespec *)
  fstatfs: { args: [i32, ptr], returns: i32 }, // int fstatfs(int, struct statfs *)
  syscall: { args: [i64, i64, i64], returns: i64 }, // long syscall(long number, ...)
  __errno_location: { args: [], returns: ptr }, // int *__errno_location(void)
};

type Libc = Record<keyof typeof symbols, (...args: number[]) => number>;

/** What bun:ffi is made of. It is not documented. */
interface NativeFFI {
  dlopen(name: string, functions: typeof symbols): { symbols: Libc };
  ptr(bytes: Uint8Array): number;
  read: { i32(address: number, offset: number): number };
  CString: new (address: number, offset: number, length: number) => string;
}

const encoder = new TextEncoder();

let FFI: NativeFFI;
let libc: Libc;
let base = 0;
// An ArrayBuffer that was made as one stays where it is, while a typed array may move (oven-sh/bun#32055).
const memory = new ArrayBuffer(SIZE);
const ints = new Int32Array(memory);
const bytes = new Uint8Array(memory);

/** Whether libc can be called this way; else libc.ts tells what is wrong, or calls it by bun:ffi. */
export function openLibc(): boolean {
  try {
    FFI = (Bun as unknown as { FFI: NativeFFI }).FFI;
    // By this name for the reason that libc.ts gives.
    libc = FFI.dlopen("libc.so.6", symbols).symbols;
    base = FFI.ptr(bytes);
    return true;
  } catch {
    return false;
  }
}

/** getppid(2). */
export function getppid(): number {
  return libc.getppid();
}

/** close(2). */
export function close(fd: number): void {
  libc.close(fd);
}

/** Returns a file of /proc; "" for one that can't be read, or has no room here. */
export function readText(path: string): string {
  write(path, TEXT);
  const fd = libc.open(base + TEXT, O_CLOEXEC);
  const length = libc.read(fd, base + TEXT, SIZE - TEXT);
  libc.close(fd);
  return length > 0 && length < SIZE - TEXT ? new FFI.CString(base + TEXT, 0, length) : "";
}

/** clock_gettime(2) of CLOCK_MONOTONIC, in microseconds. */
export function monotonicUsec(): number {
  libc.clock_gettime(CLOCK_MONOTONIC, base + TIMESPEC);
  return (ints[TIMESPEC / 4] as number) * 1e6 + Math.trunc((ints[TIMESPEC / 4 + TV_NSEC] as number) / 1000);
}

/** The inode number of the process' pidfd, in digits; "" where it has none or that can't be known, as before Linux 6.9. */
export function pidfdInode(pid: number): string {
  const pidfd = libc.syscall(SYS_pidfd_open, pid, 0);
  libc.fstatfs(pidfd, base + STATFS);
  const info = ints[STATFS / 4 + F_TYPE] === PID_FS_MAGIC ? readText(`/proc/self/fdinfo/${pidfd}`) : "";
  libc.close(pidfd);
  return /^ino:\t(\d+)$/m.exec(info)?.[1] ?? "";
}

/** Returns a datagram socket that is connected to the address: a path, or `@` and an abstract name. */
export function connect(address: string, sendBufferSize: number): number {
  const abstract = address[0] === "@";
  // unix(7): a path counts its NUL. An abstract name has one in place of the `@`.
  const length = write(address, ADDRESS + SUN_PATH) + (abstract ? 0 : 1);
  if (length > SUN_PATH_SIZE) return -1;
  // <sys/socket.h>: sa_family_t has 16 bits.
  bytes[ADDRESS] = AF_UNIX;
  if (abstract) bytes[ADDRESS + SUN_PATH] = 0;
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  growSendBuffer(fd, sendBufferSize);
  if (libc.connect(fd, base + ADDRESS, SUN_PATH + length) !== -1) return fd;
  libc.close(fd);
  return -1;
}

/** Makes the text the message that send() sends. Returns false for one that has no room here. */
export function setMessage(text: string): boolean {
  const length = write(text, TEXT);
  writeLong(HEADER / 4 + MSG_IOV, base + VECTOR);
  writeLong(HEADER / 4 + MSG_IOVLEN, 1);
  writeLong(VECTOR / 4, base + TEXT);
  writeLong(VECTOR / 4 + IOV_LEN, length);
  return length < SIZE - TEXT - 4;
}

/** sendmsg(2) as the process, or as this one for 0; with a fd, or without one for -1. */
export function send(socket: number, sender: number, passed: number, flags: number): number {
  const start = passed === -1 ? CREDENTIALS : RIGHTS;
  const end = sender === 0 ? CREDENTIALS : CONTROL_END;
  writeControl(RIGHTS, SCM_RIGHTS, 4);
  ints[(RIGHTS + CMSG_HEADER) / 4] = passed;
  writeControl(CREDENTIALS, SCM_CREDENTIALS, 12);
  ints[(CREDENTIALS + CMSG_HEADER) / 4 + PID] = sender;
  ints[(CREDENTIALS + CMSG_HEADER) / 4 + UID] = libc.getuid();
  ints[(CREDENTIALS + CMSG_HEADER) / 4 + GID] = libc.getgid();
  writeLong(HEADER / 4 + MSG_CONTROL, base + start);
  writeLong(HEADER / 4 + MSG_CONTROLLEN, end - start);
  return libc.sendmsg(socket, base + HEADER, flags | MSG_NOSIGNAL);
}

/** Whether the last call was refused for want of privilege. */
export function wasRefused(): boolean {
  return FFI.read.i32(libc.__errno_location(), 0) === EPERM;
}

/** pipe2(2), close-on-exec. The ends are in pipeEnds. */
export function pipe(): [readEnd: number, writeEnd: number] | undefined {
  if (libc.pipe2(base + INTS, O_CLOEXEC) === -1) return undefined;
  return [ints[INTS / 4] as number, ints[INTS / 4 + 1] as number];
}

/** poll(2) of one fd until it is hung up. */
export function waitForHangUp(fd: number, timeoutMs: number): number {
  ints[POLLFD / 4] = fd;
  // No events, and no revents yet.
  ints[POLLFD / 4 + 1] = 0;
  return libc.poll(base + POLLFD, 1, timeoutMs);
}

// --- internal ---

/** Writes the text and a NUL. Returns how long it is; what has no room is cut off. */
function write(text: string, at: number): number {
  const { written } = encoder.encodeInto(text, bytes.subarray(at, SIZE - 1));
  bytes[at + written] = 0;
  return written;
}

/** Writes 64 bits. (What is assigned to an int loses all but its lower 32 bits.) */
function writeLong(at: number, value: number): void {
  ints[at] = value;
  ints[at + 1] = value / 0x100000000;
}

function writeControl(at: number, type: number, length: number): void {
  writeLong(at / 4, CMSG_HEADER + length);
  ints[at / 4 + CMSG_LEVEL] = SOL_SOCKET;
  ints[at / 4 + CMSG_TYPE] = type;
}

/** Beyond net.core.wmem_max where that is allowed. */
function growSendBuffer(fd: number, size: number): void {
  ints[INTS / 4] = size;
  ints[INTS / 4 + 2] = 4;
  libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, base + INTS, 4);
  libc.getsockopt(fd, SOL_SOCKET, SO_SNDBUF, base + INTS + 4, base + INTS + 8);
  // socket(7): the kernel doubles the value.
  if ((ints[INTS / 4 + 1] as number) < 2 * size) libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, base + INTS, 4);
}
