/** What the command says about itself. It is loaded only for that. */

import type { ArgsDef } from "citty";
import { name, version } from "../../package.json";
import { programName } from "../bun/runtime.ts";
import { print } from "../console/output.ts";
import { printHelp, renderHelp } from "../console/usage.ts";
import { OPTIONS, type Option } from "./options.ts";

/** Prints what --help, --version or --introspect-cli ask for. Returns the exit status. */
export async function describe(what: "help" | "version" | "introspect-cli"): Promise<number> {
  if (what === "help") {
    printHelp(await helpText());
  } else {
    print(what === "version" ? `${programName()} ${version}\n` : introspectionText());
  }
  return 0;
}

/** Returns the text of --help, in colour. */
export function helpText(): Promise<string> {
  return renderHelp({ name: programName(), version, description: DESCRIPTION, args, footer: FOOTER });
}

/**
 * Returns the text of --introspect-cli: the options as JSON, in the form that systemd's commands use since version
 * 262.
 */
function introspectionText(): string {
  const options = (OPTIONS as readonly Option[]).map(({ long, short, value, hint, help }) => ({
    names: [...(short === undefined ? [] : [`-${short}`]), `--${long}`],
    argument: value === "none" ? "no_argument" : `${value}_argument`,
    ...(hint !== undefined && { metavar: hint }),
    ...(help !== undefined && { help }),
  }));
  const commands = [{ names: [programName()], project: name, version, abstract: [DESCRIPTION], options }];
  return `${JSON.stringify({ mediaType: "application/vnd.io.systemd.cli-introspection-0", commands })}\n`;
}

// --- internal ---

const DESCRIPTION = "Notify the service manager about the state of a service";

const FOOTER = `It waits up to 5 seconds until the service manager has read the message.

Subcommands, each with its own --help:

  sd-notify monitor -- CMD   start CMD, and show what systemd would make of it
  sd-notify doctor [UNIT]    find out why a unit, or the caller, is not heard
  sd-notify run -- CMD       start CMD, and notify for it when a probe passes
  sd-notify bridge -- CMD    start CMD as systemd would, where there is none
  sd-notify probe            ask the bridge whether its command is ready`;

const args: ArgsDef = {
  "variable=value": {
    type: "positional",
    required: false,
    description: "More to send, such as X_NAME=value; any number of them",
  },
};
for (const { long, short, value, hint, help } of OPTIONS as readonly Option[]) {
  if (help === undefined) continue;
  args[long] = {
    type: value === "none" ? "boolean" : "string",
    description: help,
    ...(hint !== undefined && { valueHint: hint }),
    ...(short !== undefined && { alias: short }),
  };
}
