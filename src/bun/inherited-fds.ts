/** The file descriptors that the caller passed. */

import { isCloseOnExec, isOpen } from "../../ffi/syscalls.ts";
import { UsageError } from "../console/usage-error.ts";
import { whyNoFdName } from "../protocol/fd-name.ts";
import { parseUnsigned } from "../protocol/numbers.ts";
import { node } from "./node.ts";

/** Returns the file descriptors from 3 on that this process was started with. Call it before any other is opened. */
export function inheritedFds(): number[] {
  const open = node.fs
    .readdirSync("/proc/self/fd")
    .map(Number)
    .sort((a, b) => a - b)
    // The one that readdir() had is closed by now.
    .filter((fd) => fd > 2 && isOpen(fd));
  const own = fdsOfBun(open);
  return open.filter((fd) => !own.includes(fd));
}

/** Reads a value of --fd. @throws UsageError */
export function parseFd(value: string): number {
  const fd = parseUnsigned(value);
  if (fd === undefined || fd > 0x7fffffffn)
    throw new UsageError(`--fd=${value} is no file descriptor: it must be a number`);
  return Number(fd);
}

/**
 * Checks that the fds to send were passed, each but 0, 1 and 2 once. Returns those that were passed besides.
 *
 * @throws UsageError
 */
export function checkFds(fds: readonly number[], inherited: readonly number[]): number[] {
  const left = new Set(inherited);
  for (const fd of fds) {
    if (fd <= 2 ? isOpen(fd) : left.delete(fd)) continue;
    const why = inherited.includes(fd)
      ? "it is given twice"
      : "it is not open: pass it with a redirection such as 4<file";
    throw new UsageError(`--fd=${fd} can't be sent: ${why}`);
  }
  return [...left];
}

/** @throws UsageError unless the service manager takes the name for file descriptors. */
export function checkFdName(name: string): void {
  const why = whyNoFdName(name);
  if (why !== undefined) throw new UsageError(`--fdname=${JSON.stringify(name)} is no name: ${why}`);
}

// --- internal ---

/**
 * Bun opens two at its start, the first ones that are free: the epoll(7) of its event loop, and an eventfd(2) that is
 * registered there and wakes it up. Both are close-on-exec, which an inherited fd 3 is not.
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
