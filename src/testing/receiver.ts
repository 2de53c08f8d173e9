/**
 * A service manager that only listens: a program that binds a socket, receives notifications as PID 1 does (with the
 * sender's credentials) and prints each as a line of JSON. It closes the fds it gets, which acknowledges a barrier;
 * with `--hold` it keeps them until it ends.
 *
 *     bun src/testing/receiver.ts ADDRESS [--hold]
 */

import { fstatSync, readFileSync, writeSync } from "node:fs";
import { AF_UNIX, SO_PASSCRED, SOCK_DGRAM } from "../../ffi/constants.ts";
import * as sys from "../../ffi/syscalls.ts";
import { parseAddress } from "../address.ts";

/** A notification as it was received. */
export interface Received {
  /** The message; each byte that is not UTF-8 is U+FFFD. */
  text: string;
  /** Its length in bytes, and their SHA-256 as hexadecimal digits. */
  length: number;
  sha256: string;
  pid: number;
  uid: number;
  gid: number;
  /** The sender's name, as in ps(1), if it still existed. */
  name: string;
  fds: FileIdentity[];
}

/** What a file descriptor refers to. */
export interface FileIdentity {
  dev: number;
  ino: number;
  mode: number;
}

if (import.meta.main) {
  const [, , address = "", hold] = process.argv;
  receive(address, hold === "--hold");
}

// --- internal ---

function receive(text: string, hold: boolean): never {
  const address = parseAddress(text, "the address");
  if (address.family !== "unix") throw new TypeError(`Cannot listen on ${text}: only on paths and abstract names`);
  const socket = sys.socket(AF_UNIX, SOCK_DGRAM);
  sys.setSocketOption(socket, SO_PASSCRED, 1);
  sys.bind(socket, address, text);
  print({ listening: text });
  for (;;) {
    const { data, credentials, fds } = sys.recvmsg(socket);
    const { pid = 0, uid = 0, gid = 0 } = credentials ?? {};
    print({
      text: new TextDecoder().decode(data),
      length: data.length,
      sha256: new Bun.CryptoHasher("sha256").update(data).digest("hex"),
      pid,
      uid,
      gid,
      name: processName(pid),
      fds: fds.map(identify),
    } satisfies Received);
    if (!hold) for (const fd of fds) sys.close(fd);
  }
}

function identify(fd: number): FileIdentity {
  const { dev, ino, mode } = fstatSync(fd);
  return { dev, ino, mode };
}

function processName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return "";
  }
}

function print(line: object): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}
