/** The fd store: file descriptors that the service manager keeps while the service is down. */

import { notifyRaw } from "../notify-raw.ts";
import { checkOptionNames, mustBe } from "../protocol/check.ts";
import { checkFdName } from "../protocol/fd-name.ts";
import { formatAssignment } from "../protocol/wire.ts";
import { checkSendOptions } from "../transport/options.ts";
import { clearStates } from "./state-memfd.ts";
import { hasRoom, noteRemoved, noteStored } from "./store-room.ts";

/**
 * The name of stored file descriptors, and when the manager drops them.
 *
 * @example
 * import { openSync } from "node:fs";
 * const options: StoreOptions = { name: "log", poll: false };
 * storeFds([openSync("/dev/null", "a")], options);
 */
export interface StoreOptions {
  /** The name by which listenFds() will find them. Default: "stored". */
  name?: string | undefined;
  /** false: keep them even if they hang up or have an error. Default: true. */
  poll?: boolean | undefined;
}

/**
 * Puts file descriptors into the fd store. The manager keeps them while the service restarts, and passes them to the
 * next start. They stay open here. The unit needs FileDescriptorStoreMax=.
 *
 * @returns true if they were sent. false if nothing keeps them: this process is not supervised, or the store is known
 *   to have no room for all of them. In that case none was sent.
 * @throws TypeError or RangeError for a wrong name or fd; SyntaxError if $FDSTORE can't be read; otherwise what
 *   notify() throws.
 * @see sd_pid_notify_with_fds(3), FDSTORE=1
 * @example
 * import { openSync } from "node:fs";
 * const log = openSync("/dev/null", "a");
 * storeFds([log], { name: "log" });
 */
export function storeFds(fds: readonly number[], options: StoreOptions = {}): boolean {
  checkOptionNames("store file descriptors", options, ["name", "poll"]);
  const { name, poll = true } = options;
  if (!Array.isArray(fds) || fds.length === 0)
    throw mustBe("store file descriptors", "fds", "an array with a file descriptor", fds);
  if (typeof poll !== "boolean") throw mustBe("store file descriptors", "poll", "a boolean", poll);
  if (name !== undefined) checkFdName(name);
  checkSendOptions("store file descriptors", { fds }, ["fds"]);
  if (process.env.NOTIFY_SOCKET !== undefined && !hasRoom(fds)) return false;
  const lines = ["FDSTORE=1"];
  if (name !== undefined) lines.push(formatAssignment("FDNAME", name));
  if (!poll) lines.push("FDPOLL=0");
  const sent = notifyRaw(lines.join("\n"), { fds });
  if (sent) noteStored(fds, name ?? UNNAMED);
  return sent;
}

/**
 * Removes the file descriptors of a name from the fd store, and forgets the state that this thread has saved under
 * that name.
 *
 * @returns true if the message was sent, false if this process is not supervised.
 * @throws TypeError for a wrong name; otherwise what notify() throws.
 * @see sd_pid_notify_with_fds(3), FDSTOREREMOVE=1
 * @example
 * removeFds("http");
 */
export function removeFds(name: string): boolean {
  checkFdName(name);
  if (!sendRemoval(name)) return false;
  clearStates(name);
  return true;
}

/** Sends the message of removeFds(), and forgets nothing here. */
export function sendRemoval(name: string): boolean {
  const sent = notifyRaw(`FDSTOREREMOVE=1\n${formatAssignment("FDNAME", name)}`);
  if (sent) noteRemoved(name);
  return sent;
}

// --- internal ---

/** sd_pid_notify_with_fds(3): the name of file descriptors that were stored without one. */
const UNNAMED = "stored";
