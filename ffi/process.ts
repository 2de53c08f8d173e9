/** System calls that change this process, or start another. A string is a Uint8Array of its bytes, without C's NUL. */

import { arena, at } from "./arena.ts";
import {
  EAGAIN,
  ECONNABORTED,
  EINTR,
  F_GETFL,
  F_SETFL,
  F_SETOWN,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  LOCK_EX,
  LOCK_NB,
  MFD_CLOEXEC,
  O_ASYNC,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  P_ALL,
  P_PID,
  POSIX_SPAWN_SETSID,
  POSIX_SPAWN_SETSIGDEF,
  POSIX_SPAWN_SETSIGMASK,
  PR_SET_CHILD_SUBREAPER,
  PR_SET_DUMPABLE,
  PR_SET_PDEATHSIG,
  RLIMIT_NOFILE,
  SFD_CLOEXEC,
  SIG_BLOCK,
  SIG_DFL,
  SIG_IGN,
  SIGKILL,
  SO_PEERCRED,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  SOMAXCONN,
  WEXITED,
  WNOHANG,
  WNOWAIT,
} from "./constants.ts";
import { check, systemError } from "./errno.ts";
import { passwd, rlimit, SI_PID, SIGINFO_SIZE, signalfd_siginfo, ucred } from "./layouts.ts";
import { allocate, errno, libc, type Pointer, readU32 } from "./libc.ts";
import { processLibc } from "./process-libc.ts";
import { type BoundAddress, type Credentials, type EpollEvent, readBoundAddress, writeEpollEvent } from "./structs.ts";

// --- users ---

/** getpwnam(3) or getpwuid(3): returns a user of the database; undefined if there is none. */
export function findUser(user: string | number): { uid: number; gid: number } | undefined {
  const entry = typeof user === "string" ? processLibc().getpwnam(user) : processLibc().getpwuid(user);
  if (!entry) return undefined;
  return { uid: readU32(entry + passwd.pw_uid), gid: readU32(entry + passwd.pw_gid) };
}

/** setregid(2), setreuid(2): sets the real ids only. If `gid` is undefined, it stays as it is. */
export function setRealIds(uid: number, gid: number | undefined): void {
  if (gid !== undefined) check(processLibc().setregid(gid, UNCHANGED), "setregid", `${gid}`);
  check(processLibc().setreuid(uid, UNCHANGED), "setreuid", `${uid}`);
}

// --- limits and signals ---

/** getrlimit(2) of RLIMIT_NOFILE. */
export function getNofileLimit(): { soft: number; hard: number } {
  const { address, view } = scratch(rlimit.size);
  check(processLibc().getrlimit(RLIMIT_NOFILE, address), "getrlimit");
  return {
    soft: Number(view.getBigUint64(rlimit.rlim_cur, true)),
    hard: Number(view.getBigUint64(rlimit.rlim_max, true)),
  };
}

/** setrlimit(2) of RLIMIT_NOFILE: the soft limit. */
export function setSoftNofileLimit(soft: number): void {
  const { address, view } = scratch(rlimit.size);
  check(processLibc().getrlimit(RLIMIT_NOFILE, address), "getrlimit");
  view.setBigUint64(rlimit.rlim_cur, BigInt(soft), true);
  check(processLibc().setrlimit(RLIMIT_NOFILE, address), "setrlimit");
}

/** signal(2): ignores a signal, or restores its default action. */
export function setIgnored(signal: number, ignored: boolean): void {
  processLibc().signal(signal, ignored ? SIG_IGN : SIG_DFL);
}

/** sigprocmask(2): blocks the signals in this thread, and in the threads and programs that it starts. */
export function blockSignals(signals: readonly number[]): void {
  check(processLibc().sigprocmask(SIG_BLOCK, writeSignalSet(signals), null), "sigprocmask");
}

/** Returns a signalfd(2). The signals can be read from it only if every thread has blocked them. */
export function openSignalFd(signals: readonly number[]): number {
  return check(processLibc().signalfd(-1, writeSignalSet(signals), SFD_CLOEXEC), "signalfd");
}

/** Reads one signal from a signalfd(2). */
export function readSignal(fd: number): number {
  const { address, view } = scratch(signalfd_siginfo.size);
  check(libc().read(fd, address, signalfd_siginfo.size), "read");
  return view.getUint32(signalfd_siginfo.ssi_signo, true);
}

/** kill(2). */
export function kill(pid: number, signal: number): void {
  check(processLibc().kill(pid, signal), "kill", `process ${pid}`);
}

// --- families ---

/**
 * prctl(2): kills this process when the thread that started it ends, whatever program this process executes until
 * then.
 */
export function tieToParent(): void {
  check(processLibc().prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
}

/** prctl(2): makes this process the parent of descendants whose own parents have ended. */
export function adoptOrphans(): void {
  check(processLibc().prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
}

/** prctl(2): leaves no core dump of this process, whatever kills it. */
export function dumpNoCore(): void {
  check(processLibc().prctl(PR_SET_DUMPABLE, 0), "prctl");
}

// --- sockets, files and memory ---

/** listen(2). */
export function listen(fd: number, address?: string): void {
  check(processLibc().listen(fd, SOMAXCONN), "listen", address);
}

/** accept4(2), close-on-exec. Returns undefined if no connection waits. The listener must be non-blocking. */
export function accept(fd: number): number | undefined {
  for (;;) {
    const connection = processLibc().accept4(fd, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection !== -1) return connection;
    const error = errno();
    if (error === EAGAIN) return undefined;
    // unix(7), accept(2): the client has gone.
    if (error !== EINTR && error !== ECONNABORTED) throw systemError(error, "accept4");
  }
}

/** getsockopt(2) of SO_PEERCRED: the process of the other end, when that connected or began to listen. */
export function peerOf(fd: number): Credentials {
  const { base, view } = arena();
  view.setInt32(at.ints, ucred.size, true);
  const peer = base + at.socketAddress;
  check(libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, base + at.ints), "getsockopt");
  const place = at.socketAddress;
  return {
    pid: view.getInt32(place + ucred.pid, true),
    uid: view.getUint32(place + ucred.uid, true),
    gid: view.getUint32(place + ucred.gid, true),
  };
}

/** getsockname(2). Returns undefined if the socket's family is not unix, IPv4 or IPv6. */
export function getSocketName(fd: number): BoundAddress | undefined {
  const { base, view } = arena();
  view.setUint32(at.ints, MAX_ADDRESS, true);
  check(processLibc().getsockname(fd, base + at.socketAddress, base + at.ints), "getsockname", `fd ${fd}`);
  return readBoundAddress(view, at.socketAddress, Math.min(MAX_ADDRESS, view.getUint32(at.ints, true)));
}

/** epoll_ctl(2) with EPOLL_CTL_ADD or EPOLL_CTL_MOD. */
export function watchFd(epoll: number, operation: number, fd: number, event: EpollEvent): void {
  const { base, view } = arena();
  writeEpollEvent(view, at.ints, event, process.arch);
  check(processLibc().epoll_ctl(epoll, operation, fd, base + at.ints), "epoll_ctl", `fd ${fd}`);
}

/** dup3(2): closes `to` and makes it a duplicate of `from`, close-on-exec. */
export function replaceFd(from: number, to: number): void {
  for (;;) {
    if (processLibc().dup3(from, to, O_CLOEXEC) !== -1) return;
    const error = errno();
    if (error !== EINTR) throw systemError(error, "dup3", `fd ${from}`);
  }
}

/** fcntl(2): makes reads, writes and accept(2) return at once, in every process that has the open file. */
export function setNonblocking(fd: number): void {
  const flags = check(libc().fcntl(fd, F_GETFL, 0), "fcntl", `fd ${fd}`);
  check(libc().fcntl(fd, F_SETFL, flags | O_NONBLOCK), "fcntl", `fd ${fd}`);
}

/** fcntl(2): whether the kernel sends SIGIO to this process when there is something to read. */
export function setAsync(fd: number, on: boolean): void {
  const flags = check(libc().fcntl(fd, F_GETFL, 0), "fcntl", `fd ${fd}`);
  if (on) check(libc().fcntl(fd, F_SETOWN, process.pid), "fcntl", `fd ${fd}`);
  check(libc().fcntl(fd, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC), "fcntl", `fd ${fd}`);
}

/** flock(2): locks an open file for as long as it is open. @returns false if somebody else has it locked. */
export function tryLock(fd: number): boolean {
  for (;;) {
    if (processLibc().flock(fd, LOCK_EX | LOCK_NB) !== -1) return true;
    const error = errno();
    if (error === EAGAIN) return false;
    if (error !== EINTR) throw systemError(error, "flock");
  }
}

/** memfd_create(2): a file in memory, close-on-exec. Returns its fd. */
export function createMemfd(name: string): number {
  return check(processLibc().memfd_create(name, MFD_CLOEXEC), "memfd_create", name);
}

/** fallocate(2): frees the memory of a part of a file, which then reads as zeros. */
export function punchHole(fd: number, offset: number, length: number): void {
  check(processLibc().fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, length), "fallocate");
}

// --- programs ---

/** setenv(3): sets a variable in libc's environment, which exec() passes on. (It does not pass on process.env.) */
export function setEnvironment(name: string, value: string): void {
  check(processLibc().setenv(name, value, 1), "setenv", name);
}

/** unsetenv(3): removes a variable from libc's environment. */
export function unsetEnvironment(name: string): void {
  check(processLibc().unsetenv(name), "unsetenv", name);
}

/** execvp(3): becomes another program, with libc's environment. If that fails, it throws. */
export function exec(args: readonly Uint8Array[], file = args[0]): never {
  const argv = writeStrings(args);
  processLibc().execvp(writeString(file ?? new Uint8Array()), argv);
  throw systemError(errno(), "execve", text(file));
}

/**
 * execvpe(3): becomes another program, with this environment. The program is looked up in the $PATH of this
 * environment. If that fails, it throws.
 */
export function execWith(environment: readonly Uint8Array[], args: readonly Uint8Array[]): never {
  const c = processLibc();
  const path = environment.find((variable) => text(variable).startsWith("PATH="));
  if (path === undefined) c.unsetenv("PATH");
  else c.putenv(writeString(path));
  const [argv, envp] = [writeStrings(args), writeStrings(environment)];
  c.execvpe(writeString(args[0] ?? new Uint8Array()), argv, envp);
  throw systemError(errno(), "execve", text(args[0]));
}

/** What spawn() gives the program. */
export interface SpawnOptions {
  /** The file to execute, if it is not the first argument. */
  file?: Uint8Array;
  /**
   * Its fds from 2 on, the first of which is its standard error. By default, it has this process' standard error and
   * all fds that are not close-on-exec.
   */
  fds?: readonly number[];
  /** Whether it gets its own session, and so its own process group. */
  session?: boolean;
}

/**
 * posix_spawnp(3): starts a program with no signal blocked, and /dev/null as its standard input and output.
 * Returns its pid.
 *
 * @throws SystemError if it can't be executed; then there is no process.
 */
export function spawn(
  args: readonly Uint8Array[],
  environment: readonly Uint8Array[],
  { file = args[0] ?? new Uint8Array(), fds = [], session = false }: SpawnOptions = {},
): number {
  const c = processLibc();
  reuseScratch();
  const attributes = scratch(OPAQUE_SIZE).address;
  c.posix_spawnattr_init(attributes);
  c.posix_spawnattr_setsigmask(attributes, writeSignalSet([]));
  c.posix_spawnattr_setsigdefault(attributes, writeSignalSet(SIGNALS_OF_LIBC));
  const flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (session ? POSIX_SPAWN_SETSID : 0);
  c.posix_spawnattr_setflags(attributes, flags);
  const actions = scratch(OPAQUE_SIZE).address;
  c.posix_spawn_file_actions_init(actions);
  c.posix_spawn_file_actions_addopen(actions, 0, writeString(Buffer.from("/dev/null")), O_RDWR, 0);
  c.posix_spawn_file_actions_adddup2(actions, 0, 1);
  for (const [i, fd] of fds.entries()) c.posix_spawn_file_actions_adddup2(actions, fd, 2 + i);
  const { address: pid, view } = scratch(4);
  const path = writeString(file);
  const error = c.posix_spawnp(pid, path, actions, attributes, writeStrings(args), writeStrings(environment));
  c.posix_spawn_file_actions_destroy(actions);
  if (error !== 0) throw systemError(error, "execve", text(args[0]));
  return view.getInt32(0, true);
}

/**
 * waitid(2): returns a child that has ended, this one or any; undefined if there is none. The child must still be
 * waited for.
 */
export function endedChild(pid?: number): number | undefined {
  reuseScratch();
  const { address, view } = scratch(SIGINFO_SIZE);
  const flags = WEXITED | WNOHANG | WNOWAIT;
  // ECHILD: there are no children at all.
  const result = processLibc().waitid(pid === undefined ? P_ALL : P_PID, pid ?? 0, address, flags);
  const ended = view.getInt32(SI_PID, true);
  return result === 0 && ended !== 0 ? ended : undefined;
}

/** waitpid(2): waits until a child has ended. Returns its exit status, or the signal that killed it. */
export function waitForExit(pid: number): { code: number } | { signal: number } {
  reuseScratch();
  const { address, view } = scratch(4);
  check(processLibc().waitpid(pid, address, 0), "waitpid");
  return readStatus(view.getInt32(0, true));
}

/** waitpid(2) with WNOHANG: the same, without waiting. Returns undefined if the child has not ended. */
export function exitOf(pid: number): { code: number } | { signal: number } | undefined {
  reuseScratch();
  const { address, view } = scratch(4);
  if (check(processLibc().waitpid(pid, address, WNOHANG), "waitpid") === 0) return undefined;
  return readStatus(view.getInt32(0, true));
}

/** What a status of wait(2) says about a process that has ended. */
export function readStatus(status: number): { code: number } | { signal: number } {
  // WIFEXITED(), WEXITSTATUS(), WTERMSIG() of <sys/wait.h>
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff } : { signal };
}

// --- internal ---

/** (uid_t)-1: leaves an id as it is. */
const UNCHANGED = 0xffffffff;

/** The room for a socket's address in the arena. */
const MAX_ADDRESS = 128;

/** sizeof(sigset_t) of glibc and musl; the kernel's has 64 bits. */
const SIGSET_SIZE = 128;

/** More than the size of posix_spawnattr_t and of posix_spawn_file_actions_t. */
export const OPAQUE_SIZE = 512;

/** SIGCANCEL and SIGSETXID. Unless they are reset, glibc's posix_spawn(3) leaves them ignored in the new program. */
const SIGNALS_OF_LIBC = [32, 33];

/**
 * Memory for arguments. reuseScratch() makes it free again: a supervisor makes these calls again and again, so they
 * must not take new memory each time.
 */
let region: { address: Pointer; buffer: ArrayBuffer } | undefined;
let used = 0;

const REGION_SIZE = 1 << 20;

/**
 * Call this when nothing points to the scratch memory any more. Only the functions that are called before exec() leave
 * libc a pointer to it.
 */
function reuseScratch(): void {
  used = 0;
}

/** Returns zeroed memory. */
function scratch(size: number): { address: Pointer; view: DataView } {
  if (region === undefined || used + size > region.buffer.byteLength) {
    region = allocate(Math.max(REGION_SIZE, size));
    used = 0;
  }
  const [address, view] = [region.address + used, new DataView(region.buffer, used, size)];
  new Uint8Array(region.buffer, used, size).fill(0);
  // As malloc(3) aligns.
  used += Math.ceil(size / 16) * 16;
  return { address, view };
}

function writeSignalSet(signals: readonly number[]): Pointer {
  const { address, view } = scratch(SIGSET_SIZE);
  view.setBigUint64(
    0,
    signals.reduce((set, signal) => set | (1n << BigInt(signal - 1)), 0n),
    true,
  );
  return address;
}

/** Writes a char *. */
function writeString(bytes: Uint8Array): Pointer {
  const { address, view } = scratch(bytes.length + 1);
  new Uint8Array(view.buffer, view.byteOffset).set(bytes);
  return address;
}

/** Writes a char *[] with its terminating NULL. */
function writeStrings(strings: readonly Uint8Array[]): Pointer {
  const { address, view } = scratch((strings.length + 1) * 8);
  const { address: start, view: bytes } = scratch(strings.reduce((size, { length }) => size + length + 1, 1));
  let end = 0;
  for (const [i, string] of strings.entries()) {
    view.setBigUint64(i * 8, BigInt(start + end), true);
    new Uint8Array(bytes.buffer, bytes.byteOffset + end).set(string);
    end += string.length + 1;
  }
  return address;
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}
