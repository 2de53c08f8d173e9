/** Calls the subcommands. They are in another file, because what they need would slow every start of the command. */

import { programName } from "../bun/runtime.ts";
import { UsageError } from "../console/usage-error.ts";
import { isNear } from "../protocol/near.ts";
import { SUBCOMMANDS, type Subcommand } from "./request.ts";

/** The file of the subcommands, beside this program's: set by the builds. */
declare const TOOLS_FILE: string | undefined;

/** Calls a subcommand. Resolves to the exit status. */
export async function callTool(name: Subcommand, args: string[], encoding: string): Promise<number> {
  if (encoding !== "utf8") throw new UsageError(`${name}: the arguments are not UTF-8`);
  // This is no literal, because the bundler would bundle that.
  const file = typeof TOOLS_FILE === "undefined" ? "../tools/main.ts" : TOOLS_FILE;
  const { runTool }: ToolsFile = await import(file);
  return runTool(name, args);
}

/** Returns the subcommand that the arguments most likely mean, if their first word is a misspelled one. */
export function meantTool([word = ""]: readonly string[]): Subcommand | undefined {
  // If the command is called as systemd-notify, there are no subcommands.
  if (programName() !== "sd-notify" || word.includes("=")) return undefined;
  return SUBCOMMANDS.find((tool) => tool !== word && isNear(tool, word.toLowerCase()));
}

// --- internal ---

/** What src/tools/main.ts exports. */
interface ToolsFile {
  runTool(name: Subcommand, args: readonly string[]): Promise<number>;
}
