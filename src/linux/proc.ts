/** What /proc tells about processes: proc(5). */

import { node } from "../bun/node.ts";
import { decodeBytes } from "./bytes.ts";

/** What proc_pid_stat(5) says about a process. */
export interface Stat {
  name: string;
  /** The fields that follow the name: state, ppid, pgrp, session, tty_nr, tpgid, … */
  fields: string[];
}

/** Reads the stat file of a process; undefined if there is no such process, or if it can't be seen. */
export function readStat(pid: number | "self"): Stat | undefined {
  try {
    return parseStat(node.fs.readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return undefined;
  }
}

/** Returns a file of /proc/PID as text; undefined if it can't be read. */
export function readText(pid: number | string, file: string): string | undefined {
  try {
    return node.fs.readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}

/** Returns the target of a link in /proc/PID; undefined if it can't be read. */
export function linkOf(pid: number | string, file: string): string | undefined {
  try {
    return decodeBytes(node.fs.readlinkSync(`/proc/${pid}/${file}`, "buffer"));
  } catch {
    return undefined;
  }
}

/** Like readText(), for a file that need not be UTF-8. */
export function readBytes(pid: number, file: string): string | undefined {
  try {
    return decodeBytes(node.fs.readFileSync(`/proc/${pid}/${file}`));
  } catch {
    return undefined;
  }
}

/**
 * Returns the signals that a process treats in one of these ways, proc_pid_status(5); undefined if it can't be seen.
 */
export function readSignals(
  pid: number | "self",
  ways: readonly ("SigBlk" | "SigIgn" | "SigCgt")[],
): number[] | undefined {
  const text = readText(pid, "status");
  if (text === undefined) return undefined;
  // "^" with the flag m would also match after a carriage return, which a process' name may contain.
  const lines = text.split("\n").map((line) => line.split(/:\s*/, 2));
  const masks = lines.filter(([name]) => ways.some((way) => way === name)).map(([, mask]) => BigInt(`0x${mask}`));
  const all = masks.reduce((one, other) => one | other, 0n);
  return Array.from({ length: 64 }, (_, i) => i + 1).filter((signal) => (all & (1n << BigInt(signal - 1))) !== 0n);
}

/**
 * Returns the working directory of a process; undefined if it was removed or can't be seen. The path of a removed one
 * ends with " (deleted)", but the name of any directory may end so.
 */
export function directoryOf(pid: number): string | undefined {
  const path = linkOf(pid, "cwd");
  try {
    return path?.endsWith(" (deleted)") && node.fs.statSync(`/proc/${pid}/cwd`).nlink === 0 ? undefined : path;
  } catch {
    return undefined;
  }
}

/** Returns the name of a process, as ps(1) shows it. (/proc/PID/status escapes some characters of it.) */
export function nameOf(pid: number): string {
  return readBytes(pid, "comm")?.replace(/\n$/, "") ?? "";
}

/** Reads the text of /proc/PID/stat, with one character for each byte; undefined if it is malformed. */
export function parseStat(text: string): Stat | undefined {
  // The name, in parentheses, may contain anything.
  const [start, end] = [text.indexOf("("), text.lastIndexOf(")")];
  if (start === -1 || end < start) return undefined;
  const fields = text.slice(end + 2).replace(/\n$/, "");
  return { name: decodeBytes(Buffer.from(text.slice(start + 1, end), "latin1")), fields: fields.split(" ") };
}

/** Reads the text of /proc/PID/environ. The first of two equal names counts, as for getenv(3). */
export function parseEnvironment(text: string): Map<string, string> {
  const environment = new Map<string, string>();
  for (const assignment of text.split("\0")) {
    const equals = assignment.indexOf("=");
    const name = assignment.slice(0, equals);
    if (equals > 0 && !environment.has(name)) environment.set(name, assignment.slice(equals + 1));
  }
  return environment;
}
