/** Where a program asks Bun.serve() to listen. */

import type { BunOptions } from "./adopted-server.ts";

export type Place = { port: number; hostname: string | undefined; ipv6Only: boolean } | { path: string };

/** Reads what Bun reads: the options and, if they have no port, `--port` and the environment. */
export function placeOf(options: BunOptions): Place {
  const { unix, port, hostname, ipv6Only } = options as Record<"unix" | "port" | "hostname" | "ipv6Only", unknown>;
  if (typeof unix === "string" && unix !== "") return { path: unix };
  const isDefault = port === undefined || port === null || port === "";
  return {
    port: toPort(isDefault ? defaultPort() : port),
    hostname: typeof hostname === "string" ? hostname : undefined,
    ipv6Only: ipv6Only === true,
  };
}

/** "3000", "/run/app.sock" or "@app": as a unit names it. */
export function keyOf(place: Place): string {
  return "path" in place ? place.path.replace(/^\0/, "@") : `${place.port}`;
}

/** How a line to the user names it. */
export function describe(place: Place): string {
  return "path" in place ? keyOf(place) : `port ${place.port}`;
}

// --- internal ---

/** Whatever Bun takes for 0, which means any free port, is 0 here. */
function toPort(port: unknown): number {
  const number = typeof port === "string" ? Number.parseInt(port, 10) : port;
  return typeof number === "number" && number > 0 ? number : 0;
}

function defaultPort(): string {
  const { BUN_PORT, PORT, NODE_PORT } = process.env;
  const flag = process.execArgv.findLastIndex((argument) => /^--port(=|$)/.test(argument));
  const given = flag < 0 ? undefined : (process.execArgv[flag]?.split("=")[1] ?? process.execArgv[flag + 1]);
  return BUN_PORT || PORT || NODE_PORT || given || "3000";
}
