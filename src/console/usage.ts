/** The text of a --help, as citty renders it. It is loaded when somebody asks for it. */

import type { ArgsDef } from "citty";
import { inColour, print } from "./output.ts";

export interface Usage {
  name: string;
  version?: string;
  description: string;
  args: ArgsDef;
  /** What follows "[OPTIONS]", which citty can't express. */
  operand?: string;
  footer?: string;
}

/** Returns the text, in colour. */
export async function renderHelp({ operand, footer, args, ...meta }: Usage): Promise<string> {
  // The import stands here because a bundle in one file loads all that its import statements name when it starts.
  const { defineCommand, renderUsage } = await import("citty");
  const usage = await renderUsage(defineCommand({ meta, args }));
  const synopsis = operand === undefined ? usage : usage.replace("[OPTIONS]", `[OPTIONS] ${operand}`);
  const text = synopsis.replace(/ +$/gm, "").trimEnd();
  return `${text}${footer === undefined ? "" : `\n\n${footer}`}\n`;
}

/** Prints the help, in colour if that is wanted. */
export function printHelp(text: string): void {
  print(inColour() ? text : Bun.stripANSI(text));
}
