/** The command without its short way, to compare with. */

import { buildBinary } from "../../src/build/binary.ts";
import { BUN, run } from "./command.ts";

const ENTRY = "src/cli/from-source.ts";

/** Builds the standalone executable as the build does, but from another first file. */
export function buildLongBinary(outfile: string): void {
  buildBinary({ outfile, entries: [ENTRY] });
}

/** Builds the package's command, but in one file, that begins with the rest. */
export async function buildLongScript(outfile: string): Promise<void> {
  const options = ["--target=bun", "--format=cjs", "--minify", "--outfile", outfile];
  await succeed([BUN, "build", ENTRY, ...options]);
  await succeed(["chmod", "755", outfile]);
}

// --- internal ---

async function succeed(command: string[]): Promise<void> {
  const { code, stdout, stderr } = await run(command);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${stdout}${stderr}`);
}
