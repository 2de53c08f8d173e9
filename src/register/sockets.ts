/** Which of the passed sockets a server takes. It never takes another port silently. */

import type { BoundAddress } from "../../ffi/structs.ts";
import { describe, keyOf, type Place } from "../server/place.ts";
import { isAt, isStored, isUsable, type Passed } from "../server/stored-sockets.ts";
import type { Settings } from "./settings.ts";

/** What a server takes, and what to report about that. */
export interface Choice {
  fds: number[];
  notice?: string;
}

/** Whose the sockets are that register stores, in their names. */
export const OWNER = "register";

/**
 * Chooses by the settings, then by what the server asks for. Otherwise it takes the only name there is. What was stored
 * for the server comes after all of these, so a restart does the same as a first start.
 *
 * @throws SyntaxError when it can't be known which one is meant.
 */
export function choose(
  place: Place,
  free: readonly Passed[],
  wasPassed: boolean,
  sockets: Settings["sockets"],
): Choice {
  const findOwn = () => fdsOf(free.filter((passed) => isUsable(passed, OWNER, place)).slice(0, 1));
  if (sockets === "none") return { fds: findOwn() };
  const others = free.filter((passed) => !isStored(passed));
  const name = sockets.get(keyOf(place));
  const named = others.filter((passed) => passed.name === name);
  if (named.length > 0) return { fds: fdsOf(named) };
  const notice =
    name !== undefined && wasPassed
      ? `$SD_NOTIFY_SOCKETS gives ${describe(place)} the socket ${JSON.stringify(name)}, which was not passed`
      : undefined;
  const choice = chooseUnnamed(place, others, wasPassed, new Set(sockets.values()), findOwn);
  return notice === undefined ? choice : { ...choice, notice };
}

// --- internal ---

function chooseUnnamed(
  place: Place,
  others: readonly Passed[],
  wasPassed: boolean,
  reserved: ReadonlySet<string>,
  findOwn: () => number[],
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
  const own = findOwn();
  if (own.length > 0) return { fds: own };
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
