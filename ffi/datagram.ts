/**
 * What one datagram and its barrier need of libc, for a program that does nothing else: the command's short
 * way. It stands beside libc.ts, arena.ts and structs.ts because those cost more at a start than the message
 * (the module bun:ffi 0.2 ms, tables of objects 0.13 ms). A function here returns what C's does, -1 for an
 * error, and explains nothing.
 */

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

// FFIType of bun:ffi; the last two are i64_fast and u64_fast.
const i32 = 5;
const u32 = 6;
const ptr = 12;
const i64 = 15;
const u64 = 16;

/** What nearly every message takes. (Each function takes 4 us to be made callable.) */
const symbols = {
  socket: { args: [i32, i32, i32], returns: i32 }, // int socket(int domain, int type, int protocol)
  connect: { args: [i32, ptr, u32], returns: i32 }, // int connect(int, const struct sockaddr *, socklen_t)
  sendmsg: { args: [i32, ptr, i32], returns: i64 }, // ssize_t sendmsg(int, const struct msghdr *, int flags)
  pipe2: { args: [ptr, i32], returns: i32 }, // int pipe2(int[2], int flags)
  poll: { args: [ptr, u64, i32], returns: i32 }, // int poll(struct pollfd *, nfds_t, int timeout)
  open: { args: [ptr, i32], returns: i32 }, // int open(const char *, int flags, ...)
  read: { args: [i32, ptr, u64], returns: i64 }, // ssize_t read(int, void *, size_t)
  close: { args: [i32], returns: i32 }, // int close(int)
} as const;

/** What --reloading and --pid need to know of the system. (A second table takes 60 us.) */
const factSymbols = () =>
  ({
    clock_gettime: { args: [i32, ptr], returns: i32 }, // int clock_gettime(clockid_t, struct timespec *)
    fstatfs: { args: [i32, ptr], returns: i32 }, // int fstatfs(int, struct statfs *)
    syscall: { args: [i64, i64, i64], returns: i64 }, // long syscall(long number, ...)
  }) as const;

type Functions<Symbols> = Record<keyof Symbols, (...args: number[]) => number>;

/** What bun:ffi is made of. It is not documented. */
interface NativeFFI {
  dlopen<Symbols>(name: string, symbols: Symbols): { symbols: Functions<Symbols> };
  ptr(bytes: Uint8Array): number;
  CString: new (address: number, offset: number, length: number) => string;
}

/** By this name for the reason that libc.ts gives. */
const LIBC = "libc.so.6";

/** More characters than most messages and addresses have. */
const MAX_SHORT = 256;

let FFI: NativeFFI;
let libc: Functions<typeof symbols>;
let facts: Functions<ReturnType<typeof factSymbols>> | undefined;
let base = 0;
// An ArrayBuffer that was made as one stays where it is, while a typed array may move (oven-sh/bun#32055).
const memory = new ArrayBuffer(SIZE);
const ints = new Int32Array(memory);
const bytes = new Uint8Array(memory);

/**
 * Loads the functions. @throws Error where that can't be done this way: libc.ts calls them by bun:ffi, or
 * tells what is wrong.
 */
export function openLibc(): void {
  FFI = (Bun as unknown as { FFI: NativeFFI }).FFI;
  libc = FFI.dlopen(LIBC, symbols).symbols;
  base = FFI.ptr(bytes);
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
  system().clock_gettime(CLOCK_MONOTONIC, base + TIMESPEC);
  return (ints[TIMESPEC / 4] as number) * 1e6 + Math.trunc((ints[TIMESPEC / 4 + TV_NSEC] as number) / 1000);
}

/**
 * The inode number of the process' pidfd, in digits; "" where it has none or that can't be known, as before
 * Linux 6.9.
 */
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

/** Makes the text the message that send() sends. Returns false for one that has no room, or is not what was given. */
export function setMessage(text: string): boolean {
  const length = write(text, TEXT);
  writeLong(HEADER / 4 + MSG_IOV, base + VECTOR);
  writeLong(HEADER / 4 + MSG_IOVLEN, 1);
  writeLong(VECTOR / 4, base + TEXT);
  writeLong(VECTOR / 4 + IOV_LEN, length);
  // What has just room may have been cut off in a character.
  return length !== -1 && length < SIZE - TEXT - 4;
}

/** sendmsg(2), from a process or, if that is 0, from this one; with a fd or, if that is -1, without. */
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

/** Returns the functions that factSymbols() are. */
function system(): Functions<ReturnType<typeof factSymbols>> {
  facts ??= FFI.dlopen(LIBC, factSymbols()).symbols;
  return facts;
}

/** Writes the text as UTF-8, and a NUL. Returns its length, as much as has room; -1 where Bun has lost bytes of it. */
function write(text: string, at: number): number {
  let length = 0;
  // The first use of a TextEncoder takes longer than a short text.
  while (length < text.length && length < MAX_SHORT && text.charCodeAt(length) < 0x80) {
    bytes[at + length] = text.charCodeAt(length++);
  }
  if (length < text.length) {
    // What Bun puts where an argument is no UTF-8.
    if (text.includes("\uFFFD")) return -1;
    length = new TextEncoder().encodeInto(text, bytes.subarray(at, SIZE - 1)).written;
  }
  bytes[at + length] = 0;
  return length;
}

/** Writes 64 bits. (What is assigned to an int loses all but its lower 32 bits.) */
function writeLong(at: number, value: number): void {
  ints[at] = value;
  ints[at + 1] = value / 0x100000000;
}

/** Writes a cmsghdr. Returns where its data are, in ints. */
function writeControl(at: number, type: number, length: number): number {
  writeLong(at / 4, CMSG_HEADER + length);
  ints[at / 4 + CMSG_LEVEL] = SOL_SOCKET;
  ints[at / 4 + CMSG_TYPE] = type;
  return (at + CMSG_HEADER) / 4;
}
