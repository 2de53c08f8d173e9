/** Which messages take the short way: words alone, from the default sender. */

import { monotonicUsec, pidfdInode } from "../../ffi/datagram.ts";

/** What a plain notification says. */
export interface Plain {
  reloading: boolean;
  ready: boolean;
  stopping: boolean;
  status: string | undefined;
  /** Whether to name the sender as the main process. */
  pid: boolean;
  assignments: string[];
  /** Whether to wait for the manager. */
  wait: boolean;
}

/** Reads the arguments of process.argv; undefined when they are for command.ts to deal with, mistakes included. */
export function parsePlain(argv: readonly string[]): Plain | undefined {
  const plain: Plain = {
    reloading: false,
    ready: false,
    stopping: false,
    status: undefined,
    pid: false,
    assignments: [],
    wait: true,
  };
  let empty = true;
  for (let i = 2; i < argv.length; i++) {
    const arg = argv[i] as string;
    if (arg === "--no-block") {
      plain.wait = false;
      continue;
    }
    empty = false;
    if (arg === "--ready") plain.ready = true;
    else if (arg === "--reloading") plain.reloading = true;
    else if (arg === "--stopping") plain.stopping = true;
    else if (arg === "--pid") plain.pid = true;
    else if (arg.startsWith("--status=")) plain.status = arg.slice("--status=".length);
    else if (arg[0] !== "-" && arg.includes("=")) plain.assignments.push(arg);
    else return undefined;
  }
  return empty ? undefined : plain;
}

/** Returns the text, as compose.ts does; undefined where a field would replace another. `sender` is a process. */
export function composePlain(
  { reloading, ready, stopping, status, pid, assignments }: Plain,
  sender: number,
): string | undefined {
  let text = "";
  if (reloading) text += `\nRELOADING=1\nMONOTONIC_USEC=${monotonicUsec()}`;
  if (ready) text += "\nREADY=1";
  if (stopping) text += "\nSTOPPING=1";
  if (status !== undefined) text += `\nSTATUS=${status}`;
  if (pid) {
    const inode = pidfdInode(sender);
    if (inode === "") return undefined;
    text += `\nMAINPID=${sender}\nMAINPIDFDID=${inode}`;
  }
  for (let i = 0; i < assignments.length; i++) {
    const assignment = `\n${assignments[i]}`;
    if (text.includes(assignment.slice(0, assignment.indexOf("=") + 1))) return undefined;
    text += assignment;
  }
  return text.slice(1);
}
