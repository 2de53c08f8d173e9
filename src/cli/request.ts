/** What the arguments ask for. */

import type { OptionName } from "./options.ts";
import type { PidOption } from "./sender.ts";
import type { UserOption } from "./user.ts";

export type Description = "help" | "version" | "introspect-cli";

export interface Request {
  /** What to do. The last option that chooses an action wins. */
  action: "notify" | "booted" | "fork" | Description;
  /** The options that were given. */
  given: OptionName[];
  status: string | undefined;
  pid: PidOption;
  user: UserOption | undefined;
  fds: number[];
  fdName: string | undefined;
  /** Assignments; with --fork, the command. */
  args: string[];
  /** The command of --exec. */
  command: string[];
}

/** The first words that are no message but name a tool. */
export const SUBCOMMANDS = ["monitor", "doctor", "run", "bridge", "probe"] as const;
export type Subcommand = (typeof SUBCOMMANDS)[number];

/** Returns a request for nothing. */
export function emptyRequest(): Request {
  return {
    action: "notify",
    given: [],
    status: undefined,
    pid: "auto",
    user: undefined,
    fds: [],
    fdName: undefined,
    args: [],
    command: [],
  };
}

/** Whether the word is the name of a tool. */
export function isSubcommand(word: string | undefined): word is Subcommand {
  return SUBCOMMANDS.includes(word as Subcommand);
}

/** Whether the command should only tell about itself. */
export function isDescription(action: string): action is Description {
  return action === "help" || action === "version" || action === "introspect-cli";
}

/** Whether there is something to send. */
export function hasMessage({ given, args }: Request): boolean {
  return args.length > 0 || messageOption(given) !== undefined;
}

/** Returns the first option that makes a message. */
export function messageOption(given: readonly OptionName[]): OptionName | undefined {
  for (const option of MESSAGE_OPTIONS) if (given.includes(option)) return option;
  return undefined;
}

// --- internal ---

const MESSAGE_OPTIONS = ["ready", "reloading", "stopping", "pid", "status", "fd"] as const;
