/**
 * Looks up where a process would send to, as that process sees it: with its root, network namespace and rights. The
 * kernel says what kind of socket is there. What /proc/net/unix says accuses nobody, because anybody can forge a row.
 */

import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { ECONNREFUSED, EPROTOTYPE } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/errno.ts";
import { close } from "../../../ffi/syscalls.ts";
import { linkOf } from "../../linux/proc.ts";
import { unixNames } from "../../linux/socket-tables.ts";
import { parseAddress } from "../../protocol/address.ts";
import { kernelNameOf } from "../../receiver/private-socket.ts";
import { connect } from "../../transport/connection.ts";
import type { Fact, SocketFacts } from "./facts.ts";

/** What decides whether a process may write. */
export interface Rights {
  pid: number;
  uid: number;
  groups: readonly number[];
  /** CapEff of proc(5). */
  capabilities: bigint;
}

/** Returns undefined if the address is malformed or a virtual machine's: there is nothing to look at. */
export function lookAtSocket(address: string, rights: Rights): Fact<SocketFacts> | undefined {
  try {
    if (parseAddress(address, "$NOTIFY_SOCKET").family !== "unix") return undefined;
  } catch {
    return undefined;
  }
  return address.startsWith("@") ? lookAtName(address, rights.pid) : lookAtPath(address, rights);
}

/**
 * Walks a path inside a root, as the kernel would for a process of that root, and says whether its rights suffice.
 * Returns the path without links too.
 */
export function walk(
  root: string,
  path: string,
  rights: Rights,
): { path: string; stat: Stats; writable: boolean } | undefined {
  let searchable = true;
  let at = "";
  const parts = path.split("/").filter(Boolean);
  for (let links = 0; ; ) {
    const part = parts.shift();
    if (part === undefined) break;
    if (part === ".") continue;
    if (part === "..") {
      at = at.slice(0, Math.max(at.lastIndexOf("/"), 0));
      continue;
    }
    let stat: Stats;
    try {
      searchable &&= may(lstatSync(`${root}${at}/`), EXECUTE, rights);
      stat = lstatSync(`${root}${at}/${part}`);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw error;
    }
    if (stat.isSymbolicLink()) {
      if (++links > 40) return undefined;
      const target = readlinkSync(`${root}${at}/${part}`);
      if (target.startsWith("/")) at = "";
      parts.unshift(...target.split("/").filter(Boolean));
      continue;
    }
    at += `/${part}`;
    if (parts.length === 0) return { path: `${root}${at}`, stat, writable: searchable && may(stat, WRITE, rights) };
  }
  return { path: `${root}${at}/`, stat: lstatSync(`${root}${at}/`), writable: false };
}

// --- internal ---

/** inode(7): of three bits. */
const WRITE = 2;
const EXECUTE = 1;

/** capabilities(7): bits. */
const CAP_DAC_OVERRIDE = 1n << 1n;

function lookAtPath(path: string, rights: Rights): Fact<SocketFacts> {
  const { pid } = rights;
  try {
    const there = walk(`/proc/${pid}/root`, path, rights);
    if (!there) {
      const elsewhere = existsIn("/proc/1/root", path, rights);
      return { value: { found: "nothing", elsewhere, ...rootOf(pid) } };
    }
    if (!there.stat.isSocket()) return { value: { found: "other" } };
    const answer = tryToConnect(there.path);
    if (answer === "nobody") return { value: { found: "nobody" } };
    // The socket's network namespace is not known. It may be that of the process, of PID 1 or of this process.
    const claimed = [pid, 1, "self" as const].flatMap((pid) => typesOf(pid, kernelNameOf(path)) ?? []);
    return { value: { found: "socket", ...typeFrom(answer, claimed), writable: there.writable } };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const denied = code === "EACCES" || code === "EPERM";
    return { unknown: denied ? `no right to see the file system of process ${pid}: run this as root` : message };
  }
}

/** The root as a path, seen from here. The root of another mount namespace is "/" here too. */
function rootOf(pid: number): Pick<SocketFacts, "root"> {
  const root = linkOf(pid, "root");
  return root === undefined || root === "/" ? {} : { root };
}

function lookAtName(name: string, pid: number): Fact<SocketFacts> {
  const claimed = typesOf(pid, name);
  if (claimed === undefined) return { unknown: `no right to see the sockets of process ${pid}: run this as root` };
  const [its, own] = [pid, "self"].map((pid) => linkOf(pid, "ns/net"));
  // A name is of one network namespace, and from another it can't be reached.
  const answer = its !== undefined && its === own ? tryToConnect(name) : undefined;
  if (answer !== "nobody" && (answer !== undefined || claimed.length > 0)) {
    return { value: { found: "socket", ...typeFrom(answer, claimed) } };
  }
  const others = [1, "self"] as const;
  const isolated = others.some((other) => {
    const namespace = linkOf(other, "ns/net");
    return its !== undefined && namespace !== undefined && its !== namespace;
  });
  const elsewhere = others.some((pid) => (typesOf(pid, name)?.length ?? 0) > 0);
  return { value: { found: "nobody", elsewhere: elsewhere || isolated } };
}

/** How the kernel answers if a datagram socket is connected to another one. */
type Answer = "datagram" | "other" | "nobody";

/** Connects a datagram socket, which the other side does not notice. Returns undefined if that tells nothing. */
function tryToConnect(to: string): Answer | undefined {
  try {
    close(connect(parseAddress(to, "$NOTIFY_SOCKET"), to).fd);
    return "datagram";
  } catch (error) {
    if (isErrno(error, EPROTOTYPE)) return "other";
    // unix(7): no socket is bound to the name, or the one that made the file has been closed.
    if (isErrno(error, ECONNREFUSED)) return "nobody";
    // This process may not write to it, or can't call libc.
    return undefined;
  }
}

function typeFrom(answer: Answer | undefined, claimed: readonly SocketType[]): Pick<SocketFacts, "type" | "claimed"> {
  const [type, ...others] = [...new Set(claimed)];
  const agreed = others.length === 0 ? type : undefined;
  if (answer === "datagram" || (answer === undefined && agreed === "datagram")) return { type: "datagram" };
  if (answer === "other") return { type: agreed === undefined || agreed === "datagram" ? "other" : agreed };
  return type === undefined ? {} : { claimed: [type, ...others] };
}

function existsIn(root: string, path: string, rights: Rights): boolean | undefined {
  try {
    return walk(root, path, rights) !== undefined;
  } catch {
    return undefined;
  }
}

type SocketType = NonNullable<SocketFacts["type"]>;

/** What the table of a process says of a name; undefined if that is hidden. */
function typesOf(pid: number | "self", name: string): SocketType[] | undefined {
  const rows = unixNames(pid)?.filter((row) => row.name === name);
  return rows?.map(({ type }) => (type === "dgram" ? "datagram" : type === "raw" ? "other" : type));
}

/** path_resolution(7), "Permissions". */
function may({ uid, gid, mode }: Stats, bit: number, rights: Rights): boolean {
  if (rights.capabilities & CAP_DAC_OVERRIDE) return true;
  const shift = uid === rights.uid ? 6 : rights.groups.includes(gid) ? 3 : 0;
  return ((mode >> shift) & bit) !== 0;
}
