/** libc through Bun's foreign functions. It is loaded at the first call of libc(), never at import. */

import { bunFFI, type CFunction, cstring, i32, i64_fast, ptr, u32, u64_fast } from "./bun-ffi.ts";
import { MAP_ANONYMOUS, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "./constants.ts";
import { FFIUnavailableError } from "./errors.ts";

/** A pointer: an address in memory, as a number. */
export type Pointer = number;

// The C declaration of each function stands beside it, or above. `ptr` takes an address as a number. The tables are
// made when they are used, not at import.
const symbols = () =>
  ({
    socket: { args: [i32, i32, i32], returns: i32 }, // int socket(int domain, int type, int protocol)
    connect: { args: [i32, ptr, u32], returns: i32 }, // int connect(int, const struct sockaddr *, socklen_t)
    bind: { args: [i32, ptr, u32], returns: i32 }, // int bind(int, const struct sockaddr *, socklen_t)
    // int setsockopt(int, int level, int name, const void *, socklen_t)
    setsockopt: { args: [i32, i32, i32, ptr, u32], returns: i32 },
    // int getsockopt(int, int level, int name, void *, socklen_t *)
    getsockopt: { args: [i32, i32, i32, ptr, ptr], returns: i32 },
    send: { args: [i32, ptr, u64_fast, i32], returns: i64_fast }, // ssize_t send(int, const void *, size_t, int flags)
    sendmsg: { args: [i32, ptr, i32], returns: i64_fast }, // ssize_t sendmsg(int, const struct msghdr *, int flags)
    recvmsg: { args: [i32, ptr, i32], returns: i64_fast }, // ssize_t recvmsg(int, struct msghdr *, int flags)
    shutdown: { args: [i32, i32], returns: i32 }, // int shutdown(int, int how)
    open: { args: [cstring, i32], returns: i32 }, // int open(const char *, int flags, ...)
    read: { args: [i32, ptr, u64_fast], returns: i64_fast }, // ssize_t read(int, void *, size_t)
    close: { args: [i32], returns: i32 }, // int close(int)
    pipe2: { args: [ptr, i32], returns: i32 }, // int pipe2(int[2], int flags)
    poll: { args: [ptr, u64_fast, i32], returns: i32 }, // int poll(struct pollfd *, nfds_t, int timeout)
    fcntl: { args: [i32, i32, i32], returns: i32 }, // int fcntl(int, int cmd, ...)
    fstatfs: { args: [i32, ptr], returns: i32 }, // int fstatfs(int, struct statfs *)
    clock_gettime: { args: [i32, ptr], returns: i32 }, // int clock_gettime(clockid_t, struct timespec *)
    getppid: { args: [], returns: i32 }, // pid_t getppid(void)
    syscall: { args: [i64_fast, i64_fast, i64_fast], returns: i64_fast }, // long syscall(long number, ...)
    // void *mmap(void *, size_t, int prot, int flags, int fd, off_t)
    mmap: { args: [ptr, u64_fast, i32, i32, i32, i64_fast], returns: ptr },
    strerror: { args: [i32], returns: cstring }, // char *strerror(int)
    __errno_location: { args: [], returns: ptr }, // int *__errno_location(void)
  }) as const satisfies Record<string, CFunction>;

/** The types of a table's functions. Arguments and results are numbers, except strings. */
export type Functions<Symbols extends Record<string, CFunction>> = {
  readonly [Name in keyof Symbols]: (
    ...args: Arguments<Symbols[Name]["args"]>
  ) => Symbols[Name]["returns"] extends typeof cstring ? string : number;
};

/** Returns libc's functions; loads the library at the first call. @throws FFIUnavailableError as load() does. */
export function libc(): Functions<ReturnType<typeof symbols>> {
  loaded ??= load(symbols());
  return loaded;
}

/**
 * Loads a table's functions from libc.
 *
 * @throws FFIUnavailableError if the system is not Linux, bun:ffi has no JIT, or libc can't be loaded.
 */
export function load<Symbols extends Record<string, CFunction>>(symbols: Symbols): Functions<Symbols> {
  if (process.platform !== "linux") {
    throw new FFIUnavailableError(`Cannot call libc: systemd runs on Linux, this is ${process.platform}`);
  }
  try {
    const opened = bunFFI().dlopen(LIBC, symbols);
    if (opened instanceof Error) throw opened;
    return opened.symbols as Functions<Symbols>;
  } catch (error) {
    throw unavailable(error);
  }
}

/** Returns errno of the calling thread. Call it before anything else does a system call. */
export function errno(): number {
  errnoAddress ??= libc().__errno_location();
  return bunFFI().read.i32(errnoAddress, 0);
}

/** Returns the 32 bits at an address. */
export function readU32(address: Pointer): number {
  return bunFFI().read.u32(address, 0);
}

/** Maps zeroed memory that never moves and is never freed. A page costs memory once it is touched, not before. */
export function allocate(size: number): { address: Pointer; buffer: ArrayBuffer } {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  const pointer = libc().mmap(null, size, PROT_READ | PROT_WRITE, flags, -1, 0);
  // MAP_FAILED is (void *)-1, which a double can't hold exactly.
  if (pointer >= Number.MAX_SAFE_INTEGER) throw new RangeError(`Cannot map ${size} bytes of memory`);
  return { address: pointer, buffer: bunFFI().toArrayBuffer(pointer, 0, size) };
}

// --- internal ---

type Arguments<Types extends readonly unknown[]> = {
  -readonly [I in keyof Types]: Types[I] extends typeof cstring
    ? string
    : Types[I] extends typeof ptr
      ? Pointer | null
      : number;
};

/**
 * No loader looks for a file of this name. glibc finds it among the loaded libraries, because Bun's own ELF header
 * needs it. musl takes every name that begins with "libc." for itself. So this is the libc that Bun runs on, even if
 * its file was replaced or lies outside of a chroot. If the loader did not know the name, bun:ffi would execute a file
 * of that name in the working directory. (The path in /proc/self/maps would do too, but loading node:fs and reading it
 * takes a quarter of the command's time.)
 */
const LIBC = "libc.so.6";

let loaded: Functions<ReturnType<typeof symbols>> | undefined;
let errnoAddress: Pointer | undefined;

function unavailable(cause: unknown): FFIUnavailableError {
  const why = cause instanceof Error ? cause.message : String(cause);
  if (why.includes("JIT")) {
    const cure =
      "set MemoryDenyWriteExecute=no in the unit, and not BUN_JSC_useJIT=0; under LimitAS=, " +
      "Environment=BUN_JSC_jitMemoryReservationSize=16777216";
    return withoutStack(() => new FFIUnavailableError(`Cannot call libc: bun:ffi needs the JIT: ${cure}`));
  }
  return new FFIUnavailableError(`Cannot load libc (${LIBC}): ${why}`, { cause });
}

/** The unit is wrong, and no code is: of an error with a stack, Bun prints thirty lines around the one that matters. */
function withoutStack<Result>(make: () => Result): Result {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
