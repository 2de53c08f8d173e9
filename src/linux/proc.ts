import { node } from "../bun/node.ts";
import { decodeBytes } from "./bytes.ts";

/** What proc_pid_stat(5) says of a process. */
export interface Stat {
  name: string;
  /** From the state on: state, ppid, pgrp, session, tty_nr, tpgid, … */
  fields: string[];
}

/** Reads it; undefined where there is no such process, or it can't be seen. */
export function readStat(pid: number | "self"): Stat | undefined {
  try {
    const text = node.fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may contain anything.
    const end = text.lastIndexOf(")");
    return {
      name: decodeBytes(Buffer.from(text.slice(text.indexOf("(") + 1, end), "latin1")),
      fields: text.slice(end + 2).split(" "),
    };
  } catch {
    return undefined;
  }
}
