/** The command line of the fuzzer. */

import { parseArgs } from "node:util";
import { tieToParent } from "../../ffi/process.ts";
import { Finding, fuzz } from "./fuzz.ts";
import { ALL_INPUTS, HANGS_MS, ONE_INPUT, supervise } from "./supervise.ts";
import type { AnyTarget } from "./target.ts";

/** Does what the arguments say, with some targets; `hangsMs` is how long an input may take. Sets the exit status. */
export async function main(args: string[], targets: Record<string, AnyTarget>, hangsMs = HANGS_MS): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seed: { type: "string" },
      from: { type: "string" },
      count: { type: "string", default: "1000000" },
      // For the process that tries one target: the file in which it says which seed it is at.
      progress: { type: "string" },
    },
  });
  const names = positionals.length > 0 ? positionals : Object.keys(targets);
  const unknown = names.filter((name) => !Object.hasOwn(targets, name));
  if (unknown.length > 0) {
    throw new Error(`no target ${unknown.join(", ")}: there are ${Object.keys(targets).join(", ")}`);
  }
  const one = values.seed !== undefined;
  const from = number(values.seed ?? values.from ?? `${Math.floor(Math.random() * 2 ** 40)}`);
  const count = one ? 1 : number(values.count);
  if (values.progress !== undefined) {
    for (const name of names) await tryAll(targets[name] as AnyTarget, { from, count }, values.progress);
    return;
  }
  if (one) for (const name of names) console.log(`${name}: ${targets[name]?.show(from)}`);
  else console.log(`${count} inputs each, from seed ${from} on`);
  if ((await supervise(names, { from, count }, console.log, hangsMs)) > 0) process.exitCode = 1;
}

// --- internal ---

/** In a process of its own, which may crash or hang. */
async function tryAll(target: AnyTarget, range: { from: number; count: number }, progress: string): Promise<never> {
  const seedNow = new Float64Array(Bun.mmap(progress).buffer);
  // An input that hangs would outlive whoever kills the fuzzer.
  tieToParent();
  try {
    const { fds, mb } = await fuzz(target, range, (seed) => {
      seedNow[0] = seed;
    });
    console.log(`${fds} fds and ${mb.toFixed(0)} MB more`);
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    console.log(error.message);
    process.exit(error.seeds.count === 1 ? ONE_INPUT : ALL_INPUTS);
  }
  process.exit();
}

function number(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${text} is no number`);
  return value;
}
