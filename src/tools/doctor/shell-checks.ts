/** Checks of command lines that are written for a shell, or that come too early or too late. */

import { shorten } from "../../protocol/shorten.ts";
import { inForce, type Placed } from "./assignments.ts";
import type { Check, Unit } from "./facts.ts";
import { shellSyntax } from "./shell-syntax.ts";
import { isInTrouble } from "./trouble.ts";
import { isWaiting } from "./unit-state.ts";

/** systemd passes "&&" and ">" to the program, and takes "cd" for one. */
export function checkShellSyntax(unit: Unit): Check[] {
  return commandsOf(unit).flatMap((placed): Check[] => {
    const { name, value } = placed.assignment;
    const found = shellSyntax(name, value, unit.type);
    if (!found) return [];
    const { word, isProgram, instead } = found;
    const effect = isProgram ? "it is taken for the program" : "the program gets it as an argument";
    const why = `${shorten(word, MAX_SHOWN)} is for a shell, and systemd runs none: ${effect}`;
    const cure = instead?.join(" and ") ?? `${name}= with a script that has this line`;
    return [{ name: "shell", result: isInTrouble(unit) ? "failed" : "note", what: titleOf(placed), why, cure }];
  });
}

/** READY=1 counts while the program of ExecStart= is starting, and ExecStartPost= waits for it. */
export function checkReadyCommands(unit: Unit): Check[] {
  if (!isWaiting(unit)) return [];
  return commandsOf(unit).flatMap((placed): Check[] => {
    const { name, value } = placed.assignment;
    if (!SENDS_READY.test(value) || !(name in TIMES)) return [];
    const why = `it sends READY=1${TIMES[name]}`;
    const cure = `Type=exec, without this ${name}=; or READY=1 from the program of ExecStart=`;
    return [{ name: "ready-command", result: "failed", what: titleOf(placed), why, cure }];
  });
}

// --- internal ---

/** How much of a line is quoted. */
const MAX_SHOWN = 80;

const SENDS_READY = /(?:\bsystemd-notify|\bsd-notify)\b.*(?:--ready(?![\w-])|\bREADY=1)/;

const TIMES: Readonly<Record<string, string>> = {
  ExecStartPre: " before the program of ExecStart= is started, and systemd waits for one that comes after that",
  ExecStartPost: ", but it is run only when READY=1 has come",
};

function commandsOf({ configuration }: Unit): Placed[] {
  return inForce(configuration).filter(
    ({ assignment: { section, name } }) => section === "Service" && /^Exec[A-Z]\w+$/.test(name) && !/Paths$/.test(name),
  );
}

function titleOf({ path, assignment: { name, value, line } }: Placed): string {
  return `${name}=${shorten(value, MAX_SHOWN)}, line ${line} of ${path}`;
}
