/** Trying probes again and again, until they pass. */

import { abortAfter, sleep } from "../abort.ts";
import { type Probe, whyNot } from "./probes.ts";

/** Something to wait for. */
export interface Awaited {
  name: string;
  /** Resolves when it is there; rejects when the signal is aborted. `tell` gets the reason why it is not there yet. */
  wait(signal: AbortSignal, tell: (why: string) => void): Promise<void>;
}

/** Waits for all. `tell` gets a line about the first one that is missing, whenever that line changes. */
export async function waitForAll(
  all: readonly Awaited[],
  signal: AbortSignal,
  tell: (line: string) => void,
): Promise<void> {
  const missing = new Map(all.map((one) => [one, ""]));
  let last = "";
  const update = () => {
    const line = describeMissing(missing);
    if (line === last || missing.size === 0 || signal.aborted) return;
    last = line;
    tell(line);
  };
  update();
  await Promise.all(
    all.map(async (one) => {
      await one.wait(signal, (why) => {
        missing.set(one, why);
        update();
      });
      missing.delete(one);
      update();
    }),
  );
}

/** Tries a probe until it passes: often at first, then once a second. */
export function untilPasses(probe: Probe): Awaited {
  return {
    name: probe.name,
    async wait(signal, tell) {
      for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * DELAY_GROWTH, MAX_DELAY_MS)) {
        const why = await attempt(probe, ATTEMPT_TIMEOUT_MS, signal);
        if (why === undefined) return;
        tell(why);
        await sleep(delayMs, signal);
      }
    },
  };
}

/**
 * Tries the probes until all have passed once, within the time. `tell` gets why one does not yet.
 *
 * @throws Error with what did not pass, and why.
 */
export async function passWithin(
  probes: readonly Probe[],
  timeoutMs: number,
  signal: AbortSignal,
  tell: (why: string) => void,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  // One failure may be a connection that was lost: there is time for another attempt, even if the first one
  // got no answer.
  const attemptMs = Math.min(ATTEMPT_TIMEOUT_MS, timeoutMs * 0.4);
  const delayMs = Math.min(MAX_DELAY_MS, timeoutMs * 0.1);
  await Promise.all(
    probes.map(async (probe) => {
      for (;;) {
        const why = await attempt(probe, attemptMs, signal);
        if (why === undefined) return;
        tell(`${probe.name}: ${why}`);
        if (performance.now() + delayMs + attemptMs > deadline) throw new Error(`${probe.name}: ${why}`);
        await sleep(delayMs, signal);
      }
    }),
  );
}

/** "5 s", "1.2 s", "600 s". */
export function inSeconds(timeMs: number): string {
  const seconds = timeMs / 1000;
  return `${seconds < 10 ? Number(seconds.toPrecision(2)) : Math.round(seconds)} s`;
}

// --- internal ---

const FIRST_DELAY_MS = 50;
const DELAY_GROWTH = 1.25;
const MAX_DELAY_MS = 1000;

/** How long one attempt may take. */
const ATTEMPT_TIMEOUT_MS = 5000;

/** Returns why the probe does not pass; undefined when it does. @throws the signal's reason, when it is aborted. */
async function attempt(probe: Probe, timeoutMs: number, signal: AbortSignal): Promise<string | undefined> {
  signal.throwIfAborted();
  using time = abortAfter(timeoutMs, () => new Error(`no answer in ${inSeconds(timeoutMs)}`), signal);
  try {
    await probe.attempt(time.signal);
    // A result that comes after the end doesn't count any more.
    signal.throwIfAborted();
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    // The error that fetch() throws then says less.
    return whyNot(time.signal.aborted ? time.signal.reason : error);
  }
}

function describeMissing(missing: ReadonlyMap<Awaited, string>): string {
  const [first] = missing;
  if (first === undefined) return "";
  const [{ name }, why] = first;
  const more = missing.size > 1 ? ` (and ${missing.size - 1} more)` : "";
  return `${name}${more}${why === "" ? "" : `: ${why}`}`;
}
