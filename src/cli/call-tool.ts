import { UsageError } from "../console/usage-error.ts";

/** The file of the subcommands, beside this program's: set by the builds. */
declare const TOOLS_FILE: string | undefined;

/** Calls a subcommand. Resolves to the exit status. */
export async function callTool(name: "monitor" | "doctor" | "run", args: string[], encoding: string): Promise<number> {
  if (encoding !== "utf8") throw new UsageError(`${name}: the arguments are not UTF-8`);
  // No literal, which would be bundled.
  const file = typeof TOOLS_FILE === "undefined" ? "../tools/main.ts" : TOOLS_FILE;
  const { runTool }: typeof import("../tools/main.ts") = await import(file);
  return runTool(name, args);
}
