/** Bytes that outlive a restart: in memfds of the fd store. */

import { mustBe } from "../protocol/check.ts";
import { checkFdName } from "../protocol/fd-name.ts";
import { sendRemoval, storeFds } from "./fd-store.ts";
import { withProcessLock } from "./process-lock.ts";
import { MAX_STATE_LENGTH, readRaw, readState, replaceState, writeState } from "./state-file.ts";
import { dropStateMemfd, findStateMemfd, foreignMemfds, makeStateMemfd } from "./state-memfd.ts";
import { hasRoom } from "./store-room.ts";

/**
 * Keeps bytes across a restart, in place of those that were kept under this name before. The first save of a name puts
 * a memfd into the fd store. Each later one rewrites that memfd and sends nothing. A process that is killed at any
 * moment leaves the old bytes or the new ones.
 *
 * @returns true if they are kept. false if nothing keeps them: this process is not supervised, or the store is known to
 *   have no room.
 * @throws TypeError or RangeError for a wrong name or wrong bytes; SyntaxError if the environment can't be read;
 *   SystemError if the bytes can't be written; otherwise what notify() throws.
 * @see memfd_create(2)
 * @example
 * const sessions = new Map([["alice", 3]]);
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
 * Returns the bytes that saveState() has kept under this name, before the restart or since. If another program has
 * stored a memfd under this name, it returns all bytes of that memfd.
 *
 * @returns undefined if there are none.
 * @throws TypeError for a wrong name; SyntaxError if the environment can't be read; SystemError if the bytes can't be
 *   read.
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

/** Saves if there is a state already. A memfd that has one is in the store. */
function replace(name: string, bytes: Uint8Array): boolean {
  const memfd = findStateMemfd(name);
  return memfd !== undefined && replaceState(memfd, bytes);
}

/** Puts a memfd into the store, and then the state into the memfd. Until both are done there is no state, as before. */
function store(name: string, bytes: Uint8Array): boolean {
  // A memfd of another program is never written to. But it is removed first, because it may have the only place in the
  // store.
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
