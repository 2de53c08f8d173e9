/** What /proc says of a process: proc(5). */

import { node } from "../bun/node.ts";

/** What proc_pid_stat(5) says of a process. */
export interface Stat {
  name: string;
  /** From the state on: state, ppid, pgrp, session, tty_nr, tpgid, … */
  fields: string[];
}

/** Reads it; undefined where there is no such process, or it can't be seen. */
export function readStat(pid: number | "self"): Stat | undefined {
  try {
    return parseStat(node.fs.readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return undefined;
  }
}

/** Reads the text of /proc/PID/stat; undefined if it is none. */
export function parseStat(text: string): Stat | undefined {
  // The name, in parentheses, may contain anything.
  const [start, end] = [text.indexOf("("), text.lastIndexOf(")")];
  if (start === -1 || end < start) return undefined;
  return {
    name: text.slice(start + 1, end),
    fields: text
      .slice(end + 2)
      .trimEnd()
      .split(" "),
  };
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
