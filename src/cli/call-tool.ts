/** The subcommands, which are a file of their own: what they need would make every start of the command slower. */

import { programName, standalone } from "../bun/runtime.ts";
import { UsageError } from "../console/usage-error.ts";
import { isNear } from "../protocol/near.ts";

const TOOLS = ["monitor", "doctor", "run"] as const;

/** Calls a subcommand. Resolves to the exit status. */
export async function callTool(name: (typeof TOOLS)[number], args: string[], encoding: string): Promise<number> {
  if (encoding !== "utf8") throw new UsageError(`${name}: the arguments are not UTF-8`);
  const here = import.meta.url;
  // Not a literal, which would be bundled.
  const file = standalone ? "./tools/main.js" : `../tools/main.${here.endsWith(".ts") ? "ts" : "js"}`;
  const { runTool }: typeof import("../tools/main.ts") = await import(new URL(file, here).href);
  return runTool(name, args);
}

/** Returns the subcommand that the arguments most likely mean, although their first word is none. */
export function meantTool([word = ""]: readonly string[]): string | undefined {
  // Under the other's name there are no subcommands.
  if (programName() !== "sd-notify" || word.includes("=")) return undefined;
  return TOOLS.find((tool) => tool !== word && isNear(tool, word.toLowerCase()));
}
