/** Bytes that outlive a restart: in the fd store, as files in memory that are rewritten in place. */

import { mustBe } from "../protocol/check.ts";
import { checkFdName } from "../protocol/fd-name.ts";
import { sendRemoval, storeFds } from "./fd-store.ts";
import { withProcessLock } from "./process-lock.ts";
import { MAX_STATE_LENGTH, readRaw, readState, replaceState, writeState } from "./state-file.ts";
import { dropStateMemfd, findStateMemfd, foreignMemfds, makeStateMemfd } from "./state-memfd.ts";
import { hasRoom } from "./store-room.ts";

/**
 * Keeps bytes across a restart, in place of those that were kept by this name before. The first save of a
 * name puts a file in memory into the fd store; each later one rewrites that, and sends nothing. Killed at
 * any moment, the process leaves the old bytes or the new ones.
 *
 * The file has up to three times the size of the largest state. The name is to be of no other fd in the store.
 *
 * @returns true when they are kept, as far as $FDSTORE tells; false when this process is not supervised, or
 *   the store has no room.
 * @throws TypeError or RangeError for a name or bytes that can't be; SystemError when they can't be written;
 *   else what notify() throws.
 * @see memfd_create(2)
 * @example
 * saveState("sessions", JSON.stringify([...sessions]));
 */
export function saveState(name: string, state: string | Uint8Array): boolean {
  checkFdName(name);
  if (typeof state !== "string" && !(state instanceof Uint8Array))
    throw mustBe("save the state", "state", "a string or a Uint8Array", state);
  const length = typeof state === "string" ? Buffer.byteLength(state) : state.length;
  if (length > MAX_STATE_LENGTH)
    throw new RangeError(`Cannot save the state: it has ${length} bytes, and ${MAX_STATE_LENGTH} are allowed`);
  if (process.env.NOTIFY_SOCKET === undefined) return false;
  const bytes = typeof state === "string" ? Buffer.from(state) : state;
  if (replace(name, bytes)) return true;
  if (!hasRoom([findStateMemfd(name)])) return false;
  // Threads that save a name for the first time share one file.
  return withProcessLock(() => replace(name, bytes) || store(name, bytes));
}

/**
 * Returns the bytes that saveState() has kept by this name: before the restart, or since. A file in memory
 * that saveState() has not made is returned as it is.
 *
 * @returns undefined when there are none.
 * @throws TypeError for a name that can't be; SyntaxError when the environment can't be read, SystemError
 *   when the bytes can't be.
 * @example
 * const sessions = new Map(JSON.parse(new TextDecoder().decode(loadState("sessions")) || "[]"));
 */
export function loadState(name: string): Uint8Array | undefined {
  checkFdName(name);
  const ours = findStateMemfd(name);
  if (ours !== undefined) return readState(ours);
  const foreign = foreignMemfds(name).at(-1);
  return foreign === undefined ? undefined : readRaw(foreign);
}

// --- internal ---

/** Saves where a state is already: that file is in the store. */
function replace(name: string, bytes: Uint8Array): boolean {
  const memfd = findStateMemfd(name);
  return memfd !== undefined && replaceState(memfd, bytes);
}

/**
 * Puts a file into the store, and then the state into that: what is killed in between leaves no state, as
 * there was none before.
 */
function store(name: string, bytes: Uint8Array): boolean {
  // What is not ours is not written to. It may have the only place there is, so it goes first.
  if (foreignMemfds(name).length > 0) sendRemoval(name);
  const found = findStateMemfd(name);
  const memfd = found ?? makeStateMemfd(name);
  let kept = false;
  try {
    kept = storeFds([memfd], { name });
    if (kept) writeState(memfd, bytes);
  } finally {
    if (!kept && found === undefined) dropStateMemfd(name, memfd);
  }
  return kept;
}
