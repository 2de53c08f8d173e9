/**
 * The memfds that states are in. There is one for each name and process. It stays open, and its link in /proc/self/fd
 * has the name, so that every thread finds it.
 */

import { createMemfd } from "../../ffi/process.ts";
import { close } from "../../ffi/syscalls.ts";
import { node } from "../bun/node.ts";
import { passedFds } from "./listen-fds.ts";
import { clearState, isStateFile, sequenceOf } from "./state-file.ts";
import { identityOf, noteStored } from "./store-room.ts";

/** Returns the memfd of a name, which was passed or made by a thread; undefined if there is none. */
export function findStateMemfd(name: string): number | undefined {
  const kept = known.get(name);
  if (kept && identityOf(kept.fd) === kept.identity) return kept.fd;
  const passed = newest(passedMemfds(name));
  if (passed !== undefined) noteStored([passed], name);
  const fd = passed ?? madeMemfd(name);
  if (fd === undefined) known.delete(name);
  else remember(name, fd);
  return fd;
}

/** Makes the memfd of a name, without a state. */
export function makeStateMemfd(name: string): number {
  const fd = createMemfd(memfdName(name));
  try {
    clearState(fd);
    remember(name, fd);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/** Closes a memfd that was made but could not be stored. */
export function dropStateMemfd(name: string, fd: number): void {
  known.delete(name);
  close(fd);
}

/** Returns the passed memfds of this name that another program has made. */
export function foreignMemfds(name: string): number[] {
  return passedMemfds(name).filter((fd) => !isStateFile(fd));
}

/** Takes the state out of the memfds of a name. */
export function clearStates(name: string): void {
  const fds = new Set(passedMemfds(name));
  const kept = known.get(name);
  if (kept && identityOf(kept.fd) === kept.identity) fds.add(kept.fd);
  for (const fd of fds) if (isStateFile(fd)) clearState(fd);
}

// --- internal ---

/** What this thread has found. If other code closes an fd, its number may be another file's later. */
const known = new Map<string, { fd: number; identity: string | undefined }>();

function remember(name: string, fd: number): void {
  known.set(name, { fd, identity: identityOf(fd) });
}

/** Returns the memfd whose state was saved last. It leaves out memfds of other programs. */
function newest(fds: readonly number[]): number | undefined {
  const sequences = new Map(fds.filter(isStateFile).map((fd) => [fd, sequenceOf(fd)]));
  const [first] = [...sequences].sort(([, a], [, b]) => b - a);
  return first?.[0];
}

function passedMemfds(name: string): number[] {
  return [...passedFds(name)].map(({ fd }) => fd).filter((fd) => linkOf(fd)?.startsWith("/memfd:"));
}

/** Returns the memfd that a thread has made and not dropped. */
function madeMemfd(name: string): number | undefined {
  const link = `/memfd:${memfdName(name)} (deleted)`;
  return node.fs
    .readdirSync("/proc/self/fd")
    .map(Number)
    .find((fd) => linkOf(fd) === link);
}

/** The name of the memfd. memfd_create(2) takes 249 bytes, FDNAME= 255. The colons can't be part of a name. */
function memfdName(name: string): string {
  if (name.length <= 200) return `sd-notify-state:${name}`;
  return `sd-notify-state:${name.slice(0, 100)}:${new Bun.CryptoHasher("sha256").update(name).digest("hex")}`;
}

function linkOf(fd: number): string | undefined {
  try {
    return node.fs.readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // It is not open, or not open any more.
    return undefined;
  }
}
