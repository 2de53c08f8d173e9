/**
 * What /proc tells of sockets: proc_pid_net(5). Anybody can forge a row of the table "unix": the name of a socket may
 * contain a newline, and the kernel escapes nothing, so what follows reads like a row. The forger can add rows, but
 * can't hide any. So the other tables count first, and if rows contradict each other, nothing is told of a socket.
 */

import { readText } from "./proc.ts";

export interface SocketFacts {
  family: "unix" | "inet" | "inet6" | "netlink" | "other";
  type: "stream" | "dgram" | "seqpacket" | "raw" | "other";
  listening: boolean;
}

/** What a row says about a socket. */
export interface SocketRow extends SocketFacts {
  inode: number;
  /** If it is listening: a path, "@" and an abstract name, or an address as the kernel writes it: "0100007F:1F90". */
  local?: string | undefined;
}

/** A row of the table "unix" that has a name. */
export interface UnixName {
  type: SocketFacts["type"];
  /** A path, or "@" and an abstract name. */
  name: string;
}

/**
 * Looks a socket up by the inode number of its fd, in the tables of this process' network namespace. It is for a
 * process that can't ask getsockopt(2). Returns undefined if the socket is of another namespace, of a kind that has no
 * table, such as vsock, or if rows contradict each other.
 */
export function findSocket(inode: number): SocketFacts | undefined {
  const [row] = findSockets("self", new Set([inode]));
  return row && { family: row.family, type: row.type, listening: row.listening };
}

/** Looks sockets up in the tables of a process. Those whose rows contradict each other are left out. */
export function findSockets(pid: number | "self", inodes: ReadonlySet<number>): SocketRow[] {
  const found = new Map<number, SocketRow | undefined>();
  for (const { name, parse } of TABLES) {
    const certain = new Set(found.keys());
    for (const line of linesOf(pid, name)) {
      const row = parse(line);
      // An inode number belongs to one socket, whatever its kind.
      if (!row || !inodes.has(row.inode) || certain.has(row.inode)) continue;
      const agrees = !found.has(row.inode) || areEqual(found.get(row.inode), row);
      found.set(row.inode, agrees ? row : undefined);
    }
  }
  return [...found.values()].filter((row) => row !== undefined);
}

/**
 * Returns the names in the table "unix" of a process; undefined if it can't be read. Some of them may be forged: they
 * are no more than a hint.
 */
export function unixNames(pid: number | "self"): UnixName[] | undefined {
  const text = readText(pid, "net/unix");
  return text === undefined ? undefined : parseUnixNames(text);
}

/** Reads the names in the text of /proc/PID/net/unix. */
export function parseUnixNames(text: string): UnixName[] {
  return text.split("\n").flatMap((line) => {
    const { type, name } = unixRow(line) ?? {};
    return type === undefined || name === undefined ? [] : [{ type, name }];
  });
}

// --- internal ---

interface Table {
  name: string;
  parse: (line: string) => SocketRow | undefined;
}

/** TCP_LISTEN of <netinet/tcp.h>, as in the column "st". */
const LISTEN = "0A";

/** __SO_ACCEPTCON of <linux/net.h>, as in the column "Flags". */
const ACCEPTS = "00010000";

/** unix_seq_show() of the kernel's net/unix/af_unix.c. The name may contain anything. */
const UNIX_ROW = /^\S+: \S+ \S+ (?<flags>\S+) (?<type>\S+) \S+ +(?<inode>\d+)(?: (?<name>.*))?$/s;

const UNIX_TYPES: Record<string, SocketFacts["type"]> = { "0001": "stream", "0002": "dgram", "0005": "seqpacket" };

/** SOCK_RAW and SOCK_DGRAM, in decimal digits. */
const PACKET_TYPES: Record<string, SocketFacts["type"]> = { 2: "dgram", 3: "raw" };

/** The one with names, which can be forged, comes last. */
const TABLES: readonly Table[] = [
  ...inet("tcp", "stream"),
  ...inet("udp", "dgram"),
  ...inet("udplite", "dgram"),
  ...inet("icmp", "dgram"),
  ...inet("raw", "raw"),
  plain("netlink", 9, () => ({ family: "netlink", type: "raw", listening: false })),
  plain("packet", 8, ([, , type = ""]) => ({ family: "other", type: PACKET_TYPES[type] ?? "other", listening: false })),
  { name: "unix", parse: parseUnix },
];

function unixRow(line: string) {
  const { flags = "", type = "", inode, name } = UNIX_ROW.exec(line)?.groups ?? {};
  if (inode === undefined) return undefined;
  return { type: UNIX_TYPES[type] ?? "other", listening: flags === ACCEPTS, inode: Number(inode), name };
}

function parseUnix(line: string): SocketRow | undefined {
  const row = unixRow(line);
  if (!row) return undefined;
  const { type, listening, inode, name } = row;
  return { family: "unix", type, listening, inode, ...(listening && { local: name }) };
}

/** The tables of an internet protocol, for IPv4 and IPv6. */
function inet(protocol: string, type: SocketFacts["type"]): Table[] {
  return (["inet", "inet6"] as const).map((family) =>
    plain(family === "inet6" ? `${protocol}6` : protocol, 9, ([, local, , state]) => {
      const listening = protocol === "tcp" && state === LISTEN;
      return { family, type, listening, ...(listening && { local }) };
    }),
  );
}

/** A table without names: its columns can be told apart by the blanks. */
function plain(name: string, column: number, facts: (cells: string[]) => Omit<SocketRow, "inode">): Table {
  return {
    name,
    parse: (line) => {
      const cells = line.trim().split(/\s+/);
      const inode = cells[column] ?? "";
      return /^\d+$/.test(inode) ? { ...facts(cells), inode: Number(inode) } : undefined;
    },
  };
}

/** Returns nothing if this kernel does not have the protocol. */
function linesOf(pid: number | "self", table: string): string[] {
  return readText(pid, `net/${table}`)?.split("\n") ?? [];
}

function areEqual(one: SocketRow | undefined, other: SocketRow): boolean {
  return (["family", "type", "listening", "local"] as const).every((key) => one?.[key] === other[key]);
}
