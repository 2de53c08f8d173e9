/** The subcommands, which are a file of their own: what they need would make every start of the command slower. */

import { UsageError } from "./usage-error.ts";

/** Calls a subcommand. Resolves to the exit status. */
export async function callTool(name: "monitor" | "doctor" | "run", args: string[], encoding: string): Promise<number> {
  if (encoding !== "utf8") throw new UsageError(`${name}: the arguments are not UTF-8`);
  const here = import.meta.url;
  // Not a literal, which would be bundled.
  const file = here.endsWith(".ts") ? "../tools.ts" : "./tools.js";
  const { runTool }: typeof import("../tools.ts") = await import(new URL(file, here).href);
  return runTool(name, args);
}
