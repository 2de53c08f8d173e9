/** The command without its short way, to compare with. */

import { scripts } from "../../package.json";
import { BUN, run } from "./command.ts";

const ENTRIES = "src/cli/main.ts src/cli/command.ts src/tools/main.ts src/receiver/worker.ts";
const ENTRY = "src/cli/from-source.ts";

/** Builds the standalone executable as package.json does, but from another first file. */
export async function buildLongBinary(outfile: string): Promise<void> {
  const build = scripts["build:binary"];
  if (!build.includes(ENTRIES)) throw new Error(`package.json builds the binary otherwise: ${build}`);
  const command = build.replace(ENTRIES, ENTRY).replaceAll("dist/sd-notify", outfile);
  await succeed(["sh", "-c", command.replaceAll(/\bbun (?=build|src)/g, `${BUN} `)]);
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
