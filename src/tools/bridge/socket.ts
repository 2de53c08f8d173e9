/** The socket that CMD's $NOTIFY_SOCKET names. */

import { dirname } from "node:path";
import { node } from "../../bun/node.ts";
import { type BoundSocket, bindPrivately, bindSocket } from "../../receiver/private-socket.ts";
import { replacingStale } from "../../server/unix-listener.ts";

/**
 * Binds a socket to a path that nobody else finds, or to the path that was asked for. It makes the directory of that
 * path if it is missing. `mode` is the socket's permissions. Without it, only this user may send, unless only this
 * user can enter the directory. Then everybody who can reach the socket may send: a container that it is mounted to.
 *
 * @throws SystemError when it can't; EADDRINUSE when another process listens there.
 */
export function openSocket(path: string | undefined, mode: number | undefined): BoundSocket {
  if (path === undefined) return bindPrivately();
  const { fs } = node;
  const directory = dirname(path);
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  // Nobody may send before the socket has its own permissions.
  const mask = process.umask(0o777);
  let fd: number;
  try {
    fd = replacingStale(path, () => bindSocket(Buffer.from(path), path));
  } finally {
    process.umask(mask);
  }
  const { ino } = fs.lstatSync(path);
  fs.chmodSync(path, mode ?? (isPrivate(directory) ? 0o666 : 0o600));
  const remove = () => {
    // Another socket may have replaced it.
    if (fs.lstatSync(path, { throwIfNoEntry: false })?.ino === ino) fs.rmSync(path, { force: true });
  };
  return { fd, address: path, remove };
}

// --- internal ---

/** Whether only its owner can enter a directory. */
function isPrivate(directory: string): boolean {
  const { uid, mode } = node.fs.statSync(directory);
  return uid === process.geteuid?.() && (mode & 0o077) === 0;
}
