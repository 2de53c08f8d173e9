/**
 * More of libc: the functions for processes, and for the sockets of servers. They have a table of their own, because a
 * notification does not need them.
 */

import { type CFunction, cstring, i32, i64_fast, ptr, u32, u64_fast } from "./bun-ffi.ts";
import { type Functions, load } from "./libc.ts";

/** Returns the functions; loads them at the first call. @throws FFIUnavailableError as libc() does. */
export function processLibc(): Functions<ReturnType<typeof symbols>> {
  loaded ??= load(symbols());
  return loaded;
}

// --- internal ---

// The C declaration of each function stands beside it, or above. `ptr` takes an address as a number.
const symbols = () =>
  ({
    getpwnam: { args: [cstring], returns: ptr }, // struct passwd *getpwnam(const char *)
    getpwuid: { args: [u32], returns: ptr }, // struct passwd *getpwuid(uid_t)
    setreuid: { args: [u32, u32], returns: i32 }, // int setreuid(uid_t real, uid_t effective)
    setregid: { args: [u32, u32], returns: i32 }, // int setregid(gid_t real, gid_t effective)
    getrlimit: { args: [i32, ptr], returns: i32 }, // int getrlimit(int, struct rlimit *)
    setrlimit: { args: [i32, ptr], returns: i32 }, // int setrlimit(int, const struct rlimit *)
    signal: { args: [i32, ptr], returns: ptr }, // sighandler_t signal(int, sighandler_t)
    sigprocmask: { args: [i32, ptr, ptr], returns: i32 }, // int sigprocmask(int how, const sigset_t *, sigset_t *)
    signalfd: { args: [i32, ptr, i32], returns: i32 }, // int signalfd(int, const sigset_t *, int flags)
    setenv: { args: [cstring, cstring, i32], returns: i32 }, // int setenv(const char *, const char *, int overwrite)
    unsetenv: { args: [cstring], returns: i32 }, // int unsetenv(const char *)
    putenv: { args: [ptr], returns: i32 }, // int putenv(char *)
    prctl: { args: [i32, u64_fast], returns: i32 }, // int prctl(int option, ...)
    kill: { args: [i32, i32], returns: i32 }, // int kill(pid_t, int)
    waitpid: { args: [i32, ptr, i32], returns: i32 }, // pid_t waitpid(pid_t, int *status, int options)
    waitid: { args: [i32, u32, ptr, i32], returns: i32 }, // int waitid(idtype_t, id_t, siginfo_t *, int options)
    listen: { args: [i32, i32], returns: i32 }, // int listen(int, int backlog)
    // int accept4(int, struct sockaddr *, socklen_t *, int flags)
    accept4: { args: [i32, ptr, ptr, i32], returns: i32 },
    getsockname: { args: [i32, ptr, ptr], returns: i32 }, // int getsockname(int, struct sockaddr *, socklen_t *)
    // int epoll_ctl(int epfd, int op, int fd, struct epoll_event *)
    epoll_ctl: { args: [i32, i32, i32, ptr], returns: i32 },
    dup3: { args: [i32, i32, i32], returns: i32 }, // int dup3(int from, int to, int flags)
    // int fallocate(int, int mode, off_t offset, off_t length)
    fallocate: { args: [i32, i32, i64_fast, i64_fast], returns: i32 },
    flock: { args: [i32, i32], returns: i32 }, // int flock(int, int operation)
    memfd_create: { args: [cstring, u32], returns: i32 }, // int memfd_create(const char *, unsigned flags)
    execvp: { args: [ptr, ptr], returns: i32 }, // int execvp(const char *, char *const[])
    // int execvpe(const char *, char *const argv[], char *const envp[])
    execvpe: { args: [ptr, ptr, ptr], returns: i32 },
    // int posix_spawnp(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t
    //   *, char *const argv[], char *const envp[])
    posix_spawnp: { args: [ptr, ptr, ptr, ptr, ptr, ptr], returns: i32 },
    posix_spawnattr_init: { args: [ptr], returns: i32 }, // int posix_spawnattr_init(posix_spawnattr_t *)
    // int posix_spawnattr_setflags(posix_spawnattr_t *, short)
    posix_spawnattr_setflags: { args: [ptr, i32], returns: i32 },
    // int posix_spawnattr_setsigdefault(posix_spawnattr_t *, const sigset_t *)
    posix_spawnattr_setsigdefault: { args: [ptr, ptr], returns: i32 },
    // int posix_spawnattr_setsigmask(posix_spawnattr_t *, const sigset_t *)
    posix_spawnattr_setsigmask: { args: [ptr, ptr], returns: i32 },
    // int posix_spawn_file_actions_init(posix_spawn_file_actions_t *)
    posix_spawn_file_actions_init: { args: [ptr], returns: i32 },
    // int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *)
    posix_spawn_file_actions_destroy: { args: [ptr], returns: i32 },
    // int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *, int fd, const char *, int flags,
    //   mode_t)
    posix_spawn_file_actions_addopen: { args: [ptr, i32, ptr, i32, u32], returns: i32 },
    // int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *, int, int)
    posix_spawn_file_actions_adddup2: { args: [ptr, i32, i32], returns: i32 },
  }) as const satisfies Record<string, CFunction>;

let loaded: Functions<ReturnType<typeof symbols>> | undefined;
