/**
 * A receiver in a process of its own, which prints each notification as a line of JSON. With `--hold` it
 * answers no barrier.
 *
 *     bun test/support/receiver-process.ts ADDRESS [--hold]
 */

import { fstatSync, readFileSync, writeSync } from "node:fs";
import { type Message, openReceiver } from "../../src/receiver/receiver.ts";

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
  const receiver = openReceiver({ address, barriers: "hold" });
  print({ listening: address });
  for await (const message of receiver) {
    print(describe(message));
    if (hold !== "--hold") message.close();
  }
}

function describe({ text, bytes, pid, uid, gid, fds }: Message): Received {
  const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  return { text, length: bytes.length, sha256, pid, uid, gid, name: processName(pid), fds: fds.map(identify) };
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
