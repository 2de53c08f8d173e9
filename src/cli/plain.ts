/** What the short way does: a message of words alone, from the default sender. */

import { getopt } from "./getopt.ts";
import { OPTIONS, type OptionName } from "./options.ts";
import { emptyRequest, hasMessage, isSubcommand, type Request } from "./request.ts";

/** Reads the arguments; undefined when they, or the environment, are for command.ts to deal with, mistakes included. */
export function parsePlain(args: readonly string[]): Request | undefined {
  if (process.env.NOTIFY_SOCKET === undefined || isSubcommand(args[0])) return undefined;
  const request = emptyRequest();
  let plain = true;
  try {
    getopt(args, OPTIONS, (parsed) => {
      if ("argument" in parsed) request.args.push(parsed.argument);
      else {
        const { option, value } = parsed;
        plain = PLAIN.includes(option) && (option !== "pid" || value === undefined);
        request.given.push(option);
        if (option === "status") request.status = value;
      }
      return plain;
    });
  } catch {
    return undefined;
  }
  return plain && hasMessage(request) ? request : undefined;
}

// --- internal ---

const PLAIN: readonly OptionName[] = ["ready", "reloading", "stopping", "status", "pid", "no-block", "quiet"];
