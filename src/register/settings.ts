/** What a unit may set for sd-notify/register, because no code of the program calls it. */

import { isNear } from "../protocol/near.ts";

export interface Settings {
  /**
   * When READY=1 is sent: when the servers of the start listen, when the program is loaded, or never, because the
   * program sends it itself.
   */
  ready: "listening" | "loaded" | "program";
  /** Which passed sockets a server gets, by the port or path that it asks for; "none": no server gets one. */
  sockets: ReadonlyMap<string, string> | "none";
  /** How long to wait for the requests in flight when the program stops. */
  drainTimeoutMs: number | undefined;
}

/** Reads the settings. It reports a wrong one and ignores it, because the program must start. */
export function readSettings(environment: Record<string, string | undefined>, tell: (why: string) => void): Settings {
  const read = <Value>(name: Name, parse: (text: string) => Value | undefined, expected: string): Value | undefined => {
    const text = environment[name];
    if (text === undefined) return undefined;
    const value = parse(text);
    if (value === undefined) tell(`Cannot use $${name} ${JSON.stringify(text)}: it must be ${expected}`);
    return value;
  };
  for (const name in environment) {
    const meant = NAMES.find((known) => known !== name && isNear(known, name));
    if (meant && !(NAMES as readonly string[]).includes(name)) tell(`There is no setting $${name}: is it $${meant}?`);
  }
  return {
    ready: read("SD_NOTIFY_READY", parseReady, '"listening", "loaded" or "program"') ?? "listening",
    sockets:
      read("SD_NOTIFY_SOCKETS", parseSockets, '"none", or PORT=NAME, as in "3000=http 9090=metrics"') ?? new Map(),
    drainTimeoutMs: read("SD_NOTIFY_DRAIN_SEC", parseSeconds, 'a number of seconds, or "infinity"'),
  };
}

// --- internal ---

const NAMES = ["SD_NOTIFY_READY", "SD_NOTIFY_SOCKETS", "SD_NOTIFY_DRAIN_SEC"] as const;
type Name = (typeof NAMES)[number];

const READY = ["listening", "loaded", "program"] as const;

function parseReady(text: string): Settings["ready"] | undefined {
  return READY.find((known) => known === text);
}

/** "3000=http /run/admin.sock=admin". A name may contain "="; the port or path before it may not. */
function parseSockets(text: string): Settings["sockets"] | undefined {
  if (text === "none") return text;
  const sockets = new Map<string, string>();
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const [, place, name] = /^(\d{1,5}|[/@][^=]*)=(.+)$/.exec(word) ?? [];
    if (place === undefined || name === undefined) return undefined;
    sockets.set(place, name);
  }
  return sockets;
}

function parseSeconds(text: string): number | undefined {
  if (text === "infinity") return Number.POSITIVE_INFINITY;
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : undefined;
}
