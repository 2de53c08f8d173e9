/** System calls that change this process, or start another. Strings are bytes, as in C: a Uint8Array without its NUL. */

import {
  EAGAIN,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  LOCK_EX,
  LOCK_NB,
  MFD_CLOEXEC,
  O_RDWR,
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
  SOMAXCONN,
} from "./constants.ts";
import { check, isErrno, systemError } from "./errno.ts";
import { type Address, allocate, errno, libc, processLibc, readU32 } from "./libc.ts";
import { passwd, rlimit, signalfd_siginfo } from "./structs.ts";

// --- users ---

/** getpwnam(3) or getpwuid(3): a user of the database; undefined when there is none. */
export function findUser(user: string | number): { uid: number; gid: number } | undefined {
  const entry = typeof user === "string" ? processLibc().getpwnam(user) : processLibc().getpwuid(user);
  if (!entry) return undefined;
  return { uid: readU32(entry + passwd.pw_uid), gid: readU32(entry + passwd.pw_gid) };
}

/** setregid(2), setreuid(2): sets the real ids, and no others. An undefined one stays as it is. */
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

/** signal(2): ignores a signal, or sets what it does by default. */
export function setIgnored(signal: number, ignored: boolean): void {
  processLibc().signal(signal, ignored ? SIG_IGN : SIG_DFL);
}

/** sigprocmask(2): blocks the signals in this thread, and in the threads and programs that it starts. */
export function blockSignals(signals: readonly number[]): void {
  check(processLibc().sigprocmask(SIG_BLOCK, writeSignalSet(signals), null), "sigprocmask");
}

/** Returns a signalfd(2) that signals can be read from where every thread has them blocked. */
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

/** prctl(2): has this process killed when the thread that started it ends, whatever it executes until then. */
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

// --- sockets and memory ---

/** listen(2). */
export function listen(fd: number, address?: string): void {
  check(processLibc().listen(fd, SOMAXCONN), "listen", address);
}

/** memfd_create(2): a file in memory, close-on-exec. Returns its fd. */
export function createMemfd(name: string): number {
  return check(processLibc().memfd_create(name, MFD_CLOEXEC), "memfd_create", name);
}

/** fallocate(2): gives the memory of a part of a file back, which is zeros then. */
export function punchHole(fd: number, offset: number, length: number): void {
  check(processLibc().fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, length), "fallocate");
}

/** flock(2): locks an open file until it is closed. Returns false when another has it locked. */
export function tryLock(fd: number): boolean {
  try {
    check(processLibc().flock(fd, LOCK_EX | LOCK_NB), "flock");
    return true;
  } catch (error) {
    if (isErrno(error, EAGAIN)) return false;
    throw error;
  }
}

// --- programs ---

/** setenv(3): sets a variable of the environment that exec() passes on, which is libc's and not process.env. */
export function setEnvironment(name: string, value: string): void {
  check(processLibc().setenv(name, value, 1), "setenv", name);
}

/** unsetenv(3): removes one from it. */
export function unsetEnvironment(name: string): void {
  check(processLibc().unsetenv(name), "unsetenv", name);
}

/** execvp(3): becomes another program, with libc's environment. It returns by throwing. */
export function exec(args: readonly Uint8Array[], file = args[0]): never {
  const argv = writeStrings(args);
  processLibc().execvp(writeString(file ?? new Uint8Array()), argv);
  throw systemError(errno(), "execve", text(file));
}

/**
 * posix_spawnp(3): starts a program with no signal blocked, and /dev/null as its standard input and output. Returns its pid.
 *
 * @throws SystemError when it can't be executed; then there is no process.
 */
export function spawn(args: readonly Uint8Array[], environment: readonly Uint8Array[]): number {
  const c = processLibc();
  const attributes = scratch(OPAQUE_SIZE).address;
  c.posix_spawnattr_init(attributes);
  c.posix_spawnattr_setsigmask(attributes, writeSignalSet([]));
  c.posix_spawnattr_setsigdefault(attributes, writeSignalSet(SIGNALS_OF_LIBC));
  c.posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const actions = scratch(OPAQUE_SIZE).address;
  c.posix_spawn_file_actions_init(actions);
  c.posix_spawn_file_actions_addopen(actions, 0, writeString(Buffer.from("/dev/null")), O_RDWR, 0);
  c.posix_spawn_file_actions_adddup2(actions, 0, 1);
  const { address: pid, view } = scratch(4);
  const file = writeString(args[0] ?? new Uint8Array());
  const error = c.posix_spawnp(pid, file, actions, attributes, writeStrings(args), writeStrings(environment));
  if (error !== 0) throw systemError(error, "execve", text(args[0]));
  return view.getInt32(0, true);
}

/** waitpid(2): waits until a child has ended. Returns its exit status, or the signal that killed it. */
export function waitForExit(pid: number): { code: number } | { signal: number } {
  const { address, view } = scratch(4);
  check(processLibc().waitpid(pid, address, 0), "waitpid");
  const status = view.getInt32(0, true);
  // WIFEXITED(), WEXITSTATUS(), WTERMSIG() of <sys/wait.h>
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff } : { signal };
}

// --- internal ---

/** (uid_t)-1: leaves an id as it is. */
const UNCHANGED = 0xffffffff;

/** sizeof(sigset_t) of glibc and musl; the kernel's has 64 bits. */
const SIGSET_SIZE = 128;

/** More than the size of posix_spawnattr_t and of posix_spawn_file_actions_t. */
export const OPAQUE_SIZE = 512;

/** SIGCANCEL and SIGSETXID, which posix_spawn(3) of glibc else leaves ignored in the new program. */
const SIGNALS_OF_LIBC = [32, 33];

/** Zeroed memory. It is never freed: these calls are done a few times in the life of a process. */
function scratch(size: number): { address: Address; view: DataView } {
  const { address, buffer } = allocate(size);
  return { address, view: new DataView(buffer) };
}

function writeSignalSet(signals: readonly number[]): Address {
  const { address, view } = scratch(SIGSET_SIZE);
  view.setBigUint64(
    0,
    signals.reduce((set, signal) => set | (1n << BigInt(signal - 1)), 0n),
    true,
  );
  return address;
}

/** Writes a char *. */
function writeString(bytes: Uint8Array): Address {
  const { address, buffer } = allocate(bytes.length + 1);
  new Uint8Array(buffer).set(bytes);
  return address;
}

/** Writes a char *[] with its terminating NULL. */
function writeStrings(strings: readonly Uint8Array[]): Address {
  const { address, view } = scratch((strings.length + 1) * 8);
  const { address: bytes, buffer } = allocate(strings.reduce((size, { length }) => size + length + 1, 1));
  let end = 0;
  for (const [i, string] of strings.entries()) {
    view.setBigUint64(i * 8, BigInt(bytes + end), true);
    new Uint8Array(buffer, end).set(string);
    end += string.length + 1;
  }
  return address;
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}
