/**
 * The life of a server, from its start to its end: which phase it is in, and what to do when something happens. This
 * reads no clock and sends nothing. Times come with the events, and the things to do are returned.
 */

import type { State } from "../protocol/state.ts";
import type { Failure } from "./failures.ts";
import { type Load, loadStatus, readyStatus, toStatus } from "./status.ts";

export type StopSignal = "SIGTERM" | "SIGINT";

/** Where a server is in its life. */
export type Lifecycle =
  /**
   * Not all of its servers listen yet. While it is `warmingUp`, it asks for time. A reload that is `wanted` waits
   * until they listen.
   */
  | { phase: "starting"; sinceMs: number; warmingUp: boolean; wanted: boolean }
  | Ready
  /**
   * `attempt` counts the reloads. So the end of a reload that was given up can't be mistaken for the end of the next.
   */
  | { phase: "reloading"; sinceMs: number; attempt: number; again: boolean; where: string; answer: string | undefined }
  /** It still serves, then answers the requests that it has accepted, then runs the hook `stop`. */
  | { phase: "stopping"; step: "serving" | "draining" | "closing"; signal: StopSignal };

interface Ready {
  phase: "ready";
  /** "Listening on http://localhost:3000/" */
  where: string;
  /** How often it has reloaded, or tried to. */
  attempt: number;
  /** The status that the manager shows. */
  shown: string;
  /** The last answer of the hook `status`. */
  answer: string | undefined;
  /** The last reload has failed. The status shows this until `answer` changes. */
  failed: boolean;
}

/** Something that happens. `load` is what the servers are busy with. */
export type LifecycleEvent =
  /** The function that makes the servers has returned them. */
  | { type: "made" }
  | { type: "makingFailed"; why: unknown; failure: Failure }
  /** All servers listen. */
  | { type: "listening"; where: string; answer: string | undefined; atMs: number }
  /** The hook `status` has answered. */
  | { type: "answered"; answer: string }
  /** SIGHUP */
  | { type: "reload"; atMs: number }
  | { type: "reloaded"; attempt: number; where: string; answer: string | undefined; atMs: number }
  | { type: "reloadFailed"; attempt: number; why: unknown; atMs: number }
  /** A second has passed. */
  | { type: "tick"; load: Load; atMs: number }
  /**
   * SIGTERM or SIGINT. `delayed`: it should go on serving for a while. `own`: the program has a handler, and stops
   * itself.
   */
  | { type: "stop"; signal: StopSignal; delayed: boolean; own?: boolean; load: Load }
  | { type: "delayOver"; load: Load }
  /** The requests in flight are answered, or the time for that is up. */
  | { type: "drained" }
  /** The hook `stop` has returned. */
  | { type: "closed" }
  | { type: "stopFailed"; why: unknown; failure: Failure }
  /** An error that ends the process. */
  | { type: "fatal"; why: unknown; failure: Failure };

/** Something to do. */
export type Action =
  /** `kind`: see Outbox. */
  | { do: "send"; state: State; kind: "state" | "status" }
  /** Run the hook `reload`, and report how it ends. */
  | { do: "reload"; attempt: number }
  /** Go on serving for drainDelayMs. */
  | { do: "delay" }
  /** Accept no more connections, and answer the accepted ones. */
  | { do: "drain" }
  /** End what is left, and run the hook `stop`. */
  | { do: "close" }
  | { do: "exit"; code: number }
  /** End by the signal, as if there were no handler. */
  | { do: "die"; signal: StopSignal };

export interface Step {
  state: Lifecycle;
  actions: Action[];
}

/** How much time one message asks for. A tick is a second, so some ticks may come late. */
export const EXTENSION_MS = 10_000;

/** The first phase. `warmingUp`: the servers are still being made. */
export function begin(warmingUp: boolean, atMs: number): Step {
  const actions = warmingUp ? [send({ status: "Starting", extendTimeoutMs: EXTENSION_MS })] : [];
  return { state: { phase: "starting", sinceMs: atMs, warmingUp, wanted: false }, actions };
}

/** Returns the next state after an event, and what to do. An event that does not fit the phase changes nothing. */
export function transition(state: Lifecycle, event: LifecycleEvent): Step {
  if (event.type === "fatal") return { state, actions: [tell("Failed", event)] };
  if (event.type === "stop") return stop(state, event);
  switch (state.phase) {
    case "starting":
      return whileStarting(state, event);
    case "ready":
      return whileReady(state, event);
    case "reloading":
      return whileReloading(state, event);
    case "stopping":
      return whileStopping(state, event);
  }
}

/** Whether this phase needs a tick each second, to ask the manager for time. */
export function needsTicks(state: Lifecycle): boolean {
  if (state.phase === "starting") return state.warmingUp;
  // Only requests ask for more time. If the hook `stop` hangs, TimeoutStopSec= of the unit ends it.
  return state.phase === "reloading" || (state.phase === "stopping" && state.step !== "closing");
}

// --- internal ---

type Phase<Name extends Lifecycle["phase"]> = Extract<Lifecycle, { phase: Name }>;
type EventOf<Type extends LifecycleEvent["type"]> = Extract<LifecycleEvent, { type: Type }>;

function whileStarting(state: Phase<"starting">, event: LifecycleEvent): Step {
  switch (event.type) {
    case "tick":
      if (!state.warmingUp) return unchanged(state);
      return { state, actions: [extend(`Starting, for ${seconds(event.atMs - state.sinceMs)}`)] };
    case "made":
      return { state: { ...state, warmingUp: false }, actions: [] };
    case "makingFailed":
      return { state: { ...state, warmingUp: false }, actions: [tell("Failed to start", event)] };
    case "reload":
      return { state: { ...state, wanted: true }, actions: [] };
    case "listening": {
      const step = becomeReady(event, 0);
      return state.wanted ? reload(step.state, event.atMs, step.actions) : step;
    }
    default:
      return unchanged(state);
  }
}

function whileReady(state: Ready, event: LifecycleEvent): Step {
  if (event.type === "reload") return reload(state, event.atMs);
  if (event.type !== "answered") return unchanged(state);
  const answer = toStatus(event.answer);
  const isNews = state.failed ? state.answer !== undefined && answer !== state.answer : answer !== state.shown;
  if (!isNews) return { state: { ...state, answer }, actions: [] };
  return { state: { ...state, answer, shown: answer, failed: false }, actions: [send({ status: answer }, "status")] };
}

function whileReloading(state: Phase<"reloading">, event: LifecycleEvent): Step {
  switch (event.type) {
    case "tick":
      return { state, actions: [extend(`Reloading, for ${seconds(event.atMs - state.sinceMs)}`)] };
    case "reload":
      return { state: { ...state, again: true }, actions: [] };
    case "reloaded":
    case "reloadFailed": {
      if (event.attempt !== state.attempt) return unchanged(state);
      const step = event.type === "reloaded" ? becomeReady(event, state.attempt) : keepOld(state, event);
      return state.again ? reload(step.state, event.atMs, step.actions) : step;
    }
    default:
      return unchanged(state);
  }
}

function whileStopping(state: Phase<"stopping">, event: LifecycleEvent): Step {
  const { step } = state;
  switch (event.type) {
    case "tick":
      if (step === "closing") return unchanged(state);
      return { state, actions: [extend(loadStatus(WORDS[step], event.load))] };
    case "delayOver":
      if (step !== "serving") return unchanged(state);
      return {
        state: { ...state, step: "draining" },
        actions: [extend(loadStatus(WORDS.draining, event.load)), { do: "drain" }],
      };
    case "drained":
      if (step !== "draining") return unchanged(state);
      return { state: { ...state, step: "closing" }, actions: [{ do: "close" }] };
    case "closed":
      return { state, actions: step === "closing" ? [{ do: "exit", code: 0 }] : [] };
    case "stopFailed":
      return { state, actions: [tell("Failed to stop", event), { do: "exit", code: 1 }] };
    default:
      return unchanged(state);
  }
}

const WORDS = { serving: "Stopping soon", draining: "Stopping" };

function stop(state: Lifecycle, { signal, delayed, own = false, load }: EventOf<"stop">): Step {
  if (own) return stopItself(state, signal, load);
  if (state.phase === "stopping") return { state, actions: [{ do: "die", signal }] };
  const step = delayed ? "serving" : "draining";
  // The message also asks for time, because TimeoutStopSec= may be shorter than a second.
  const stopping = send({ stopping: true, status: loadStatus(WORDS[step], load), extendTimeoutMs: EXTENSION_MS });
  return { state: { phase: "stopping", step, signal }, actions: [stopping, { do: delayed ? "delay" : "drain" }] };
}

/** The program may take as long as TimeoutStopSec= allows. This asks for no more time. */
function stopItself(state: Lifecycle, signal: StopSignal, load: Load): Step {
  if (state.phase === "stopping") return unchanged(state);
  const stopping = send({ stopping: true, status: loadStatus(WORDS.draining, load) });
  return { state: { phase: "stopping", step: "closing", signal }, actions: [stopping] };
}

function becomeReady({ where, answer }: EventOf<"listening" | "reloaded">, attempt: number): Step & { state: Ready } {
  const text = answer === undefined ? undefined : toStatus(answer);
  const shown = readyStatus(where, text);
  const state: Ready = { phase: "ready", where, attempt, shown, answer: text, failed: false };
  return { state, actions: [send({ ready: true, status: shown })] };
}

/** The old configuration goes on. */
function keepOld({ where, attempt, answer }: Phase<"reloading">, { why }: EventOf<"reloadFailed">) {
  const shown = toStatus(`Reload failed, the old configuration stays: ${toStatus(why)}`);
  const state: Ready = { phase: "ready", where, attempt, shown, answer, failed: true };
  return { state, actions: [send({ ready: true, status: shown })] };
}

function reload({ where, attempt, answer }: Ready, atMs: number, before: Action[] = []): Step {
  const next = attempt + 1;
  const reloading = send({ reloading: true, status: "Reloading", extendTimeoutMs: EXTENSION_MS });
  return {
    state: { phase: "reloading", sinceMs: atMs, attempt: next, again: false, where, answer },
    actions: [...before, reloading, { do: "reload", attempt: next }],
  };
}

function tell(what: string, { why, failure }: { why: unknown; failure: Failure }): Action {
  return send({ status: toStatus(`${what}: ${toStatus(why)}`), ...failure });
}

function extend(status: string): Action {
  return send({ status, extendTimeoutMs: EXTENSION_MS }, "status");
}

function send(state: State, kind: "state" | "status" = "state"): Action {
  return { do: "send", state, kind };
}

function unchanged(state: Lifecycle): Step {
  return { state, actions: [] };
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
