/**
 * The file descriptors that the caller passed. Bun opens two of its own before the first line, at the first free
 * numbers, so they can stand between the caller's. No issue filed. This goes when Bun's own fds have high numbers.
 */

import { isCloseOnExec, isOpen } from "../../ffi/syscalls.ts";
import { node } from "./node.ts";

/** Returns the file descriptors from 3 on that this process was started with. Call it before any other is opened. */
export function inheritedFds(): number[] {
  const open = node.fs
    .readdirSync("/proc/self/fd")
    .map(Number)
    .sort((a, b) => a - b)
    // readdirSync() lists its own fd too, which is closed by now.
    .filter((fd) => fd > 2 && isOpen(fd));
  const own = fdsOfBun(open);
  return open.filter((fd) => !own.includes(fd));
}

// --- internal ---

/**
 * Bun opens two fds at its start, at the first free numbers: the epoll(7) of its event loop, and an eventfd(2) that is
 * registered there and wakes it up. Both are close-on-exec. An inherited fd 3 is not.
 */
function fdsOfBun(open: readonly number[]): number[] {
  const kind = (fd: number) => node.fs.readlinkSync(`/proc/self/fd/${fd}`);
  for (const epoll of open.filter((fd) => kind(fd) === "anon_inode:[eventpoll]" && isCloseOnExec(fd))) {
    const registered = [...node.fs.readFileSync(`/proc/self/fdinfo/${epoll}`, "latin1").matchAll(/^tfd:\s*(\d+)/gm)];
    const eventfd = registered.map(([, fd]) => Number(fd)).find((fd) => fd > epoll && open.includes(fd));
    if (eventfd !== undefined && kind(eventfd) === "anon_inode:[eventfd]") return [epoll, eventfd];
  }
  return [];
}
