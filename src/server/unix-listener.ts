/** A listening unix socket that outlives whoever opened it. */

import { AF_UNIX, EADDRINUSE, ECONNREFUSED, SOCK_NONBLOCK, SOCK_STREAM } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/errno.ts";
import { listen } from "../../ffi/process.ts";
import * as sys from "../../ffi/syscalls.ts";
import { node } from "../bun/node.ts";

/**
 * Listens on a path, or on an abstract name, which begins with NUL. A socket that nobody listens on is
 * removed first: a server that was killed leaves its own behind. Bun.listen() would also remove the path of a
 * living server, and its own when it is stopped.
 *
 * @returns its fd.
 * @throws SystemError when it can't; EADDRINUSE where a server is alive, or something else has the path.
 */
export function openUnixListener(path: string): number {
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

/** Binds a socket to a path. If the path is that of a socket that nobody has open, it is removed first. */
export function replacingStale<T>(path: string, bind: () => T): T {
  try {
    return bind();
  } catch (error) {
    if (!isErrno(error, EADDRINUSE) || !removeStale(path)) throw error;
    return bind();
  }
}

/** Removes the path of a socket, where it has one. */
export function removeSocket(path: string): void {
  if (!path.startsWith("\0")) node.fs.rmSync(path, { force: true });
}

// --- internal ---

/** Removes a socket that nobody listens on. Returns whether it did. */
function removeStale(path: string): boolean {
  if (path.startsWith("\0")) return false;
  const before = node.fs.lstatSync(path, { throwIfNoEntry: false });
  if (!before?.isSocket() || !isRefused(path)) return false;
  // Another start may have been faster.
  if (node.fs.lstatSync(path, { throwIfNoEntry: false })?.ino !== before.ino) return false;
  removeSocket(path);
  return true;
}

/** Whether connections are refused. A server whose queue is full is alive: non-blocking, that is EAGAIN. */
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
