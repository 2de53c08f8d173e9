/** What /proc says about a socket, for a process that can't ask getsockopt(2). */

import { node } from "../bun/node.ts";

export interface SocketFacts {
  family: "unix" | "inet" | "inet6" | "netlink" | "other";
  type: "stream" | "dgram" | "seqpacket" | "raw" | "other";
  listening: boolean;
}

/**
 * Looks a socket up by the inode number of its fd, in the tables of this process' network namespace: proc_pid_net(5).
 * Returns undefined if it is of another namespace, or of a kind that has no table, such as vsock.
 */
export function findSocket(inode: number): SocketFacts | undefined {
  for (const { name, column, facts } of TABLES) {
    for (const line of readLines(`/proc/self/net/${name}`)) {
      const cells = line.trim().split(/\s+/);
      if (cells[column] === `${inode}`) return facts(cells);
    }
  }
  return undefined;
}

// --- internal ---

interface Table {
  name: string;
  /** The column that has the inode number. */
  column: number;
  facts: (cells: string[]) => SocketFacts;
}

/** TCP_LISTEN of <netinet/tcp.h>, as in the column "st". */
const LISTEN = "0A";

/** __SO_ACCEPTCON of <linux/net.h>, as in the column "Flags". */
const ACCEPTS = "00010000";

const UNIX_TYPES: Record<string, SocketFacts["type"]> = { "0001": "stream", "0002": "dgram", "0005": "seqpacket" };

const TABLES: readonly Table[] = [
  {
    name: "unix",
    column: 6,
    facts: ([, , , flags, type = ""]) => ({
      family: "unix",
      type: UNIX_TYPES[type] ?? "other",
      listening: flags === ACCEPTS,
    }),
  },
  ...inet("tcp", "stream"),
  ...inet("udp", "dgram"),
  ...inet("udplite", "dgram"),
  ...inet("icmp", "dgram"),
  ...inet("raw", "raw"),
  { name: "netlink", column: 9, facts: () => ({ family: "netlink", type: "raw", listening: false }) },
];

/** The tables of an internet protocol, for IPv4 and IPv6. */
function inet(protocol: string, type: SocketFacts["type"]): Table[] {
  return (["inet", "inet6"] as const).map((family) => ({
    name: family === "inet6" ? `${protocol}6` : protocol,
    column: 9,
    facts: ([, , , state]) => ({ family, type, listening: protocol === "tcp" && state === LISTEN }),
  }));
}

function readLines(path: string): string[] {
  try {
    return node.fs.readFileSync(path, "latin1").split("\n");
  } catch {
    // This kernel does not have the protocol.
    return [];
  }
}
