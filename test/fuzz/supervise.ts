/** Runs each target in a process of its own, because it may crash or hang: then its seed is known all the same. */

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { temporaryDirectory } from "../support/command.ts";
import type { Range } from "./fuzz.ts";

/**
 * Exit statuses of such a process: one input is not treated as documented; or all of them together are not,
 * as with a leak.
 */
export const ONE_INPUT = 3;
export const ALL_INPUTS = 4;

/** How long nothing may happen: longer than any input takes on a busy machine. */
export const HANGS_MS = 20_000;

/** Says how each target fared, a line or more at a time. Returns how many failed. */
export async function supervise(
  names: readonly string[],
  range: Range,
  say: (line: string) => void,
  hangsMs = HANGS_MS,
): Promise<number> {
  const queue = [...names];
  let failures = 0;
  const work = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const { failure, summary } = await runTarget(name, range, hangsMs);
      say(`${name}: ${failure === undefined ? summary : await report(name, range, failure, hangsMs)}`);
      if (failure !== undefined) failures++;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return failures;
}

// --- internal ---

/** What is wrong, and the inputs that show it. */
interface Failure {
  what: string;
  seeds: Range;
}

/** Says what is wrong, and how to see it again: one input is enough, unless those before it have led to it. */
async function report(name: string, range: Range, { what, seeds }: Failure, hangsMs: number): Promise<string> {
  const alone =
    seeds.count === 1 && (range.count === 1 || (await runTarget(name, seeds, hangsMs)).failure !== undefined);
  const again = alone
    ? `--seed=${seeds.from}`
    : `--from=${range.from} --count=${seeds.from - range.from + seeds.count}`;
  return `FAILED\n${what}\nAgain: npm run fuzz -- ${again} ${name}`;
}

async function runTarget(
  name: string,
  { from, count }: Range,
  hangsMs: number,
): Promise<{ failure?: Failure; summary: string }> {
  using directory = temporaryDirectory();
  const progress = join(directory.path, "progress");
  await Bun.write(progress, new Uint8Array(8));
  const seedNow = new Float64Array(Bun.mmap(progress).buffer);
  seedNow[0] = from;
  const start = performance.now();
  const child = Bun.spawn(
    [process.execPath, process.argv[1] as string, `--progress=${progress}`, `--from=${from}`, `--count=${count}`, name],
    { env: { ...process.env, NOTIFY_SOCKET: undefined }, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  let seen = -1;
  let hangs = false;
  const watch = setInterval(() => {
    hangs = seedNow[0] === seen;
    if (hangs) child.kill("SIGKILL");
    seen = seedNow[0] ?? 0;
  }, hangsMs);
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  clearInterval(watch);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const summary = `${count} inputs in ${seconds} s, ${stdout.trim()}`;
  if (code === 0) return { summary };
  const isFinding = code === ONE_INPUT || code === ALL_INPUTS;
  const end = hangs ? "it hangs" : isFinding ? "" : `it ended with ${child.signalCode ?? code}`;
  const what = [end, stdout.trim(), stderr.trim()].filter(Boolean).join("\n");
  const seeds = code === ALL_INPUTS ? { from, count } : { from: seedNow[0] ?? from, count: 1 };
  return { failure: { what, seeds }, summary };
}
