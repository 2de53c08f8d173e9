/** The text of a help, as citty renders it. Loaded when it is asked for. */

import type { ArgsDef } from "citty";
import { inColour, print } from "./output.ts";

export interface Usage {
  name: string;
  version?: string;
  description: string;
  args: ArgsDef;
  /** What citty does not know of, after "[OPTIONS]". */
  operand?: string;
  footer?: string;
}

/** Returns the text, in colour. */
export async function renderHelp({ operand, footer, args, ...meta }: Usage): Promise<string> {
  // Here, because a bundle in one file loads at its start whatever any of its modules imports by a statement.
  const { defineCommand, renderUsage } = await import("citty");
  const usage = await renderUsage(defineCommand({ meta, args }));
  const synopsis = operand === undefined ? usage : usage.replace("[OPTIONS]", `[OPTIONS] ${operand}`);
  const text = synopsis.replace(/ +$/gm, "").trimEnd();
  return `${text}${footer === undefined ? "" : `\n\n${footer}`}\n`;
}

/** Prints it; in colour where that is wanted. */
export function printHelp(text: string): void {
  print(inColour() ? text : Bun.stripANSI(text));
}
