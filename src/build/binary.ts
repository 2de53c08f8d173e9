/**
 * Makes the standalone executable, for this machine or for another, and has it keep its caller's state.
 *
 *     bun src/build/binary.ts        makes dist/sd-notify
 */

import { join } from "node:path";
import { checkCallerState, keepCallerState } from "./keep-caller-state.ts";

const ROOT = join(import.meta.dir, "../..");

const ENTRIES = ["src/cli/main.ts", "src/cli/command.ts", "src/tools/main.ts", "src/receiver/worker.ts"];

const OPTIONS = [
  "--bytecode",
  "--format=esm",
  "--minify",
  // Nothing in the working directory may change what the command does.
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  // The command ends before the JIT has paid for itself.
  "--compile-jit-policy=100",
  "--compile-exec-argv=--disallow-code-generation-from-strings=strict",
  "--define=CALLER_STATE_KEPT=true",
  '--define=COMMAND_FILE="./cli/command.js"',
  '--define=TOOLS_FILE="../tools/main.js"',
];

export interface BinaryOptions {
  /** Its last part stands in the executable: the same name makes the same bytes. */
  outfile: string;
  entries?: readonly string[];
  /** The machine it is for, as Bun names it, and the Bun that it is made of; this machine's own when left out. */
  target?: { name: string; executable: string };
}

/**
 * Makes an executable. One for this machine has to be tried by checkCallerState() next.
 *
 * @throws Error when Bun can't build it, or it can't be made to keep its caller's state.
 */
export function buildBinary({ outfile, entries = ENTRIES, target }: BinaryOptions): void {
  const machine = target ? [`--target=${target.name}`, `--compile-executable-path=${target.executable}`] : [];
  const command = [process.execPath, "build", ...entries, "--compile", ...OPTIONS, ...machine, "--outfile", outfile];
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: ROOT });
  if (exitCode !== 0) throw new Error(`bun build ended with ${exitCode}: ${stdout}${stderr}`);
  keepCallerState(outfile);
}

// --- main ---

if (import.meta.main) {
  const outfile = join(ROOT, "dist/sd-notify");
  try {
    buildBinary({ outfile });
    checkCallerState(outfile);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
