/** The socket that CMD's $NOTIFY_SOCKET is. */

import { dirname } from "node:path";
import { node } from "../../bun/node.ts";
import { type BoundSocket, bindPrivately, bindSocket } from "../../receiver/private-socket.ts";
import { replacingStale } from "../../server/unix-listener.ts";

/**
 * Binds a socket: to a path that nobody else finds, or to the one that was asked for, whose directory is made
 * where there is none. `mode` is its permissions. Without, everybody may send who can reach it where only this
 * user can: a container that it is mounted to. Else only this user may.
 *
 * @throws SystemError when it can't; EADDRINUSE when somebody listens there.
 */
export function openSocket(path: string | undefined, mode: number | undefined): BoundSocket {
  if (path === undefined) return bindPrivately();
  const { fs } = node;
  const directory = dirname(path);
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  // Nobody may send before it has its own.
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
    // It may have been replaced.
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
