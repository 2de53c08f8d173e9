/** Macros for ffi/datagram.ts. They run during the build, so the command makes no tables of offsets when it starts. */

import * as numbers from "./constants.ts";
import { CMSG_SPACE, cmsghdr, iovec, msghdr, SUN_PATH_SIZE, sockaddr_un, statfs, timespec, ucred } from "./layouts.ts";

/** Returns the numbers of C. (An import would put all of them into the command, used or not.) */
export function constants() {
  return { ...numbers };
}

/** Returns the offset of each struct, in bytes, and the offset of each field in its struct, in ints. */
export function layout() {
  const rights = 256;
  const credentials = rights + CMSG_SPACE(4);
  return {
    ADDRESS: 0,
    HEADER: 128,
    VECTOR: 192,
    POLLFD: 208,
    INTS: 224,
    TIMESPEC: 240,
    // These two are adjacent, so that a message can have both, one or none.
    RIGHTS: rights,
    CREDENTIALS: credentials,
    CONTROL_END: credentials + CMSG_SPACE(ucred.size),
    STATFS: 384,
    TEXT: 512,
    SIZE: 32768,
    SUN_PATH: sockaddr_un.sun_path,
    SUN_PATH_SIZE,
    MSG_IOV: msghdr.msg_iov / 4,
    MSG_IOVLEN: msghdr.msg_iovlen / 4,
    MSG_CONTROL: msghdr.msg_control / 4,
    MSG_CONTROLLEN: msghdr.msg_controllen / 4,
    IOV_LEN: iovec.iov_len / 4,
    CMSG_LEVEL: cmsghdr.cmsg_level / 4,
    CMSG_TYPE: cmsghdr.cmsg_type / 4,
    CMSG_HEADER: cmsghdr.size,
    UCRED_SIZE: ucred.size,
    PID: ucred.pid / 4,
    UID: ucred.uid / 4,
    GID: ucred.gid / 4,
    TV_NSEC: timespec.tv_nsec / 4,
    F_TYPE: statfs.f_type / 4,
  };
}
