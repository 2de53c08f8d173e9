/** What the bridge knows of the unit at one moment, and how it answers each question. Pure. */

import { formatUsec } from "../../protocol/durations.ts";
import { shorten } from "../../protocol/shorten.ts";
import type { Life } from "../unit/lifecycle.ts";

export interface Snapshot {
  phase: Life["phase"];
  /** How long it has been in that state. */
  phaseUsec: number;
  /** Whether it is about to be started again. */
  isRestarting: boolean;
  /** STATUS=, printable. */
  status: string;
  mainPid: number | undefined;
  /** The signal by which somebody wants it to stop. */
  stopSignal: string | undefined;
  /** Why it is being ended, or has failed. */
  failure: string | undefined;
  /** From the start to READY=1; undefined before that. */
  readyUsec: number | undefined;
  watchdogUsec: number;
  pings: number;
  /** The least time that was left before the deadline when a ping came. */
  smallestMarginUsec: number | undefined;
  messages: number;
  ignored: readonly Ignored[];
  restarts: number;
  /** Undefined if nothing is passed on. */
  forward: { waiting: number; dropped: number } | undefined;
}

/** What was ignored: a key, or "message", and why, without the numbers in it. */
export interface Ignored {
  what: string;
  reason: string;
  count: number;
}

export const QUESTIONS = ["live", "ready", "started"] as const;
export type Question = (typeof QUESTIONS)[number];

export interface Answer {
  yes: boolean;
  /** A line. */
  why: string;
}

/** Answers a question with one line. */
export function answer(question: Question, snapshot: Snapshot): Answer {
  const yes = ANSWERS[question](snapshot);
  return { yes, why: shorten(`${yes ? "" : "not "}${question}: ${describe(snapshot)}`, MAX_LENGTH) };
}

/** What /status says. */
export function statusOf(snapshot: Snapshot): Record<string, unknown> {
  const { phase, status, mainPid, failure, stopSignal, readyUsec, watchdogUsec, smallestMarginUsec } = snapshot;
  const seconds = (usec: number | undefined) => (usec === undefined ? null : usec / 1e6);
  return {
    ...Object.fromEntries(QUESTIONS.map((question) => [question, answer(question, snapshot).yes])),
    phase,
    phaseSeconds: seconds(snapshot.phaseUsec),
    status,
    mainPid: mainPid ?? null,
    stopSignal: stopSignal ?? null,
    failure: failure ?? null,
    readySeconds: seconds(readyUsec),
    watchdog:
      watchdogUsec === 0
        ? null
        : {
            timeoutSeconds: seconds(watchdogUsec),
            pings: snapshot.pings,
            smallestMarginSeconds: seconds(smallestMarginUsec),
          },
    messages: snapshot.messages,
    ignored: snapshot.ignored,
    restarts: snapshot.restarts,
    forward: snapshot.forward ?? null,
  };
}

// --- internal ---

/** A line for people. */
const MAX_LENGTH = 500;

const ANSWERS: Record<Question, (snapshot: Snapshot) => boolean> = {
  // A unit that somebody stops counts as live until it has ended.
  live: ({ phase, failure, isRestarting }) =>
    isRestarting || (failure === undefined && phase !== "inactive" && phase !== "failed"),
  ready: ({ phase, failure, stopSignal }) =>
    failure === undefined && stopSignal === undefined && (phase === "active" || phase === "reloading"),
  started: ({ readyUsec }) => readyUsec !== undefined,
};

function describe({ phase, phaseUsec, isRestarting, status, stopSignal, failure }: Snapshot): string {
  const text = status === "" ? "" : `: ${status}`;
  if (failure !== undefined) return `${isRestarting ? "starting again: " : ""}${failure}`;
  if (phase === "inactive" || phase === "failed") return isRestarting ? "starting again" : "it has ended";
  const stop = stopSignal === undefined ? "" : `, to stop by ${stopSignal}`;
  return `${phase} for ${formatUsec(Math.floor(phaseUsec))}${stop}${text}`;
}
