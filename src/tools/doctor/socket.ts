/** Looks up where a process would send to, as that process sees it: with its root, network namespace and rights. */

import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { linkOf, readText } from "../../linux/proc.ts";
import { parseAddress } from "../../protocol/address.ts";
import { kernelNameOf } from "../../receiver/private-socket.ts";
import type { Fact, SocketFacts } from "./facts.ts";
import { parseUnixSockets, type UnixSocket } from "./parse.ts";

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

/** Walks a path inside a root, as the kernel would for a process of that root, and says whether its rights suffice. */
export function walk(root: string, path: string, rights: Rights): { stat: Stats; writable: boolean } | undefined {
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
    if (parts.length === 0) return { stat, writable: searchable && may(stat, WRITE, rights) };
  }
  return { stat: lstatSync(`${root}${at}/`), writable: false };
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
    // The socket's namespace is not known. It may be that of the process, of PID 1 or of this process.
    const listening = [`${pid}`, "1", "self"].flatMap((pid) => socketsOf(pid) ?? []);
    const name = kernelNameOf(path);
    const type = listening.find(({ address }) => address === name)?.type;
    return { value: { found: "socket", type, writable: there.writable } };
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
  const sockets = socketsOf(`${pid}`);
  if (sockets === undefined) return { unknown: `no right to see the sockets of process ${pid}: run this as root` };
  const type = sockets.find(({ address }) => address === name)?.type;
  if (type !== undefined) return { value: { found: "socket", type } };
  const isolated = ["1", "self"].some((other) => {
    const [its, others] = [linkOf(pid, "ns/net"), linkOf(other, "ns/net")];
    return its !== undefined && others !== undefined && its !== others;
  });
  const elsewhere = ["1", "self"].some((pid) => socketsOf(pid)?.some(({ address }) => address === name));
  return { value: { found: "nobody", elsewhere: elsewhere || isolated } };
}

function existsIn(root: string, path: string, rights: Rights): boolean | undefined {
  try {
    return walk(root, path, rights) !== undefined;
  } catch {
    return undefined;
  }
}

function socketsOf(pid: string): UnixSocket[] | undefined {
  const text = readText(pid, "net/unix");
  return text === undefined ? undefined : parseUnixSockets(text);
}

/** path_resolution(7), "Permissions". */
function may({ uid, gid, mode }: Stats, bit: number, rights: Rights): boolean {
  if (rights.capabilities & CAP_DAC_OVERRIDE) return true;
  const shift = uid === rights.uid ? 6 : rights.groups.includes(gid) ? 3 : 0;
  return ((mode >> shift) & bit) !== 0;
}
