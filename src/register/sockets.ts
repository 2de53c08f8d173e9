/** Which of the passed sockets a server takes. It never takes another port silently. */

import type { BoundAddress } from "../../ffi/structs.ts";
import { node } from "../bun/node.ts";
import { describe, keyOf, type Place } from "./place.ts";
import type { Settings } from "./settings.ts";

/** A passed listening socket that is not served yet. */
export interface Passed {
  fd: number;
  name: string;
  address: BoundAddress | undefined;
}

/** What a server takes, and what to report about that. */
export interface Choice {
  fds: number[];
  notice?: string;
}

/** The names of sockets that register itself has put into the fd store begin with this. */
export const STORED = "register-";

/**
 * The name under which a server's own socket is stored. It is made of the place that was asked for, so a socket is
 * never used for another port than the one it was opened for.
 */
export function storedName(place: Place): string {
  const text = "path" in place ? keyOf(place) : `${place.hostname ?? ""}-${place.port}`;
  const name = STORED + text.replaceAll(":", ".");
  return name.length <= 255 && /^[\x20-\x7e]*$/.test(name) ? name : `${STORED}${Bun.hash(text).toString(36)}`;
}

/** Whether register has stored it. */
export function isStored({ name }: Passed): boolean {
  return name.startsWith(STORED);
}

/** Whether its path was removed, as by RuntimeDirectory= at a restart: no client would find it. */
export function isGone({ address }: Passed): boolean {
  if (address?.family !== "unix") return false;
  const path = Buffer.from(address.path).toString();
  return path !== "" && !path.startsWith("\0") && !node.fs.existsSync(path);
}

/** The sockets that were stored for the same port on another address. They would be in the way. */
export function inTheWay(place: Place, free: readonly Passed[]): Passed[] {
  return free.filter((passed) => isStored(passed) && isAt(passed, place));
}

/**
 * Chooses by the settings, then by what the server asks for. Otherwise it takes the only name there is.
 *
 * @throws SyntaxError when it can't be known which one is meant.
 */
export function choose(
  place: Place,
  free: readonly Passed[],
  wasPassed: boolean,
  sockets: Settings["sockets"],
): Choice {
  if (sockets === "none") return { fds: [] };
  const own = free.filter(({ name }) => name === storedName(place));
  if (own.length > 0) return { fds: fdsOf(own) };
  const others = free.filter((passed) => !isStored(passed));
  const name = sockets.get(keyOf(place));
  const named = others.filter((passed) => passed.name === name);
  if (named.length > 0) return { fds: fdsOf(named) };
  const notice =
    name !== undefined && wasPassed
      ? `$SD_NOTIFY_SOCKETS gives ${describe(place)} the socket ${JSON.stringify(name)}, which was not passed`
      : undefined;
  const choice = chooseUnnamed(place, others, wasPassed, new Set(sockets.values()));
  return notice === undefined ? choice : { ...choice, notice };
}

/** Whether it has the port, or the path. */
export function isAt({ address }: Passed, place: Place): boolean {
  if (address === undefined) return false;
  if ("path" in place) return address.family === "unix" && Buffer.from(address.path).toString() === place.path;
  return "port" in address && place.port !== 0 && address.port === place.port;
}

// --- internal ---

function chooseUnnamed(
  place: Place,
  others: readonly Passed[],
  wasPassed: boolean,
  reserved: ReadonlySet<string>,
): Choice {
  const candidates = others.filter(({ name }) => !reserved.has(name));
  const fitting = candidates.filter((passed) => isAt(passed, place));
  if (fitting.length > 0) {
    // A unit may have a unix socket beside its ports that no server asks for. It goes with the ports.
    const names = new Set(fitting.map(({ name }) => name));
    const besides = candidates.filter(({ name, address }) => names.has(name) && address?.family === "unix");
    return { fds: fdsOf([...new Set([...fitting, ...("port" in place ? besides : [])])]) };
  }
  const names = [...new Set(candidates.map(({ name }) => name))];
  if (names.length === 1) return { fds: fdsOf(candidates) };
  if (names.length === 0) {
    const notice = `The server on ${describe(place)} opens its own socket: none that was passed is left for it`;
    return wasPassed ? { fds: [], notice } : { fds: [] };
  }
  const list = candidates.map(({ name, address }) => `${JSON.stringify(name)} (${nameOf(address)})`).join(", ");
  const why = `${list} were passed, and none is at ${describe(place)}`;
  const cure = `Environment=SD_NOTIFY_SOCKETS=${keyOf(place)}=${names[0]}`;
  if ("port" in place && place.port === 0) return { fds: [], notice: `A server takes any port: ${why}: see ${cure}` };
  throw new SyntaxError(`Cannot serve on ${describe(place)}: ${why}: set ${cure} in the unit`);
}

function fdsOf(passed: readonly Passed[]): number[] {
  return passed.map(({ fd }) => fd);
}

function nameOf(address: BoundAddress | undefined): string {
  if (address === undefined) return "no address";
  return "port" in address ? `port ${address.port}` : Buffer.from(address.path).toString().replace(/^\0/, "@");
}
