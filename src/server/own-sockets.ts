/** What serve() does about the fd store: it puts its own sockets there, and gives up those that it needs no more. */

import { getSocketName } from "../../ffi/process.ts";
import { close, duplicate } from "../../ffi/syscalls.ts";
import { barrier } from "../barrier.ts";
import { registered } from "../bun/registered.ts";
import { singleton } from "../bun/singleton.ts";
import { attempt, type OnError, report } from "../report.ts";
import { type BunServer, listenerOf, whenStopped } from "./adopted-server.ts";
import { storeFds } from "./fd-store.ts";
import type { Place } from "./place.ts";
import { servedPlaces } from "./served-places.ts";
import { fdStoreMax } from "./store-room.ts";
import { discard, isInTheWay, isOf, isServedAnywhere, isStored, type Passed } from "./stored-sockets.ts";

/**
 * The sockets that this process has stored. When such a server stops, the manager still has its socket, and the port is
 * taken. So this process keeps the socket too, for the next server of that place.
 */
export function keptSockets(): Passed[] {
  kept.current ??= [];
  return kept.current;
}

/** Stores the listening socket of a server. Returns what is kept of it here. */
export function storeSocket(fd: number, name: string, notice: OnError): Passed | undefined {
  const isStored = storeFds([fd], { name });
  if (process.env.FDSTORE === undefined) tellOfStore(notice);
  else if (isStored) {
    const socket = { fd: duplicate(fd), name, address: getSocketName(fd) };
    keptSockets().push(socket);
    return socket;
  }
  return undefined;
}

/** Notes that a server has a socket of this name, which the store is to keep. */
export function noteServer(server: BunServer, { fd, name }: Pick<Passed, "fd" | "name">): void {
  inStore.set(server, name);
  taken().add(fd);
  whenStopped(server, () => {
    inStore.delete(server);
    // The program may be about to end. Then what its next start needs looks like what it has not asked for.
    clearTimeout(sweep);
  });
}

/** Gives up the stored sockets, which nobody serves, that keep a server from listening at a place. */
export async function makeWay(place: Place, listeners: readonly Passed[], onError: OnError): Promise<void> {
  const unwanted = listeners.filter((passed) => isStored(passed) && isInTheWay(passed, place) && isFree(passed));
  giveUp(unwanted, onError);
  // An abstract name is taken until the manager has closed the socket too.
  const isAbstract = "path" in place && place.path.startsWith("\0");
  if (isAbstract && unwanted.length > 0) await barrier().catch((error) => report(onError, error));
}

/** Gives up what was stored for a server at another place, if the store has no room for its new socket. */
export function makeRoom(owner: string, listeners: readonly Passed[], onError: OnError): void {
  const stored = listeners.filter((passed) => isStored(passed) && !gone.has(passed.fd));
  if (stored.length < (fdStoreMax() ?? Number.POSITIVE_INFINITY)) return;
  giveUp(
    stored.filter((passed) => isOf(owner, passed) && !taken().has(passed.fd) && isFree(passed)),
    onError,
  );
}

/**
 * Later gives up those of the sockets that were stored and that no server has asked for, such as that of a port which
 * the program had before. Their clients would wait for ever.
 */
export function sweepLater(listeners: readonly Passed[], onError: OnError): void {
  // It knows when all servers of the start are there, and does so itself.
  if (registered.current) return;
  clearTimeout(sweep);
  const stored = listeners.filter(isStored);
  if (stored.length === 0) return;
  const unwanted = () => stored.filter((passed) => !taken().has(passed.fd) && isFree(passed));
  sweep = setTimeout(() => giveUp(unwanted(), onError), SWEEP_MS).unref();
}

// --- internal ---

/** How long after the last call of serve() another one may come, in this thread or another. */
const SWEEP_MS = 5000;

const kept = singleton<Passed[]>("sd-notify.kept-sockets");

/** The servers whose sockets are in the store, and their names there. */
const inStore = new Map<BunServer, string>();

/** The fds of what this thread has given up. */
const gone = new Set<number>();

/** The fds that a server has, or has had, and those that were given up. */
const takenFds = singleton<Set<number>>("sd-notify.taken-sockets");

let sweep: Timer | undefined;

let hasToldOfStore = false;

function tellOfStore(notice: OnError): void {
  if (hasToldOfStore) return;
  hasToldOfStore = true;
  // Since version 254, systemd says how many it stores.
  const cure = "set FileDescriptorStoreMax=1 in the [Service] section of the unit";
  notice(new Error(`The service manager doesn't keep the socket, so a restart will refuse connections: ${cure}`));
}

function taken(): Set<number> {
  takenFds.current ??= new Set();
  return takenFds.current;
}

/** Whether a stored socket has no server. */
function isFree(passed: Passed): boolean {
  return !servedPlaces().has(passed.fd) && !isServedAnywhere(passed);
}

function giveUp(unwanted: readonly Passed[], onError: OnError): void {
  if (unwanted.length === 0) return;
  discard(unwanted, onError);
  for (const { fd } of unwanted) {
    gone.add(fd);
    taken().add(fd);
  }
  for (const socket of unwanted.filter((passed) => keptSockets().includes(passed))) {
    keptSockets().splice(keptSockets().indexOf(socket), 1);
    attempt(onError, () => close(socket.fd));
    taken().delete(socket.fd);
    gone.delete(socket.fd);
  }
  // There may have been no room for these, or they had the same name. PID 1 keeps one of several equal fds.
  for (const [server, name] of inStore) attempt(onError, () => storeFds([listenerOf(server)], { name }));
}
