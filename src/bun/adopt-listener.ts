/**
 * Makes a server of Bun's accept connections from an existing socket. Bun.serve() takes no fd (oven-sh/bun#22559,
 * #36491), so it listens on another address first. Then dup3(2) turns its listening fd into the existing socket, and
 * the epoll(7) of its event loop watches that socket in the same way as before. Everything else in the server, TLS and
 * websockets included, is Bun's own.
 *
 * Two assumptions about Bun are checked each time: exactly one epoll watches the listener (/proc/self/fdinfo shows
 * it), and Bun calls accept4(2) on the fd. This goes when Bun.serve() takes an fd: test/adopt-listener.test.ts will
 * fail then.
 */

import { EPOLL_CTL_ADD, EPOLL_CTL_MOD, POLLIN, SO_ACCEPTCONN } from "../../ffi/constants.ts";
import { getSocketName, replaceFd, setNonblocking, watchFd } from "../../ffi/process.ts";
import type { BoundAddress, EpollEvent } from "../../ffi/structs.ts";
import { getSocketOption, poll } from "../../ffi/syscalls.ts";
import { node } from "./node.ts";

/** A socket that a server of Bun's listens on: its fd, and the epoll that watches it. */
export interface Listener {
  fd: number;
  epoll: number;
  event: EpollEvent;
}

/**
 * Finds the socket that Bun listens on, by its address.
 *
 * @throws Error if /proc can't be read, or if it doesn't show exactly one such socket.
 */
export function findListener(address: BoundAddress): Listener {
  const found = watched().filter(({ fd }) => listensAt(fd, address));
  const [listener] = found;
  if (listener === undefined || found.length > 1) {
    throw new Error(`${found.length} event loops of Bun ${Bun.version} watch its listener, but one was expected`);
  }
  return { fd: listener.fd, epoll: listener.epoll, event: listener.event };
}

/**
 * Makes the server listen on the socket of `fd`, which stays open. The socket becomes non-blocking for every process
 * that has it: Bun would hang in accept4(2) otherwise.
 *
 * @throws Error if the event loop doesn't watch it afterwards, SystemError if a step fails.
 */
export function adoptListener({ fd: own, epoll, event }: Listener, fd: number): void {
  const [inode, address] = [inodeOf(fd), getSocketName(fd)];
  setNonblocking(fd);
  replaceFd(fd, own);
  watchFd(epoll, EPOLL_CTL_ADD, own, event);
  const now = watched().filter((other) => other.fd === own);
  const [only] = now;
  const same = only?.epoll === epoll && only.event.data === event.data && only.event.events === event.events;
  if (now.length !== 1 || !same || only.inode !== inode) throw new Error("Bun's event loop doesn't watch the socket");
  if (!sameAddress(getSocketName(own), address)) throw new Error("Bun's listener isn't the socket");
}

/** Accepts no more connections. They wait in the socket's queue for another process that has the socket. */
export function pauseListener({ fd, epoll, event }: Listener): void {
  watchFd(epoll, EPOLL_CTL_MOD, fd, { ...event, events: 0 });
}

/** Returns the fds of the listener's connections that its event loop has open. */
export function connectionsOf({ fd, epoll }: Listener): number[] {
  const address = getSocketName(fd);
  return (
    watched(epoll)
      .map((other) => other.fd)
      // That of another family may listen on the same port: who waits in its queue is no connection yet.
      .filter((other) => sharesAddress(getSocketName(other), address) && !listens(other))
  );
}

/** Whether an event loop of this process watches the socket of `fd`, by this fd or another. */
export function isWatched(fd: number): boolean {
  const inode = inodeOf(fd);
  return watched().some((other) => other.inode === inode);
}

/** Whether a connection has data that the event loop has not read yet. */
export function hasUnread(connection: number): boolean {
  return (poll(connection, POLLIN, 0) & POLLIN) !== 0;
}

/** Whether two addresses are the same. */
export function sameAddress(a: BoundAddress | undefined, b: BoundAddress | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  if (a.family === "unix" || b.family === "unix") return sharesAddress(a, b);
  return a.family === b.family && a.address === b.address && a.port === b.port;
}

// --- internal ---

interface Watched extends Listener {
  inode: bigint;
}

/**
 * Returns the sockets that the epolls of this process watch, see proc_pid_fdinfo(5): "tfd: 5 events: 19 data: 7f..
 * pos:0 ino:6 sdev:9".
 */
function watched(only?: number): Watched[] {
  const epolls = only === undefined ? fdsThatAre(/^anon_inode:\[eventpoll\]$/) : [only];
  return epolls.flatMap((epoll) => {
    const text = fdinfoOf(epoll);
    const lines = text.matchAll(/^tfd:\s*(\d+) events:\s*([\da-f]+) data:\s*([\da-f]+).* ino:\s*([\da-f]+)/gm);
    return Array.from(lines, ([, fd, events = "", data, inode]) => ({
      fd: Number(fd),
      epoll,
      event: { events: Number.parseInt(events, 16), data: BigInt(`0x${data}`) },
      inode: BigInt(`0x${inode}`),
    })).filter(({ fd }) => isSocket(fd));
  });
}

function fdsThatAre(kind: RegExp): number[] {
  return node.fs
    .readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => kind.test(linkOf(fd)));
}

function isSocket(fd: number): boolean {
  return linkOf(fd).startsWith("socket:");
}

function listens(fd: number): boolean {
  return getSocketOption(fd, SO_ACCEPTCONN) === 1;
}

/** Another thread may have closed the fd by now. */
function listensAt(fd: number, address: BoundAddress): boolean {
  try {
    return listens(fd) && sameAddress(getSocketName(fd), address);
  } catch {
    return false;
  }
}

/** Returns "" for an epoll that has gone with its thread. */
function fdinfoOf(epoll: number): string {
  try {
    return node.fs.readFileSync(`/proc/self/fdinfo/${epoll}`, "latin1");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/** Returns "socket:[123]", or "" for a closed fd: readdirSync() lists its own, and an epoll may still list another. */
function linkOf(fd: number): string {
  try {
    return node.fs.readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

function inodeOf(fd: number): bigint {
  return node.fs.fstatSync(fd, { bigint: true }).ino;
}

/** Whether a connection may belong to a listener. The listener may listen on all addresses of the machine. */
function sharesAddress(a: BoundAddress | undefined, b: BoundAddress | undefined): boolean {
  if (a?.family === "unix" && b?.family === "unix") return Buffer.compare(a.path, b.path) === 0;
  return a !== undefined && b !== undefined && "port" in a && "port" in b && a.port === b.port;
}
