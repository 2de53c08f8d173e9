/**
 * THE table that the completions are made of: the options of the command and of its subcommands, and what a
 * shell knows of values.
 */

import { OPTIONS, type Option, type ValueRule } from "../../cli/options.ts";
import { tool as bridge } from "../../tools/bridge/main.ts";
import { tool as doctor } from "../../tools/doctor/main.ts";
import { tool as monitor } from "../../tools/monitor/main.ts";
import type { Tool, ToolOption } from "../../tools/options.ts";
import { tool as probe } from "../../tools/probe/main.ts";
import { tool as run } from "../../tools/run/main.ts";

/** The subcommands. */
export const TOOLS: readonly Tool[] = [monitor, doctor, run, bridge, probe];

/** What a shell can list. */
export type Kind = "command" | "fd" | "file" | "pid" | "unit" | "user";

export interface CompletedOption {
  long: string;
  short: string | undefined;
  help: string;
  value: ValueRule;
  multiple: boolean;
  /** What the help calls the value. */
  hint: string;
  /** The words that the value may be. */
  words: readonly string[];
  /** What else it may be; undefined: what no shell knows. */
  kind: Kind | undefined;
}

export interface CompletedCommand {
  name: string;
  options: CompletedOption[];
  /** What follows the options: one unit, one of some words, or `--` and a command; undefined: what no shell knows. */
  operand: "unit" | "words" | "command" | undefined;
  operandWords: readonly string[];
  /** How the help writes it, after "--". */
  operandHint: string;
}

export interface Subcommand extends CompletedCommand {
  description: string;
}

/** The meanings of the hints in the help. */
const KINDS: Record<string, Kind | undefined> = {
  ADDRESS: undefined,
  CMD: "command",
  FD: "fd",
  PATH: "file",
  PID: "pid",
  UNIT: "unit",
  USER: "user",
  "HOST:PORT": undefined,
  MODE: undefined,
  N: undefined,
  NAME: undefined,
  REGEX: undefined,
  TEXT: undefined,
  TIME: undefined,
  TYPE: undefined,
  URL: undefined,
  WHAT: undefined,
  WHO: undefined,
};

/** The command without a subcommand. */
export const COMMAND: CompletedCommand = {
  name: "sd-notify",
  options: (OPTIONS as readonly Option[]).flatMap(({ help, ...option }) =>
    help === undefined ? [] : [completed({ ...option, help })],
  ),
  operand: undefined,
  operandWords: [],
  operandHint: "VARIABLE=VALUE",
};

export const SUBCOMMANDS: readonly Subcommand[] = TOOLS.map(({ name, description, operand, options }) => ({
  name,
  description: description.replace(/\.$/, ""),
  options: Object.entries(options).map(([long, { type, ...option }]: [string, ToolOption]) =>
    completed({ ...option, long, value: type === "string" ? "required" : "none" }),
  ),
  operand: operandOf(operand),
  operandWords: wordsOf(operand),
  operandHint: operand.replace(/^-- /, ""),
}));

/** Returns the names of an option as they are typed, "=" included. */
export function namesOf({ long, short, value }: CompletedOption): string[] {
  return [...(short === undefined ? [] : [`-${short}`]), value === "none" ? `--${long}` : `--${long}=`];
}

/** Puts lines in place of the lines "#NAME" of a shell script. */
export function fill(template: string, parts: Record<string, readonly string[]>): string {
  return template.replaceAll(/^( *)#([A-Z]+)$/gm, (_, indent: string, name: string) => {
    const lines = parts[name];
    if (lines === undefined) throw new Error(`nothing for #${name}`);
    return lines.map((line) => `${indent}${line}`).join("\n");
  });
}

// --- internal ---

type Completable = Omit<Option, "help"> & { help: string };

function completed({
  long,
  short,
  help,
  value,
  multiple = false,
  hint = "",
  values = [],
}: Completable): CompletedOption {
  if (value !== "none" && !(hint in KINDS)) throw new Error(`--${long}=${hint}: KINDS does not say what that is`);
  return { long, short, help, value, multiple, hint, words: values, kind: KINDS[hint] };
}

/** Those of "[live|ready|started]". */
function wordsOf(text: string): string[] {
  return /^\[([a-z]+(?:\|[a-z]+)+)\]$/.exec(text)?.[1]?.split("|") ?? [];
}

function operandOf(text: string): CompletedCommand["operand"] {
  if (wordsOf(text).length > 0) return "words";
  const kind = KINDS[/[A-Z]+/.exec(text)?.[0] ?? ""];
  if (kind !== "unit" && kind !== "command") throw new Error(`${text}: the completions know a unit and a command only`);
  return kind;
}
