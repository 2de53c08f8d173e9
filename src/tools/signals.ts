/** The signals of this process: which are the program's too, and how to end by one. */

import { SIGKILL } from "../../ffi/constants.ts";
import { dumpNoCore, setIgnored } from "../../ffi/process.ts";
import { node } from "../bun/node.ts";
import { readStat } from "../linux/proc.ts";

/** What is done with a signal. */
export type OnSignal = (signal: NodeJS.Signals) => void;

/** Calls back for each signal that a service may get, or for others. Returns a function that ends that. */
export function onSignals(handle: OnSignal, signals: readonly NodeJS.Signals[] = SIGNALS): () => void {
  for (const signal of signals) process.on(signal, handle);
  return () => {
    for (const signal of signals) process.off(signal, handle);
  };
}

/**
 * What the init of a container passes on: all that somebody may send, and Bun can catch. Not what tells of a
 * fault of this process, of its own children, of its own socket (SIGIO) and of its terminal, or what Bun uses
 * itself (SIGPWR).
 */
export const ALL_SIGNALS: readonly NodeJS.Signals[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGABRT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGCONT",
  "SIGTSTP",
  "SIGURG",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGVTALRM",
  "SIGPROF",
  "SIGWINCH",
];

/** Whether the program has the signal already: a terminal sends it to all processes in the foreground. */
export function isOfTerminal(signal: NodeJS.Signals): boolean {
  if (!OF_TERMINAL.includes(signal)) return false;
  const [, , group, , , foreground] = readStat("self")?.fields ?? [];
  return group !== undefined && group === foreground;
}

/** Ends this process by a signal, as the program ended. Returns the exit status where the signal does not. */
export function endBy(signal: NodeJS.Signals | number): number {
  const number = typeof signal === "number" ? signal : node.os.constants.signals[signal];
  // One core dump, that of the program, is enough.
  dumpNoCore();
  if (number !== SIGKILL) setIgnored(number, false);
  process.kill(process.pid, number);
  // The init of a container is not killed by its own signals.
  if (process.pid !== 1) Bun.sleepSync(1000);
  return 128 + number;
}

// --- internal ---

const SIGNALS: readonly NodeJS.Signals[] = [
  "SIGHUP",
  "SIGINT",
  "SIGTERM",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGCONT",
  "SIGTSTP",
  "SIGWINCH",
  "SIGABRT",
];

const OF_TERMINAL: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGTSTP", "SIGWINCH"];
