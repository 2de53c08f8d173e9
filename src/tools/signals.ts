/** The signals of this process: which ones the program gets too, and how to end by one. */

import { SIGKILL } from "../../ffi/constants.ts";
import { dumpNoCore, setIgnored } from "../../ffi/process.ts";
import { node } from "../bun/node.ts";
import { isForeground } from "../linux/job-control.ts";
import { readSignals } from "../linux/proc.ts";

/** What is done with a signal. */
export type OnSignal = (signal: NodeJS.Signals) => void;

/** Calls back for each signal that a service may get, or for the given ones. Returns a function that stops this. */
export function onSignals(handle: OnSignal, signals: readonly NodeJS.Signals[] = SIGNALS): () => void {
  for (const signal of signals) process.on(signal, handle);
  return () => {
    for (const signal of signals) process.off(signal, handle);
  };
}

/**
 * The signals that the init of a container passes on: all that somebody may send and that Bun can catch. It does not
 * pass on signals about a fault of this process, its own children, its own socket (SIGIO) or its terminal, nor the
 * one that Bun uses itself (SIGPWR).
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
  return OF_TERMINAL.includes(signal) && isForeground();
}

/** Whether this process ignores a signal. */
export function isIgnored(signal: NodeJS.Signals): boolean {
  return readSignals("self", ["SigIgn"])?.includes(node.os.constants.signals[signal]) ?? false;
}

/** Ends this process by the signal that ended the program. Returns the exit status if the signal doesn't end it. */
export function endBy(signal: NodeJS.Signals | number): number {
  const number = typeof signal === "number" ? signal : node.os.constants.signals[signal];
  // The program's core dump is enough.
  dumpNoCore();
  if (number !== SIGKILL) setIgnored(number, false);
  process.kill(process.pid, number);
  // A signal that the init of a container sends itself does not kill it.
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
