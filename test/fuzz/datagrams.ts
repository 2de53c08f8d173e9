/** Datagrams that no well-behaved service sends: random bytes, files of every kind, forged senders. */

import { existsSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from "../../ffi/constants.ts";
import { createMemfd } from "../../ffi/process.ts";
import type { Credentials } from "../../ffi/structs.ts";
import * as sys from "../../ffi/syscalls.ts";
import { parseAddress } from "../../src/protocol/address.ts";
import { type Connection, connect } from "../../src/transport/connection.ts";
import { isRoot, temporaryDirectory } from "../support/command.ts";
import type { Random } from "./random.ts";
import { messageText } from "./texts.ts";

export interface Datagram {
  bytes: Uint8Array;
  /** Names of files that the sender has. */
  files: (keyof Files)[];
  sender: "self" | "main" | "init";
  uid: number;
  gid: number;
}

export type Files = Record<(typeof FILES)[number], number>;

const FILES = [
  ...["pipe", "memfd", "file", "directory", "path", "socketPath", "datagram", "stream", "listener", "seqpacket"],
  ...["epoll", "eventfd", "pidfd", "null", "full", "terminal", "own"],
] as const;

export function anyDatagram(random: Random): Datagram {
  const text = messageText(random);
  const isLong = random.once(2000);
  return {
    bytes: isLong ? new Uint8Array(1 << random.below(18)).fill(random.below(256)) : random.bytes(text),
    files: random.once(500) ? Array.from({ length: 253 }, () => random.pick(FILES)) : anyFiles(random, text),
    sender: random.pick(["self", "self", "main", "main", "main", "init"]),
    uid: random.pick([0, 0, 0, 1000, 65534, 0xfffffffe]),
    gid: random.pick([0, 0, 1000, 0xfffffffe]),
  };
}

/** A sender that is connected, with one file of each kind. */
export class Sender implements Disposable {
  readonly files: Files;
  readonly #connection: Connection;
  readonly #directory = temporaryDirectory();
  readonly #opened: number[] = [];

  constructor(address: string) {
    this.#connection = connect(parseAddress(address, "the socket"), address);
    this.files = this.#open();
  }

  /** Sends it; without privilege, as this process. Returns whose it is. */
  send({ bytes, files, sender, uid, gid }: Datagram, mainPid: number): Credentials {
    const pid = { self: process.pid, main: mainPid, init: 1 }[sender];
    const own = { pid: process.pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    const credentials = isRoot ? { pid, uid, gid } : own;
    const { fd, name } = this.#connection;
    const length = sys.setPayload(bytes);
    sys.sendmsg(fd, 0, length, { fds: files.map((file) => this.files[file]), credentials }, 0, name);
    return credentials;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#opened) sys.close(fd);
    sys.close(this.#connection.fd);
    this.#directory[Symbol.dispose]();
  }

  // --- internal ---

  #open(): Files {
    const keep = (fd: number) => {
      this.#opened.push(fd);
      return fd;
    };
    // Not every container has every device.
    const open = (path: string) => keep(openSync(existsSync(path) ? path : "/dev/null", "r"));
    const { path } = this.#directory;
    const socket = (type: number) => keep(sys.socket(AF_UNIX, type));
    const bound = socket(SOCK_STREAM);
    sys.bind(bound, { family: "unix", path: Buffer.from(join(path, "socket")) });
    const [read, write] = sys.pipe();
    keep(write);
    return {
      pipe: keep(read),
      memfd: keep(createMemfd("fuzz")),
      file: open("/etc/passwd"),
      directory: open(path),
      path: keep(sys.openPath("/etc/passwd")),
      socketPath: keep(sys.openPath(join(path, "socket"))),
      datagram: socket(SOCK_DGRAM),
      stream: socket(SOCK_STREAM),
      listener: bound,
      seqpacket: socket(SOCK_SEQPACKET),
      // Those of Bun.
      epoll: anonymous("[eventpoll]"),
      eventfd: anonymous("[eventfd]"),
      pidfd: keep(sys.pidfdOpen(process.pid)),
      null: open("/dev/null"),
      full: open("/dev/full"),
      terminal: open("/dev/ptmx"),
      own: this.#connection.fd,
    };
  }
}

// --- internal ---

function anyFiles(random: Random, text: string): (keyof Files)[] {
  // A barrier has one.
  if (text.includes("BARRIER") && !random.once(4)) return ["pipe"];
  return random.once(2) ? [] : random.list(4, () => random.pick(FILES));
}

function anonymous(kind: string): number {
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) === `anon_inode:${kind}`) return Number(fd);
    } catch {
      // The one of readdir(3).
    }
  }
  throw new Error(`there is no ${kind}`);
}
