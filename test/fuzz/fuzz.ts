/** Throws inputs at a target, in this process. */

import { Random } from "./random.ts";
import type { AnyTarget, Target } from "./target.ts";
import { checkUsage, type Usage, usageOf } from "./usage.ts";

export interface Range {
  /** The first seed, and how many. */
  from: number;
  count: number;
}

/** What is not as documented: one input, or all of them together. */
export class Finding extends Error {
  constructor(
    readonly seeds: Range,
    cause: unknown,
  ) {
    super(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause));
  }
}

/** Makes a target that takes seeds. */
export function fuzzed<Input>({ make, open }: Target<Input>): AnyTarget {
  const inputOf = (seed: number) => make(new Random(seed));
  return {
    async open() {
      const subject = await open();
      return {
        check: (seed) => subject.check(inputOf(seed)),
        close: async () => subject.close?.(),
      };
    },
    show: (seed) => Bun.inspect(inputOf(seed), { depth: 8 }),
  };
}

/** Tries the seeds in order; `onSeed` is told of each before. Returns what is left in use. @throws Finding */
export async function fuzz(
  target: AnyTarget,
  { from, count }: Range,
  onSeed: (seed: number) => void = () => {},
): Promise<Usage> {
  const opened = await usageOf(process.pid);
  const subject = await target.open();
  let warm = opened;
  for (let i = 0; i < count; i++) {
    // What is compiled and kept once is not lost.
    if (i === Math.floor(count / 4)) warm = await usageOf(process.pid);
    onSeed(from + i);
    try {
      await tryOne(subject, from + i);
    } catch (error) {
      throw new Finding({ from: from + i, count: 1 }, error);
    }
  }
  try {
    const { mb } = checkUsage(warm, await usageOf(process.pid));
    await subject.close();
    const { fds } = checkUsage({ ...opened, mb: Number.POSITIVE_INFINITY }, await usageOf(process.pid));
    return { fds, mb };
  } catch (error) {
    throw new Finding({ from, count }, error);
  }
}

// --- internal ---

/** How much time of a processor one input may take. A collection of garbage may come in between: so thrice. */
const MAX_MS = 100;

async function tryOne({ check }: Awaited<ReturnType<AnyTarget["open"]>>, seed: number): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const start = process.cpuUsage();
    const checking = check(seed);
    if (checking !== undefined) return checking;
    const { user, system } = process.cpuUsage(start);
    const ms = (user + system) / 1000;
    if (ms <= MAX_MS) return;
    if (attempt === 2) throw new Error(`it takes ${ms.toFixed(0)} ms`);
  }
}
