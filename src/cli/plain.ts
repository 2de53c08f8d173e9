/** Finds the messages that take the short way: text without fds, from the default sender. */

import { monotonicUsec, pidfdInode } from "../../ffi/datagram.ts";

/** What a plain notification says. */
export interface Plain {
  reloading: boolean;
  /** The fields of --ready, --stopping and --status, each after a newline. */
  fields: string;
  /** Whether to name the sender as the main process. */
  pid: boolean;
  assignments: string[];
  /** Whether to wait for the manager. */
  wait: boolean;
}

/** Reads the arguments of process.argv. Returns undefined if command.ts must deal with them, mistakes included. */
export function parsePlain(argv: readonly string[]): Plain | undefined {
  const plain: Plain = { reloading: false, fields: "", pid: false, assignments: [], wait: true };
  let ready = "";
  let stopping = "";
  let status = "";
  for (let i = 2; i < argv.length; i++) {
    const arg = argv[i] as string;
    if (arg === "--ready") ready = "\nREADY=1";
    else if (arg === "--reloading") plain.reloading = true;
    else if (arg === "--stopping") stopping = "\nSTOPPING=1";
    else if (arg === "--pid") plain.pid = true;
    else if (arg === "--no-block") plain.wait = false;
    else if (arg.startsWith("--status=")) status = `\nSTATUS=${arg.slice("--status=".length)}`;
    else if (arg[0] !== "-" && arg.includes("=")) plain.assignments.push(arg);
    else return undefined;
  }
  plain.fields = ready + stopping + status;
  return plain;
}

/** Returns the text, as composeMessage() does; undefined if there is none, or if a field would replace another. */
export function composePlain({ reloading, fields, pid, assignments }: Plain, sender: number): string | undefined {
  let text = reloading ? `\nRELOADING=1\nMONOTONIC_USEC=${monotonicUsec()}${fields}` : fields;
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
  return text === "" ? undefined : text.slice(1);
}
