/** What stands between systemd and a program, and the way around it. Pure. */

import { basename } from "node:path";
import type { Process, SocketFacts, Unit } from "./facts.ts";
import { bindPath, type Said } from "./unit-syntax.ts";

/** Programs that switch to another user, and what each needs in order to keep $NOTIFY_SOCKET. */
const CHANGERS: Record<string, string> = {
  sudo: "sudo --preserve-env=NOTIFY_SOCKET",
  doas: "doas with setenv { NOTIFY_SOCKET } in doas.conf",
  su: "su without -",
  runuser: "runuser without -",
};

/**
 * The nearest ancestor, up to the main process, that has $NOTIFY_SOCKET and has not passed it on. Undefined if none
 * has it. Then it was never set, or a program such as env(1) removed it before it executed another one.
 */
export function keeperOf(process: Process, unit: Unit): Process | undefined {
  const all = "value" in unit.processes ? unit.processes.value : [];
  const seen = new Set<number>();
  for (let at = all.find(({ pid }) => pid === process.parent); at && !seen.has(at.pid); ) {
    if ("value" in at.environment && at.environment.value.NOTIFY_SOCKET !== undefined) return at;
    seen.add(at.pid);
    const { parent } = at;
    at = all.find(({ pid }) => pid === parent);
  }
  return undefined;
}

/**
 * The way around a program that switches to another user: systemd can do that itself. Undefined for other programs.
 * For sudo(8), it names the command that sudo runs too.
 */
export function withoutChanger(changer: string, worker: Process, unit: Unit): string | undefined {
  const keeps = CHANGERS[changer];
  if (keeps === undefined) return undefined;
  const [line = "", ...others] = unit.execStart ?? [];
  const command = changer === "sudo" && others.length === 0 ? behindSudo(line) : undefined;
  const user = command?.user ?? `${worker.uid}`;
  const start = command ? ` and ExecStart=${command.rest}` : `, and ExecStart= without ${changer}`;
  return `User=${user}${start}; or NotifyAccess=all and ${keeps}`;
}

/** The way to a socket that the process can't see: it stands in another root, or something lies over it. */
export function wayTo(address: string, { root }: SocketFacts, unit: Unit | undefined): { why?: string; cure: Said } {
  const cover = unit && coverOf(address, unit);
  if (cover !== undefined) return { why: `InaccessiblePaths=${cover} hides it`, cure: uncover(cover) };
  if (root === undefined) return { cure: prefixed(bindPath(address)) };
  const target = bindPath(`${root}${address}`);
  const source = bindPath(address);
  if (!("text" in source)) return { cure: source };
  return {
    why: `its root directory is ${root}, as after chroot(8)`,
    cure: "text" in target ? { text: `BindReadOnlyPaths=${source.text}:${target.text}` } : target,
  };
}

/** A path of InaccessiblePaths= that contains the address. */
export function coverOf(address: string, { configuration }: Unit): string | undefined {
  const values = configuration.files.flatMap(({ assignments }) =>
    assignments.filter(({ name }) => name === "InaccessiblePaths").map(({ value }) => value),
  );
  const paths = values.slice(values.lastIndexOf("") + 1).flatMap((value) => value.split(/[ \t]+/));
  return paths.find((path) => {
    const plain = path.replace(/^[-+]*/, "").replace(/\/+$/, "");
    return address === plain || address.startsWith(`${plain}/`);
  });
}

// --- internal ---

function prefixed(said: Said): Said {
  return "text" in said ? { text: `BindReadOnlyPaths=${said.text}` } : said;
}

function uncover(path: string): Said {
  return { text: `InaccessiblePaths= without ${path}` };
}

/** sudo(8): the command after its options, and the user of -u. */
function behindSudo(line: string): { user: string; rest: string } | undefined {
  const words = line.split(/[ \t]+/);
  if (basename(words.shift()?.replace(/^[-:+!|]*/, "") ?? "") !== "sudo") return undefined;
  let user = "root";
  for (;;) {
    const word = words[0];
    if (word === undefined) return undefined;
    if (!word.startsWith("-")) break;
    words.shift();
    if (word === "--") break;
    const [, named] = /^(?:-u|--user=)(.+)$/.exec(word) ?? [];
    if (named !== undefined) user = named;
    else if (word === "-u" || word === "--user") user = words.shift() ?? user;
    else if (/^(-[gChpRrTtD]|--(group|host|prompt|chdir|chroot))$/.test(word)) words.shift();
    else if (!/^(-[AbEHknPSN]+|--(preserve-env|set-home|non-interactive|background)(=.*)?)$/.test(word))
      return undefined;
  }
  // Other programs are looked up in the $PATH that sudo sets.
  return /^["']?\//.test(words[0] ?? "") && /^[\w.-]+$/.test(user) ? { user, rest: words.join(" ") } : undefined;
}
