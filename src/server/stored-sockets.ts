/**
 * Listening sockets that serve() and sd-notify/register have put into the fd store themselves. They come back together
 * with those that units pass. A unit decides where its sockets listen. But a stored one is only good for the place that
 * it was opened for, which its name tells.
 */

import { SHUT_RDWR } from "../../ffi/constants.ts";
import { replaceFd } from "../../ffi/process.ts";
import type { BoundAddress } from "../../ffi/structs.ts";
import * as sys from "../../ffi/syscalls.ts";
import { isWatched } from "../bun/adopt-listener.ts";
import { fromNodeError } from "../bun/fs-errors.ts";
import { node } from "../bun/node.ts";
import { attempt, type OnError } from "../report.ts";
import { removeFds } from "./fd-store.ts";
import { keyOf, type Place } from "./place.ts";
import { leadsTo } from "./unix-listener.ts";

/** A passed listening socket. */
export interface Passed {
  fd: number;
  name: string;
  address: BoundAddress | undefined;
}

/**
 * The name under which a server's own socket is stored, as in " register localhost-3000" or " serve http *-0". It is
 * made of the owner and the place that was asked for, in the program's own words: "localhost" is one address or
 * another. The space at its beginning tells it from each name that a unit gives, because systemd.syntax(7) has spaces
 * around a value ignored.
 */
export function storedName(owner: string, place: Place): string {
  return `${prefixOf(owner)}${plain(textOf(place).replaceAll(":", "."))}`;
}

/** Whether serve() or sd-notify/register has stored it. */
export function isStored({ name }: Pick<Passed, "name">): boolean {
  return /^ (register|serve .*) \S+$/.test(name);
}

/** Whether it was stored for a server of this owner, wherever that listened. */
export function isOf(owner: string, passed: Pick<Passed, "name">): boolean {
  const prefix = prefixOf(owner);
  return isStored(passed) && passed.name.startsWith(prefix) && !passed.name.slice(prefix.length).includes(" ");
}

/** Whether it has the port, or the path. */
export function isAt({ address }: Passed, place: Place): boolean {
  if (address === undefined) return false;
  if ("path" in place) return address.family === "unix" && Buffer.from(address.path).toString() === place.path;
  return "port" in address && place.port !== 0 && address.port === place.port;
}

/** Whether a server can't listen at the place as long as this socket does. */
export function isInTheWay(passed: Passed, place: Place): boolean {
  if (!isAt(passed, place)) return false;
  if ("path" in place || passed.address === undefined || !("port" in passed.address)) return true;
  const [wanted, taken] = [place.hostname ?? "", passed.address.address];
  return !isOneAddress(wanted) || !isOneAddress(taken) || wanted === taken;
}

/**
 * Whether it was stored for this place, and clients still reach it there. They don't if its path was removed, as by
 * RuntimeDirectory= at a restart, or has become another socket's.
 */
export function isUsable(passed: Passed, owner: string, place: Place): boolean {
  if (passed.name !== storedName(owner, place)) return false;
  if ("port" in place && place.port === 0) return passed.address !== undefined && "port" in passed.address;
  return isAt(passed, place) && !isLost(passed);
}

/** Whether no client finds it, because its path does not lead to it any more. */
export function isLost({ fd, address }: Passed): boolean {
  if (address?.family !== "unix") return false;
  const path = Buffer.from(address.path).toString();
  return path !== "" && !path.startsWith("\0") && !leadsTo(path, fd);
}

/** Whether a server of this process accepts from it, in whichever thread, or may do so. */
export function isServedAnywhere({ fd }: Passed): boolean {
  try {
    return isWatched(fd);
  } catch {
    // There is no fd left to read /proc.
    return true;
  }
}

/**
 * Gives up stored sockets. Their ports are free at once and clients are refused, although the service manager, and
 * threads of this process, may close them later.
 */
export function discard(stored: readonly Passed[], onError: OnError): void {
  for (const { fd, name } of stored) {
    attempt(onError, () => sys.shutdown(fd, SHUT_RDWR));
    // $LISTEN_FDS still counts it, so nothing else may get its number.
    attempt(onError, () => putNull(fd));
    attempt(onError, () => removeFds(name));
  }
}

// --- internal ---

/** Of FDNAME='s 255 characters, for the owner and for the place. */
const MAX_PART = 120;

/** Not all addresses of the machine, nor a name, nor one of IPv4 in the words of IPv6. */
function isOneAddress(hostname: string): boolean {
  return node.net.isIP(hostname) !== 0 && !["0.0.0.0", "::"].includes(hostname) && !/^::ffff:/i.test(hostname);
}

function prefixOf(owner: string): string {
  const [kind = "", name] = owner.split(/ (.*)/s);
  return name === undefined ? ` ${kind} ` : ` ${kind} ${name.length > MAX_PART ? hash(name) : name} `;
}

function textOf(place: Place): string {
  if ("path" in place) return keyOf(place);
  return `${place.hostname ?? "*"}-${place.port}${place.ipv6Only ? "-ipv6" : ""}`;
}

/** A text that FDNAME= may have, and that has no space. */
function plain(text: string): string {
  return text.length <= MAX_PART && /^[\x21-\x7e]+$/.test(text) ? text : hash(text);
}

function hash(text: string): string {
  return `#${Bun.hash(text).toString(36)}`;
}

function putNull(fd: number): void {
  const empty = openNull();
  try {
    replaceFd(empty, fd);
  } finally {
    sys.close(empty);
  }
}

function openNull(): number {
  try {
    return node.fs.openSync("/dev/null", "r");
  } catch (error) {
    throw fromNodeError(error, "Cannot open /dev/null");
  }
}
