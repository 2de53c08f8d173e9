/**
 * Reads options as glibc's getopt_long(3) does: unique prefixes of long options, clusters of short ones, options after
 * other arguments, `--` as their end. This is pure. It reports what it finds in the order of the arguments, and throws
 * when it meets a mistake, so that `--help` before a mistake still helps.
 */

import { UsageError } from "../console/usage-error.ts";
import type { Option } from "./options.ts";

/** An option with its value, or an argument that is no option. */
export type Parsed<Name extends string> = { option: Name; value: string | undefined } | { argument: string };

/**
 * Calls `visit` with each option and each other argument, until it returns false. (This is no generator: at the first
 * use of one, the engine compiles its own part of it, which takes as long as sending the message.)
 *
 * @throws UsageError
 */
export function getopt<Name extends string>(
  args: readonly string[],
  options: readonly (Option & { long: Name })[],
  visit: (parsed: Parsed<Name>) => boolean,
): void {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === "--") {
      while (++i < args.length) if (!visit({ argument: args[i] as string })) return;
      return;
    }
    if (arg.startsWith("--")) {
      const equals = arg.indexOf("=");
      const name = equals === -1 ? arg : arg.slice(0, equals);
      const option = findLong(name, options);
      let value = equals === -1 ? undefined : arg.slice(equals + 1);
      if (option.value === "none" && value !== undefined) {
        throw new UsageError(`option --${option.long} takes no value: ${arg}`);
      }
      if (option.value === "required" && value === undefined) {
        value = args[++i];
        if (value === undefined)
          throw new UsageError(`option --${option.long} needs a value: --${option.long}=${option.hint}`);
      }
      if (!visit({ option: option.long, value })) return;
    } else if (arg.startsWith("-") && arg !== "-") {
      for (const letter of arg.slice(1)) {
        const option = options.find(({ short }) => short === letter);
        if (!option) throw unknown(`-${letter}`, hintForShort(arg, options));
        if (!visit({ option: option.long, value: undefined })) return;
      }
    } else if (!visit({ argument: arg })) return;
  }
}

// --- internal ---

function findLong<O extends Option>(given: string, options: readonly O[]): O {
  const name = given.slice(2);
  const candidates: O[] = [];
  for (const option of options) {
    if (option.long === name) return option;
    if (option.long.startsWith(name)) candidates.push(option);
  }
  const [first, ...others] = candidates;
  if (first && others.length === 0) return first;
  if (first) {
    const names = candidates.map(({ long }) => `--${long}`).join(" or ");
    throw new UsageError(`option ${given} is ambiguous: ${names}`);
  }
  throw unknown(given, "see --help");
}

function hintForShort(arg: string, options: readonly Option[]): string {
  const long = options.find(({ long }) => `-${long}` === arg);
  return long ? `did you mean --${long.long}?` : "see --help";
}

function unknown(given: string, hint: string): UsageError {
  return new UsageError(`unknown option ${given}: ${hint}`);
}
