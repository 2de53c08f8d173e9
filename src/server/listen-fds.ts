/** File descriptors that the service manager passes: by socket activation, OpenFile=, and from the fd store. */

import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  AF_VSOCK,
  EBADF,
  SO_ACCEPTCONN,
  SO_DOMAIN,
  SO_TYPE,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/errno.ts";
import { FFIUnavailableError, SystemError } from "../../ffi/errors.ts";
import { getSocketOption, keepOnExec } from "../../ffi/syscalls.ts";
import { node } from "../bun/node.ts";
import { readNumber } from "../linux/environment.ts";
import { pidfdInodeOf } from "../linux/pidfd.ts";
import { SD_LISTEN_FDS_START } from "../protocol/systemd.ts";

/** What a socket is: what sd_is_socket(3) answers. */
export interface SocketKind {
  kind: "socket";
  family: "unix" | "inet" | "inet6" | "vsock" | "netlink" | "other";
  type: "stream" | "dgram" | "seqpacket" | "raw" | "other";
  /** Whether it accepts connections. */
  listening: boolean;
}

/** What a file descriptor is: what sd_is_fifo(3), sd_is_special(3) and their kin answer. */
export type FdKind = SocketKind | { kind: "fifo" | "file" | "directory" | "memfd" | "device" | "other" };

/** A passed file descriptor, and what it is. */
export type ListenFd = { fd: number; name: string } & FdKind;

/**
 * Returns the file descriptors that were passed to this process, in their order, each close-on-exec. Their names are those of the
 * units or of the fd store: "stored" for one without, "connection" for Accept=yes, "unknown" where no names were passed.
 *
 * @returns an empty array where none were passed, or they were passed to another process.
 * @throws SyntaxError when the environment can't be read, SystemError when a file descriptor is not open.
 * @see sd_listen_fds_with_names(3)
 * @example
 * const [http] = listenFds().filter((passed) => passed.kind === "socket" && passed.listening);
 */
export function listenFds(): ListenFd[] {
  const count = readNumber("LISTEN_FDS", 0);
  if (count === undefined || readNumber("LISTEN_PID", 1) !== process.pid || !isOwnPidfd()) return [];
  if (count > MAX_FDS) throw new SyntaxError(`Cannot use $LISTEN_FDS "${count}": no process has that many`);
  const names = process.env.LISTEN_FDNAMES?.split(":");
  if (names !== undefined && names.length !== count) {
    throw new SyntaxError(
      `Cannot use $LISTEN_FDNAMES ${JSON.stringify(process.env.LISTEN_FDNAMES)}: it has ${names.length} names for ${count} fds`,
    );
  }
  const passed: ListenFd[] = [];
  for (let i = 0; i < count; i++) {
    const fd = SD_LISTEN_FDS_START + i;
    checkOpen(fd);
    setCloseOnExec(fd);
    passed.push({ fd, name: names?.[i] ?? "unknown", ...kindOf(fd) });
  }
  return passed;
}

/** Returns what a file descriptor is. @throws SystemError when it is not open. */
export function kindOf(fd: number): FdKind {
  const stat = node.fs.fstatSync(fd);
  if (stat.isSocket()) return socketKindOf(fd);
  if (stat.isFIFO()) return { kind: "fifo" };
  if (stat.isDirectory()) return { kind: "directory" };
  if (stat.isCharacterDevice() || stat.isBlockDevice()) return { kind: "device" };
  if (!stat.isFile()) return { kind: "other" };
  return { kind: node.fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith("/memfd:") ? "memfd" : "file" };
}

// --- internal ---

/** INT_MAX, less those: sd_listen_fds(3) refuses more. */
const MAX_FDS = 0x7fffffff - SD_LISTEN_FDS_START;

const FAMILIES: Record<number, SocketKind["family"]> = {
  [AF_UNIX]: "unix",
  [AF_INET]: "inet",
  [AF_INET6]: "inet6",
  [AF_VSOCK]: "vsock",
  [AF_NETLINK]: "netlink",
};

const TYPES: Record<number, SocketKind["type"]> = {
  [SOCK_STREAM]: "stream",
  [SOCK_DGRAM]: "dgram",
  [SOCK_SEQPACKET]: "seqpacket",
  [SOCK_RAW]: "raw",
};

function socketKindOf(fd: number): FdKind {
  try {
    return {
      kind: "socket",
      family: FAMILIES[getSocketOption(fd, SO_DOMAIN)] ?? "other",
      type: TYPES[getSocketOption(fd, SO_TYPE)] ?? "other",
      listening: getSocketOption(fd, SO_ACCEPTCONN) === 1,
    };
  } catch (error) {
    // open(2), O_PATH: the file of a socket, and not the socket.
    if (isErrno(error, EBADF)) return { kind: "other" };
    throw error;
  }
}

/** Whether $LISTEN_PIDFDID, where it is set, is this process: a pid may be another's by now. */
function isOwnPidfd(): boolean {
  const text = process.env.LISTEN_PIDFDID;
  if (text === undefined) return true;
  const inode = withoutFFI(() => pidfdInodeOf(process.pid));
  return inode === undefined || text === `${inode}`;
}

function checkOpen(fd: number): void {
  try {
    node.fs.fstatSync(fd);
  } catch (error) {
    // What node:fs throws is not of this library.
    const { code = "EBADF", errno = 0 } = error as NodeJS.ErrnoException;
    throw new SystemError(`Cannot use fd ${fd}, which $LISTEN_FDS says was passed: ${code}`, code, -errno, "fstat");
  }
}

function setCloseOnExec(fd: number): void {
  withoutFFI(() => keepOnExec(fd, false));
}

/** Where libc can't be called, Bun has set close-on-exec itself, and the pid has to do. */
function withoutFFI<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof FFIUnavailableError) return undefined;
    throw error;
  }
}
