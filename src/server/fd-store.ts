/** The fd store: file descriptors that the service manager keeps while the service is down. */

import { createMemfd } from "../../ffi/process.ts";
import { close } from "../../ffi/syscalls.ts";
import { node } from "../bun/node.ts";
import { notifyRaw } from "../notify-raw.ts";
import { mustBe, show } from "../protocol/check.ts";
import { whyNoFdName } from "../protocol/fd-name.ts";
import { escapeValue } from "../protocol/lines.ts";
import { checkOptionNames } from "../transport/send.ts";
import { listenFds } from "./listen-fds.ts";

export interface StoreOptions {
  /** The name by which listenFds() will find them. Default: "stored". */
  name?: string | undefined;
  /** false: keep them also when they are hung up or have an error. Default: true. */
  poll?: boolean | undefined;
}

/**
 * Puts file descriptors into the fd store: the manager has them while the service restarts, and passes them to the next start. They
 * stay open here. The unit needs FileDescriptorStoreMax=.
 *
 * @returns true when they were sent, false when this process is not supervised.
 * @throws TypeError or RangeError for a name or an fd that can't be; else what notify() throws.
 * @see sd_pid_notify_with_fds(3), FDSTORE=1
 * @example
 * storeFds([listener], { name: "http" });
 */
export function storeFds(fds: readonly number[], options: StoreOptions = {}): boolean {
  checkOptionNames(options, ["name", "poll"]);
  const { name, poll = true } = options;
  if (!Array.isArray(fds) || fds.length === 0) throw mustBe("fds", "an array with a file descriptor", fds);
  if (typeof poll !== "boolean") throw mustBe("poll", "a boolean", poll);
  const lines = ["FDSTORE=1"];
  if (name !== undefined) lines.push(`FDNAME=${escapeValue(checkedName(name))}`);
  if (!poll) lines.push("FDPOLL=0");
  return notifyRaw(lines.join("\n"), { fds });
}

/**
 * Removes the file descriptors of a name from the fd store.
 *
 * @returns true when the message was sent, false when this process is not supervised.
 * @throws TypeError for a name that can't be; else what notify() throws.
 * @see sd_pid_notify_with_fds(3), FDSTOREREMOVE=1
 * @example
 * removeFds("http");
 */
export function removeFds(name: string): boolean {
  return notifyRaw(`FDSTOREREMOVE=1\nFDNAME=${escapeValue(checkedName(name))}`);
}

/**
 * Keeps bytes across a restart: puts them into the fd store, as a file in memory, in place of what was there by the name.
 *
 * @returns true when they were sent, false when this process is not supervised.
 * @throws TypeError for a name or bytes that can't be; else what notify() throws.
 * @see memfd_create(2)
 * @example
 * saveState("sessions", JSON.stringify([...sessions]));
 */
export function saveState(name: string, state: string | Uint8Array): boolean {
  checkedName(name);
  if (typeof state !== "string" && !(state instanceof Uint8Array))
    throw mustBe("state", "a string or a Uint8Array", state);
  if (process.env.NOTIFY_SOCKET === undefined) return false;
  const memfd = createMemfd(name);
  try {
    const bytes = typeof state === "string" ? Buffer.from(state) : state;
    for (let written = 0; written < bytes.length; ) written += node.fs.writeSync(memfd, bytes, written);
    removeFds(name);
    return storeFds([memfd], { name });
  } finally {
    close(memfd);
  }
}

/**
 * Returns the bytes that saveState() kept by this name before the restart.
 *
 * @returns undefined when there are none.
 * @throws what listenFds() throws.
 * @example
 * const sessions = new Map(JSON.parse(new TextDecoder().decode(loadState("sessions")) || "[]"));
 */
export function loadState(name: string): Uint8Array | undefined {
  const memfd = listenFds().findLast((passed) => passed.name === name && passed.kind === "memfd");
  if (!memfd) return undefined;
  const bytes = new Uint8Array(node.fs.fstatSync(memfd.fd).size);
  // At their places, for the next start is to find the position where this one did.
  for (let read = 0; read < bytes.length; ) {
    const count = node.fs.readSync(memfd.fd, bytes, read, bytes.length - read, read);
    if (count === 0) break;
    read += count;
  }
  return bytes;
}

// --- internal ---

function checkedName(name: unknown): string {
  if (typeof name !== "string") throw mustBe("name", "a string", name);
  const why = whyNoFdName(name);
  if (why !== undefined) throw new TypeError(`Cannot notify: ${show(name)} is no name for file descriptors: ${why}`);
  return name;
}
