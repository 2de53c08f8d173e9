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
import { FFIUnavailableError } from "../../ffi/errors.ts";
import { getSocketOption, keepOnExec } from "../../ffi/syscalls.ts";
import { fromNodeError } from "../bun/fs-errors.ts";
import { node } from "../bun/node.ts";
import { readNumber } from "../linux/environment.ts";
import { pidfdInodeOf } from "../linux/pidfd.ts";
import { findSocket } from "../linux/socket-tables.ts";
import { mustBe } from "../protocol/check.ts";
import { SD_LISTEN_FDS_START } from "../protocol/systemd.ts";

/**
 * What a socket is, as sd_is_socket(3) tells.
 *
 * @example
 * const sockets: SocketKind[] = listenFds().filter((passed) => passed.kind === "socket");
 * console.log(sockets.filter(({ listening }) => listening).length);
 */
export interface SocketKind {
  kind: "socket";
  family: "unix" | "inet" | "inet6" | "vsock" | "netlink" | "other";
  type: "stream" | "dgram" | "seqpacket" | "raw" | "other";
  /** Whether it accepts connections. */
  listening: boolean;
}

/**
 * What a file descriptor is, as sd_is_fifo(3), sd_is_special(3), sd_is_mq(3) and similar functions tell.
 *
 * @example
 * const kinds: FdKind["kind"][] = listenFds().map(({ kind }) => kind);
 * console.log(kinds);
 */
export type FdKind = SocketKind | { kind: "fifo" | "file" | "directory" | "memfd" | "mqueue" | "device" | "other" };

/**
 * A passed file descriptor, and what it is.
 *
 * @example
 * const passed: ListenFd[] = listenFds();
 * for (const { fd, name, kind } of passed) console.log(fd, name, kind);
 */
export type ListenFd = { fd: number; name: string } & FdKind;

/**
 * Returns the file descriptors that were passed to this process, or those of a name. They are in their order and
 * close-on-exec. Their names are those of the units or of the fd store. A name is "stored" for a file descriptor that
 * was stored without one, "connection" with Accept=yes, and "unknown" if no names were passed.
 *
 * If libc can't be called, /proc tells what a socket is. If it is not in the tables there, its family and type are
 * "other".
 *
 * @returns an empty array if none were passed, or they were passed to another process.
 * @throws SyntaxError if the environment can't be read, SystemError if a file descriptor is not open.
 * @see sd_listen_fds_with_names(3)
 * @example
 * const [http] = listenFds("http");
 * console.log(http?.fd);
 */
export function listenFds(name?: string): ListenFd[] {
  if (name !== undefined && typeof name !== "string") throw mustBe("find file descriptors", "name", "a string", name);
  const passed: ListenFd[] = [];
  for (const { fd, name: its } of passedFds(name)) {
    checkOpen(fd);
    setCloseOnExec(fd);
    passed.push({ fd, name: its, ...kindOf(fd) });
  }
  return passed;
}

/** Yields the passed fds, or those of a name, one by one, because $LISTEN_FDS may be huge. It does not look at them. */
export function* passedFds(name?: string): Generator<{ fd: number; name: string }> {
  const count = readNumber("LISTEN_FDS", 0);
  if (count === undefined || readNumber("LISTEN_PID", 1) !== process.pid || !isOwnPidfd()) return;
  if (count > MAX_FDS) throw new SyntaxError(`Cannot use $LISTEN_FDS "${count}": no process has that many`);
  const names = process.env.LISTEN_FDNAMES?.split(":");
  if (names !== undefined && names.length !== count) {
    throw new SyntaxError(
      `Cannot use $LISTEN_FDNAMES ${JSON.stringify(process.env.LISTEN_FDNAMES)}: it has ${names.length} names ` +
        `for ${count} fds`,
    );
  }
  if (names === undefined && name !== undefined && name !== UNNAMED) return;
  for (let i = 0; i < count; i++) {
    const its = names?.[i] ?? UNNAMED;
    if (name === undefined || its === name) yield { fd: SD_LISTEN_FDS_START + i, name: its };
  }
}

/** Returns what a file descriptor is. @throws SystemError if it is not open. */
export function kindOf(fd: number): FdKind {
  const stat = fstat(fd, `Cannot tell what fd ${fd} is`);
  if (stat.isSocket()) return withoutFFI(() => socketKind(fd)) ?? { ...UNKNOWN_SOCKET, ...findSocket(stat.ino) };
  if (stat.isFIFO()) return { kind: "fifo" };
  if (stat.isDirectory()) return { kind: "directory" };
  if (stat.isCharacterDevice() || stat.isBlockDevice()) return { kind: "device" };
  if (!stat.isFile()) return { kind: "other" };
  return { kind: fileKind(fd, stat.nlink) };
}

// --- internal ---

/** INT_MAX, less SD_LISTEN_FDS_START: sd_listen_fds(3) refuses more. */
const MAX_FDS = 0x7fffffff - SD_LISTEN_FDS_START;

/** sd_listen_fds_with_names(3): the name of all file descriptors if no names were passed. */
const UNNAMED = "unknown";

/** MQUEUE_MAGIC of the kernel's ipc/mqueue.c, which no header has. */
const MQUEUE_MAGIC = 0x19800202;

const UNKNOWN_SOCKET: SocketKind = { kind: "socket", family: "other", type: "other", listening: false };

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

/** Whether $LISTEN_PIDFDID, if it is set, is this process. (The pid alone may belong to another process by now.) */
function isOwnPidfd(): boolean {
  const text = process.env.LISTEN_PIDFDID;
  if (text === undefined) return true;
  const inode = withoutFFI(() => pidfdInodeOf(process.pid));
  return inode === undefined || text === `${inode}`;
}

function checkOpen(fd: number): void {
  fstat(fd, `Cannot use fd ${fd}, which $LISTEN_FDS says was passed`);
}

function fstat(fd: number, doing: string): import("node:fs").Stats {
  try {
    return node.fs.fstatSync(fd);
  } catch (error) {
    throw fromNodeError(error, doing);
  }
}

function setCloseOnExec(fd: number): void {
  withoutFFI(() => keepOnExec(fd, false));
}

function socketKind(fd: number): FdKind {
  try {
    return {
      kind: "socket",
      family: FAMILIES[getSocketOption(fd, SO_DOMAIN)] ?? "other",
      type: TYPES[getSocketOption(fd, SO_TYPE)] ?? "other",
      listening: getSocketOption(fd, SO_ACCEPTCONN) === 1,
    };
  } catch (error) {
    // open(2), O_PATH: the fd refers to the file of a socket, and not to the socket.
    if (isErrno(error, EBADF)) return { kind: "other" };
    throw error;
  }
}

/** Tells regular files, message queues and memfds apart: to fstat(2) they are all regular files. */
function fileKind(fd: number, links: number): "file" | "memfd" | "mqueue" {
  const path = `/proc/self/fd/${fd}`;
  try {
    if (node.fs.statfsSync(path).type === MQUEUE_MAGIC) return "mqueue";
    return links === 0 && node.fs.readlinkSync(path).startsWith("/memfd:") ? "memfd" : "file";
  } catch {
    // No /proc here.
    return "file";
  }
}

/**
 * Returns undefined if libc can't be called. Then Bun has set close-on-exec itself, and checking the pid must be
 * enough.
 */
function withoutFFI<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof FFIUnavailableError) return undefined;
    throw error;
  }
}
