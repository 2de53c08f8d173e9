/**
 * The places that have a server already: passed sockets by their fd, and paths. All copies of this package share this.
 */

import { singleton } from "../bun/singleton.ts";
import type { BunServer } from "./adopted-server.ts";

export interface Served {
  server: BunServer;
  /** The evaluation of the program that opened it: bun --hot evaluates the program again and again. */
  evaluation: symbol;
}

export function servedPlaces(): Map<number | string, Served> {
  places.current ??= new Map();
  return places.current;
}

// --- internal ---

const places = singleton<Map<number | string, Served>>("sd-notify.served");
