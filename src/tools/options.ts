/** What the subcommands have in common: a table of options, its parser, and how they end in an error. */

import { parseArgs } from "node:util";
import { explain } from "../console/explain.ts";
import { complain } from "../console/output.ts";
import { UsageError } from "../console/usage-error.ts";

export interface ToolOption {
  type: "boolean" | "string";
  short?: string;
  /** It may be given several times. */
  multiple?: boolean;
  /** What the help calls the value. The completions recognize a PATH, a PID and the like by it. */
  hint?: string;
  /** The words that the value may be, in addition to what the hint says. */
  values?: readonly string[];
  help: string;
}

/** A subcommand. */
export interface Tool<Options extends Record<string, ToolOption> = Record<string, ToolOption>> {
  name: string;
  description: string;
  /** What follows the options: "-- CMD [ARG…]". */
  operand: string;
  options: Options;
  /** The end of the help. */
  footer?: string;
}

/** The values of options. An option that was not given is absent. */
export type Values<Options extends Record<string, ToolOption>> = {
  [Name in keyof Options]?: Options[Name] extends { multiple: true }
    ? string[]
    : Options[Name]["type"] extends "boolean"
      ? boolean
      : string;
};

export interface Parsed<Options extends Record<string, ToolOption>> {
  values: Values<Options>;
  /** The arguments before `--` that are not options. */
  operands: string[];
  /** The arguments after `--`; undefined if there is no `--`. */
  command: string[] | undefined;
}

/** Reads the arguments of a subcommand. @throws UsageError */
export function parse<Options extends Record<string, ToolOption>>(
  { name, options }: Tool<Options>,
  args: readonly string[],
): Parsed<Options> {
  const end = args.indexOf("--");
  try {
    const { values, positionals } = parseArgs({
      args: end === -1 ? [...args] : args.slice(0, end),
      options,
      allowPositionals: true,
    });
    const command = end === -1 ? undefined : args.slice(end + 1);
    return { values: { ...values } as Values<Options>, operands: positionals, command };
  } catch (error) {
    // "Unknown option '--x'. To specify a positional …": the first sentence, in this command's words.
    const [sentence = ""] = (error as Error).message.split(/(?<=')\. To specify a positional|\.\n/);
    const why = sentence.replace(/'(.*)'/s, "$1");
    throw new UsageError(`${why.charAt(0).toLowerCase()}${why.slice(1)}: see sd-notify ${name} --help`);
  }
}

/** Returns the command after `--`. @throws UsageError if there is none, or if an argument stands before it. */
export function commandOf({ name }: Tool, { operands, command }: Parsed<Record<string, ToolOption>>): string[] {
  const [operand] = operands;
  if (operand !== undefined) throw new UsageError(`${operand} is no option: give the command after --`);
  if (command === undefined || command.length === 0)
    throw new UsageError(`nothing to start: give a command after --, as in sd-notify ${name} -- bun server.ts`);
  return command;
}

/** Reads a time: a number of seconds, or one with a unit (ms, s, min, h). Returns milliseconds. @throws UsageError */
export function parseTime(option: string, text: string): number {
  const [, number, unit = "s"] = /^(\d+(?:\.\d+)?) ?(ms|s|sec|m|min|h)?$/.exec(text) ?? [];
  const factor = UNITS_MS[unit];
  if (number === undefined || factor === undefined)
    throw new UsageError(`--${option}=${text} is no time: give seconds, or a number with ms, s, min or h`);
  return Number(number) * factor;
}

/** Reads a time-out: 0 is none, as in a unit. Returns milliseconds; `otherwise` if none is given. @throws UsageError */
export function parseTimeout(option: string, text: string | undefined, otherwise: number): number {
  return text === undefined ? otherwise : parseTime(option, text) || Number.POSITIVE_INFINITY;
}

/** Reads a number from `min` on. @throws UsageError */
export function parseCount(option: string, text: string, min = 0): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(count >= min && Number.isSafeInteger(count)))
    throw new UsageError(`--${option}=${text} is no number from ${min} on`);
  return count;
}

/** Reads one of some words. @throws UsageError */
export function parseWord<const Word extends string>(option: string, text: string, words: readonly Word[]): Word {
  const word = words.find((word) => word === text);
  if (word === undefined) throw new UsageError(`--${option}=${text}: it must be ${words.join(", ")}`);
  return word;
}

/** Says in one line what is wrong. */
export function complainOf(name: string, error: unknown): void {
  complain(`${name}: ${explain(error)}`);
}

// --- internal ---

const UNITS_MS: Record<string, number> = { ms: 1, s: 1000, sec: 1000, m: 60_000, min: 60_000, h: 3_600_000 };
