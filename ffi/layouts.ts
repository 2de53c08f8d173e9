/**
 * C structs as numbers: the size of each, and the offset of each field. The layouts are those of 64-bit Linux.
 * test/structs.test.ts compares every number with the headers.
 */

// The structs are enums, because the bundler puts the numbers of those in place of their names. Objects would be made
// at every start (0.15 ms).

// <sys/un.h>
export enum sockaddr_un {
  size = 110,
  sun_family = 0,
  sun_path = 2,
}
// <netinet/in.h>
export enum sockaddr_in {
  size = 16,
  sin_family = 0,
  sin_port = 2,
  sin_addr = 4,
}
export enum sockaddr_in6 {
  size = 28,
  sin6_family = 0,
  sin6_port = 2,
  sin6_addr = 8,
}
// <linux/vm_sockets.h>
export enum sockaddr_vm {
  size = 16,
  svm_family = 0,
  svm_port = 4,
  svm_cid = 8,
}
// <sys/uio.h>
export enum iovec {
  size = 16,
  iov_base = 0,
  iov_len = 8,
}
// <sys/socket.h>
export enum msghdr {
  size = 56,
  msg_name = 0,
  msg_namelen = 8,
  msg_iov = 16,
  msg_iovlen = 24,
  msg_control = 32,
  msg_controllen = 40,
  msg_flags = 48,
}
export enum cmsghdr {
  size = 16,
  cmsg_len = 0,
  cmsg_level = 8,
  cmsg_type = 12,
}
export enum ucred {
  size = 12,
  pid = 0,
  uid = 4,
  gid = 8,
}
// <poll.h>
export enum pollfd {
  size = 8,
  fd = 0,
  events = 4,
  revents = 6,
}
// <pwd.h>
export enum passwd {
  size = 48,
  pw_uid = 16,
  pw_gid = 20,
}
// <sys/resource.h>
export enum rlimit {
  size = 16,
  rlim_cur = 0,
  rlim_max = 8,
}
// <sys/signalfd.h>
export enum signalfd_siginfo {
  size = 128,
  ssi_signo = 0,
}
// <time.h>
export enum timespec {
  size = 16,
  tv_sec = 0,
  tv_nsec = 8,
}
// <sys/vfs.h>
export enum statfs {
  size = 120,
  f_type = 0,
}

/** sizeof(siginfo_t), and the offset of si_pid in it: <signal.h>. */
export const SIGINFO_SIZE = 128;
export const SI_PID = 16;

/** sizeof sun_path, <sys/un.h>. A path and its NUL, or a NUL and an abstract name, must fit in it. */
export const SUN_PATH_SIZE = 108;

/** The most fds that one message takes: SCM_MAX_FD of the kernel's include/net/scm.h. No public header has it. */
export const SCM_MAX_FD = 253;

/** CMSG_LEN() of <sys/socket.h>. */
export const CMSG_LEN = (length: number): number => cmsghdr.size + length;

/** CMSG_SPACE() of <sys/socket.h>: CMSG_LEN() up to the next multiple of 8. */
export const CMSG_SPACE = (length: number): number => cmsghdr.size + ((length + 7) & ~7);

/** The room that the largest control data needs: CMSG_SPACE(SCM_MAX_FD * 4) + CMSG_SPACE(ucred.size). */
export const CONTROL_SIZE = 1064;

/** The room for credentials alone, which the kernel writes before the fds: CMSG_SPACE(ucred.size). */
export const CREDENTIALS_SIZE = 32;
