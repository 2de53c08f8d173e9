/**
 * The libc functions that one datagram and its barrier need, for the command's short way, which does nothing else.
 * This file does not use libc.ts, arena.ts and structs.ts, because loading them takes as long as sending the message
 * (0.13 ms). A function here returns what the C function returns, -1 for an error, and explains nothing.
 */

import { type BunFFI, bunFFI, i32, i64_fast as i64, none, ptr, u32, u64_fast as u64 } from "./bun-ffi.ts";
import { constants, layout } from "./datagram-layout.ts" with { type: "macro" };

const {
  AF_UNIX,
  CLOCK_MONOTONIC,
  MSG_NOSIGNAL,
  O_CLOEXEC,
  PID_FS_MAGIC,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
  SYS_pidfd_open,
} = constants();
const { ADDRESS, HEADER, VECTOR, POLLFD, INTS, TIMESPEC, RIGHTS, CREDENTIALS, CONTROL_END, STATFS, TEXT, SIZE } =
  layout();
const { SUN_PATH, SUN_PATH_SIZE, MSG_IOV, MSG_IOVLEN, MSG_CONTROL, MSG_CONTROLLEN, IOV_LEN } = layout();
const { CMSG_LEVEL, CMSG_TYPE, CMSG_HEADER, UCRED_SIZE, PID, UID, GID, TV_NSEC, F_TYPE } = layout();

/** The functions that nearly every message needs. (Making one callable takes 4 us.) */
const symbols = {
  socket: { args: [i32, i32, i32], returns: i32 }, // int socket(int domain, int type, int protocol)
  connect: { args: [i32, ptr, u32], returns: i32 }, // int connect(int, const struct sockaddr *, socklen_t)
  sendmsg: { args: [i32, ptr, i32], returns: i64 }, // ssize_t sendmsg(int, const struct msghdr *, int flags)
  pipe2: { args: [ptr, i32], returns: i32 }, // int pipe2(int[2], int flags)
  poll: { args: [ptr, u64, i32], returns: i32 }, // int poll(struct pollfd *, nfds_t, int timeout)
  open: { args: [ptr, i32], returns: i32 }, // int open(const char *, int flags, ...)
  read: { args: [i32, ptr, u64], returns: i64 }, // ssize_t read(int, void *, size_t)
  close: { args: [i32], returns: i32 }, // int close(int)
  _exit: { args: [i32], returns: none }, // void _exit(int status)
} as const;

/** The functions that only --reloading and --pid need. (A second table takes 60 us.) */
const factSymbols = () =>
  ({
    clock_gettime: { args: [i32, ptr], returns: i32 }, // int clock_gettime(clockid_t, struct timespec *)
    fstatfs: { args: [i32, ptr], returns: i32 }, // int fstatfs(int, struct statfs *)
    syscall: { args: [i64, i64, i64], returns: i64 }, // long syscall(long number, ...)
  }) as const;

type Functions<Symbols> = Record<keyof Symbols, (...args: number[]) => number>;

/** What dlopen() returns, unless it is an error. An error has no functions, so the first call throws. */
type Opened<Symbols> = { symbols: Functions<Symbols> };

/** libc.ts explains the choice of this name. */
const LIBC = "libc.so.6";

/** Most messages and addresses are shorter than this. */
const MAX_SHORT = 256;

let FFI: BunFFI;
let libc: Functions<typeof symbols>;
let facts: Functions<ReturnType<typeof factSymbols>> | undefined;
let base = 0;
// An ArrayBuffer that its constructor made stays where it is. A typed array may move (oven-sh/bun#32055).
const memory = new ArrayBuffer(SIZE);
const ints = new Int32Array(memory);
const bytes = new Uint8Array(memory);

/**
 * Loads the functions. @throws Error if they can't be loaded this way. libc.ts then loads them by bun:ffi, or says
 * what is wrong.
 */
export function openLibc(): void {
  FFI = bunFFI();
  libc = (FFI.dlopen(LIBC, symbols) as Opened<typeof symbols>).symbols;
  base = FFI.ptr(bytes);
}

/** close(2). */
export function close(fd: number): void {
  libc.close(fd);
}

/** _exit(2) with status 0, without the work that Bun does at the end of any program (0.15 ms). */
export function exit(): void {
  libc._exit(0);
}

/** Returns the text of a file in /proc, or "" if it can't be read or is too long. */
export function readText(path: string): string {
  write(path, TEXT);
  const fd = libc.open(base + TEXT, O_CLOEXEC);
  const length = libc.read(fd, base + TEXT, SIZE - TEXT);
  libc.close(fd);
  return length > 0 && length < SIZE - TEXT ? new FFI.CString(base + TEXT, 0, length) : "";
}

/** clock_gettime(2) of CLOCK_MONOTONIC, in microseconds. */
export function monotonicUsec(): number {
  system().clock_gettime(CLOCK_MONOTONIC, base + TIMESPEC);
  return (ints[TIMESPEC / 4] as number) * 1e6 + Math.trunc((ints[TIMESPEC / 4 + TV_NSEC] as number) / 1000);
}

/** Returns the inode number of the process' pidfd in digits, or "" if it can't be known, as before Linux 6.9. */
export function pidfdInode(pid: number): string {
  const pidfd = system().syscall(SYS_pidfd_open, pid, 0);
  system().fstatfs(pidfd, base + STATFS);
  const info = ints[STATFS / 4 + F_TYPE] === PID_FS_MAGIC ? readText(`/proc/self/fdinfo/${pidfd}`) : "";
  libc.close(pidfd);
  return /^ino:\t(\d+)$/m.exec(info)?.[1] ?? "";
}

/** Returns a datagram socket that is connected to the address: a path, or `@` and an abstract name. */
export function connect(address: string): number {
  const abstract = address[0] === "@";
  // unix(7): a path counts its NUL. An abstract name has one in place of the `@`.
  const written = write(address, ADDRESS + SUN_PATH);
  const length = written + (abstract ? 0 : 1);
  if (written === -1 || length > SUN_PATH_SIZE) return -1;
  // sa_family_t has 16 bits.
  bytes[ADDRESS] = AF_UNIX;
  if (abstract) bytes[ADDRESS + SUN_PATH] = 0;
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (libc.connect(fd, base + ADDRESS, SUN_PATH + length) !== -1) return fd;
  libc.close(fd);
  return -1;
}

/** Sets the message that send() sends. Returns false if it is too long, or if Bun has lost bytes of it. */
export function setMessage(text: string): boolean {
  const length = write(text, TEXT);
  writeLong(HEADER / 4 + MSG_IOV, base + VECTOR);
  writeLong(HEADER / 4 + MSG_IOVLEN, 1);
  writeLong(VECTOR / 4, base + TEXT);
  writeLong(VECTOR / 4 + IOV_LEN, length);
  // A text that just fits may have been cut off inside a character.
  return length !== -1 && length < SIZE - TEXT - 4;
}

/** sendmsg(2). If `sender` is 0, this process is the sender. If `passed` is -1, no fd is sent. */
export function send(socket: number, sender: number, passed: number, flags: number): number {
  const start = passed === -1 ? CREDENTIALS : RIGHTS;
  const end = sender === 0 ? CREDENTIALS : CONTROL_END;
  const fd = writeControl(RIGHTS, SCM_RIGHTS, 4);
  ints[fd] = passed;
  const ids = writeControl(CREDENTIALS, SCM_CREDENTIALS, UCRED_SIZE);
  ints[ids + PID] = sender;
  ints[ids + UID] = process.getuid?.() ?? 0;
  ints[ids + GID] = process.getgid?.() ?? 0;
  writeLong(HEADER / 4 + MSG_CONTROL, base + start);
  writeLong(HEADER / 4 + MSG_CONTROLLEN, end - start);
  return libc.sendmsg(socket, base + HEADER, flags | MSG_NOSIGNAL);
}

/** pipe2(2), close-on-exec. */
export function pipe(): { readEnd: number; writeEnd: number } | undefined {
  if (libc.pipe2(base + INTS, O_CLOEXEC) === -1) return undefined;
  return { readEnd: ints[INTS / 4] as number, writeEnd: ints[INTS / 4 + 1] as number };
}

/** poll(2) of one fd until it is hung up. */
export function waitForHangUp(fd: number, timeoutMs: number): number {
  ints[POLLFD / 4] = fd;
  // No events, and no revents yet.
  ints[POLLFD / 4 + 1] = 0;
  return libc.poll(base + POLLFD, 1, timeoutMs);
}

// --- internal ---

/** Returns the functions of factSymbols(). */
function system(): Functions<ReturnType<typeof factSymbols>> {
  facts ??= (FFI.dlopen(LIBC, factSymbols()) as Opened<ReturnType<typeof factSymbols>>).symbols;
  return facts;
}

/** Writes as much of the text as fits, in UTF-8, and a NUL. Returns its length, or -1 if Bun has lost bytes of it. */
function write(text: string, at: number): number {
  let length = 0;
  // The first use of a TextEncoder takes longer than this loop takes for a short text.
  while (length < text.length && length < MAX_SHORT && text.charCodeAt(length) < 0x80) {
    bytes[at + length] = text.charCodeAt(length++);
  }
  if (length < text.length) {
    // Bun puts this in place of bytes that are not UTF-8.
    if (text.includes("\uFFFD")) return -1;
    length = new TextEncoder().encodeInto(text, bytes.subarray(at, SIZE - 1)).written;
  }
  bytes[at + length] = 0;
  return length;
}

/** Writes 64 bits. (An assignment to an int keeps only the lower 32 bits.) */
function writeLong(at: number, value: number): void {
  ints[at] = value;
  ints[at + 1] = value / 0x100000000;
}

/** Writes a cmsghdr. Returns the offset of its data, in ints. */
function writeControl(at: number, type: number, length: number): number {
  writeLong(at / 4, CMSG_HEADER + length);
  ints[at / 4 + CMSG_LEVEL] = SOL_SOCKET;
  ints[at / 4 + CMSG_TYPE] = type;
  return (at + CMSG_HEADER) / 4;
}
