/** The help of a subcommand. */

import type { ArgsDef } from "citty";
import { printHelp, renderHelp } from "../console/usage.ts";
import type { Tool } from "./options.ts";

/** Prints it. Returns the exit status. */
export async function toolHelp({ name, description, operand, options, footer }: Tool): Promise<number> {
  const args: ArgsDef = {};
  for (const [long, { type, hint, help, short }] of Object.entries(options)) {
    args[long] = {
      type,
      description: help,
      ...(hint !== undefined && { valueHint: hint }),
      ...(short !== undefined && { alias: short }),
    };
  }
  const wrapped = footer === undefined ? {} : { footer: Bun.wrapAnsi(footer, COLUMNS) };
  printHelp(await renderHelp({ name: `sd-notify ${name}`, description, args, operand, ...wrapped }));
  return 0;
}

// --- internal ---

const COLUMNS = 80;
