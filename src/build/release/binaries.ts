/** Makes the standalone executable for each target, and checks that each meets its requirements. */

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buildBinary } from "../binary.ts";
import { EM_AARCH64, EM_X86_64, readElf } from "../elf.ts";
import { callerStateImports, checkCallerState } from "../keep-caller-state.ts";
import { fetchBun } from "./bun-executables.ts";
import { TARGETS, type Target } from "./targets.ts";

export interface Binary {
  target: Target;
  path: string;
  /** The oldest glibc that it runs with; undefined for musl. */
  glibc: string | undefined;
  /** Whether it ran here, and kept its caller's state. The others have been compared with one that did. */
  tried: boolean;
}

/** Makes all of them below a directory. @throws Error when one can't be made, or is not what it has to be. */
export async function makeBinaries(directory: string): Promise<Binary[]> {
  const binaries: Binary[] = [];
  for (const target of TARGETS) {
    const executable = await fetchBun(target, join(directory, "bun"));
    const path = join(directory, target.name, "sd-notify");
    mkdirSync(join(directory, target.name), { recursive: true });
    buildBinary({ outfile: path, target: { name: target.bunTarget, executable } });
    const tried = runsHere(target);
    if (tried) checkCallerState(path);
    binaries.push({ target, path, glibc: checkElf(target, path), tried });
  }
  compareWithTried(binaries);
  return binaries;
}

// --- internal ---

const MACHINES: Partial<Record<NodeJS.Architecture, number>> = { x64: EM_X86_64, arm64: EM_AARCH64 };

/** A Bun for this processor and this libc: this one's loader is the one that the target asks for. */
function runsHere({ machine, interpreter }: Target): boolean {
  return machine === MACHINES[process.arch] && readElf(readFileSync(process.execPath)).interpreter === interpreter;
}

/** @returns the glibc that it needs. @throws Error when it asks for another machine, loader or library. */
function checkElf(target: Target, path: string): string | undefined {
  const { machine, interpreter, needed, glibc } = readElf(readFileSync(path));
  const found = describe({ machine, interpreter, needed });
  if (found !== describe(target)) {
    throw new Error(`The executable for ${target.name} asks for ${found}, and not for ${describe(target)}`);
  }
  return glibc;
}

function describe({ machine, interpreter, needed }: Pick<Target, "machine" | "interpreter" | "needed">): string {
  return `machine ${machine}, ${interpreter}, ${[...needed].sort().join(", ")}`;
}

/** Those that can't run here may change limits and signals only by functions that one that runs here also has. */
function compareWithTried(binaries: readonly Binary[]): void {
  const model = binaries.find(({ tried }) => tried);
  if (!model) throw new Error("No executable of this release runs here, so it is not known what they hand on");
  const known = callerStateImports(model.path);
  for (const { target, path } of binaries) {
    const others = callerStateImports(path).filter((name) => !known.includes(name));
    if (others.length > 0) {
      throw new Error(
        `The executable for ${target.name} may change its caller's state by ${others.join(", ")}, ` +
          `which that for ${model.target.name} has not`,
      );
    }
  }
}
