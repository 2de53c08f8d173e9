/** A listening unix socket that outlives the process that opened it. */

import {
  AF_UNIX,
  EADDRINUSE,
  ECONNREFUSED,
  ENOENT,
  ENOTDIR,
  EPROTOTYPE,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/errno.ts";
import { listen, peerOf } from "../../ffi/process.ts";
import * as sys from "../../ffi/syscalls.ts";
import { node } from "../bun/node.ts";
import { withDirectoryLock } from "./process-lock.ts";

/**
 * Listens on a path, or on an abstract name, which begins with NUL. It first removes a socket that nobody listens on,
 * because a server that is killed leaves its socket behind. Bun.listen() would also remove the path of a running
 * server, and its own path when it is stopped.
 *
 * @returns its fd.
 * @throws SystemError if it can't; EADDRINUSE if a server is alive, or something else has the path.
 */
export function openUnixListener(path: string): number {
  if (path.startsWith("\0")) return open(path);
  // Between bind(2) and listen(2) of another start, its path looks as if nobody listened on it.
  return withDirectoryLock(path.slice(0, path.lastIndexOf("/") + 1) || ".", () => open(path));
}

/** Binds a socket to a path. If the path belongs to a socket that nobody has open, that is removed first. */
export function replacingStale<T>(path: string, bind: () => T): T {
  try {
    return bind();
  } catch (error) {
    if (!isErrno(error, EADDRINUSE) || !removeStale(path)) throw error;
    return bind();
  }
}

/** Removes the path of a socket, if it has one, and if this process may. */
export function removeSocket(path: string): void {
  if (path.startsWith("\0")) return;
  try {
    node.fs.rmSync(path, { force: true });
  } catch {
    // The next start will say what is wrong with it.
  }
}

/**
 * Whether clients that connect to the path get to this listening socket. Its path may have been removed, and another
 * socket may have it now. This connects: the server will accept a connection that is closed already.
 */
export function leadsTo(path: string, listener: number): boolean {
  const fd = sys.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, path);
  try {
    sys.connect(fd, { family: "unix", path: Buffer.from(path) }, path);
    // unix(7): a client sees the process that called listen(2), and so does the listening socket itself.
    return Bun.deepEquals(peerOf(fd), peerOf(listener));
  } catch (error) {
    // If it can't connect because the queue is full, or because it may not, others may get there.
    return !isErrno(error, ENOENT, ENOTDIR, ECONNREFUSED, EPROTOTYPE);
  } finally {
    sys.close(fd);
  }
}

// --- internal ---

/** How long another program, which takes no lock, may take from bind(2) to listen(2). */
const LISTEN_MS = 10;

function open(path: string): number {
  const address = { family: "unix", path: Buffer.from(path) } as const;
  const fd = sys.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, path);
  try {
    replacingStale(path, () => sys.bind(fd, address, path));
    listen(fd, path);
    return fd;
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}

/** Removes a socket that nobody listens on. Returns whether it did. */
function removeStale(path: string): boolean {
  if (path.startsWith("\0")) return false;
  const before = node.fs.lstatSync(path, { throwIfNoEntry: false });
  if (!before?.isSocket() || !isRefused(path)) return false;
  Bun.sleepSync(LISTEN_MS);
  if (!isRefused(path)) return false;
  // Another start may have been faster.
  if (node.fs.lstatSync(path, { throwIfNoEntry: false })?.ino !== before.ino) return false;
  removeSocket(path);
  return true;
}

/**
 * Whether connections are refused. A server whose queue is full is alive: a non-blocking connect(2) then fails with
 * EAGAIN.
 */
function isRefused(path: string): boolean {
  const fd = sys.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, path);
  try {
    sys.connect(fd, { family: "unix", path: Buffer.from(path) }, path);
    return false;
  } catch (error) {
    return isErrno(error, ECONNREFUSED);
  } finally {
    sys.close(fd);
  }
}
