/**
 * Where a bridge answers probes: a socket without a file, so that it works in a read-only container. Its name is its
 * mount namespace, which identifies the container, and a random number. Nobody trusts a name: each end asks the
 * kernel who owns the other socket, SO_PEERCRED of unix(7).
 */

import { linkOf } from "../../linux/proc.ts";

const PREFIX = "sd-notify-bridge.";

/** Returns a new name for a bridge of this container, without the NUL before it. */
export function newName(): string {
  return `${PREFIX}${container()}.${crypto.randomUUID()}`;
}

/** Returns the names of bridges in the text of /proc/net/unix: those of this container, or all. */
export function namesIn(table: string, all: boolean): string[] {
  const start = all ? PREFIX : `${PREFIX}${container()}.`;
  const lines = table.split("\n").map((line) => line.slice(line.lastIndexOf(" ") + 1));
  return [
    ...new Set(lines.filter((path) => path.startsWith(`@${start}`) && NAME.test(path)).map((path) => path.slice(1))),
  ];
}

// --- internal ---

/** What newName() makes. Anybody may bind another name, with bytes that are not UTF-8. */
const NAME = /^@sd-notify-bridge\.\d+\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** "mnt:[4026531841]" */
function container(): string {
  return /\d+/.exec(linkOf("self", "ns/mnt") ?? "")?.[0] ?? "0";
}
