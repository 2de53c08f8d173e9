/** Gathers whether the processes of a unit can speak the protocol at all, and where they listen. */

import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { endianness } from "node:os";
import { basename } from "node:path";
import { findProgram } from "../../linux/find-program.ts";
import { linkOf, readBytes, readText } from "../../linux/proc.ts";
import { findSockets } from "../../linux/socket-tables.ts";
import type { Speech } from "./speech-facts.ts";

/** Looks at a process: what its program, its libraries and its script mention. */
export function gatherSpeech(pid: number): Speech | undefined {
  const program = linkOf(pid, "exe");
  if (program === undefined) return undefined;
  const command = (readBytes(pid, "cmdline") ?? "").replace(/\0$/, "").split("\0");
  const isInterpreter = INTERPRETER.test(basename(program));
  return { pid, isInterpreter, speaks: speaks(pid, command, isInterpreter), ...listensAt(pid) };
}

/** The command that a unit would call: this one, or the installed one. */
export function ownCommand(): string {
  const path = process.execPath;
  return /^bunx?(-debug|-profile)?$/.test(basename(path))
    ? (findProgram("sd-notify") ?? "/usr/local/bin/sd-notify")
    : path;
}

// --- internal ---

/** Programs that run a script. The script has to speak the protocol, not the program. */
const INTERPRETER = /^(bun|python|perl|ruby|node|php|lua|java|tclsh|deno|guile|pwsh|(ba|da|z|k|fi)?sh$|busybox)/;

const WORDS = /NOTIFY_SOCKET|sd[-_]?notify|systemd/i;

/** The variable without which nobody can speak. */
const NEEDLE = Buffer.from("NOTIFY_SOCKET");

/** A script is small. A larger file is not a script. */
const MAX_SCRIPT = 1 << 20;

function speaks(pid: number, command: readonly string[], isInterpreter: boolean): boolean | undefined {
  if (isInterpreter) {
    // A path may contain the word for another reason: a directory of systemd's or of this project's.
    if (command.some((arg) => WORDS.test(/^\/\S*$/.test(arg) ? basename(arg) : arg))) return true;
    return command.slice(1).some((arg) => WORDS.test(scriptOf(pid, arg)));
  }
  const mapped = (readText(pid, "maps") ?? "").split("\n").flatMap((line) => {
    const [, path] = /^\S+ ..x. .*? (\/.*)$/.exec(line) ?? [];
    return path === undefined ? [] : [`/proc/${pid}/root${path}`];
  });
  const files = [...new Set([`/proc/${pid}/exe`, ...mapped])];
  const found = files.map(mentions);
  if (found.includes(true)) return true;
  return found.includes(undefined) ? undefined : false;
}

function scriptOf(pid: number, arg: string): string {
  if (arg === "" || arg.startsWith("-")) return "";
  const path = arg.startsWith("/") ? `/proc/${pid}/root${arg}` : `/proc/${pid}/cwd/${arg}`;
  try {
    const stat = statSync(path);
    // A file of /proc or /sys has size 0, and reading it may wait forever: /proc/kmsg, trace_pipe.
    return stat.isFile() && stat.size > 0 && stat.size <= MAX_SCRIPT ? readFileSync(path, "utf8") : "";
  } catch {
    return "";
  }
}

function mentions(path: string): boolean | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    // A process may map /dev/zero, which has no end.
    if (!fstatSync(fd).isFile()) return false;
    const buffer = Buffer.alloc(1 << 20);
    // A word that the end of a piece cuts in two is read again with the next piece.
    for (let kept = 0; ; ) {
      const read = readSync(fd, buffer, kept, buffer.length - kept, null);
      const end = kept + read;
      if (buffer.subarray(0, end).includes(NEEDLE)) return true;
      if (read === 0) return false;
      kept = Math.min(NEEDLE.length - 1, end);
      buffer.copyWithin(0, end - kept, end);
    }
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** The sockets of the process that wait for connections. */
function listensAt(pid: number): Pick<Speech, "addresses" | "paths"> {
  const listening = findSockets(pid, socketsOf(pid)).filter((socket) => socket.listening);
  const named = (isUnix: boolean) =>
    listening.flatMap(({ family, local }) => ((family === "unix") === isUnix && local !== undefined ? [local] : []));
  const [addresses, paths] = [named(false).map(addressOf), named(true)];
  return { addresses: [...new Set(addresses)], paths: [...new Set(paths)] };
}

/** The address to connect to, made from the one that a server is bound to: words in machine byte order, proc(5). */
function addressOf(local: string): string {
  const [host = "", hex = ""] = local.split(":");
  const port = Number.parseInt(hex, 16);
  const bytes = Buffer.from(host, "hex");
  if (endianness() === "LE" && bytes.length % 4 === 0) bytes.swap32();
  if (bytes.every((byte) => byte === 0)) return `127.0.0.1:${port}`;
  if (bytes.length === 4) return `${bytes.join(".")}:${port}`;
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return `[${groups.join(":")}]:${port}`;
}

function socketsOf(pid: number): Set<number> {
  const inodes = new Set<number>();
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(pid, `fd/${fd}`) ?? "")?.[1];
      if (inode !== undefined) inodes.add(Number(inode));
    }
  } catch {
    // Hidden, or it has ended.
  }
  return inodes;
}
