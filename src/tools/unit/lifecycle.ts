/**
 * The life of a unit when a tool plays its service manager: its state, and how events change that. Pure: it knows no
 * process and no clock. The rules are those of systemd 262: systemd.service(5) and src/core/service.c.
 */

import { EXIT_EXEC } from "../../protocol/systemd.ts";
import type { Phase, UnitFacts } from "../../verdict/types.ts";

/** How it ended. */
export interface Outcome {
  status: number;
  why: string;
}

/** How a process has ended; both null if nobody can tell. */
export interface End {
  code: number | null;
  signal: string | null;
}

/** The state of the unit, and what is known only in that state. */
export type Life =
  /** Nothing of it runs. `restarts`: it will be started again. */
  | { phase: "inactive" | "failed"; restarts: boolean }
  /** After `saidStopping` no READY=1 counts any more. */
  | { phase: "activating"; mainPid: number; saidStopping: boolean }
  | { phase: "active"; mainPid: number }
  /** `signalUsec`: when the signal was sent that no RELOADING=1 has answered yet. */
  | { phase: "reloading"; mainPid: number; signalUsec?: number }
  | { phase: "deactivating"; mainPid: number; by: "itself"; isKilled: boolean }
  /** `failure`: why the stop makes it fail. */
  | { phase: "deactivating"; mainPid: number; by: "manager"; isKilled: boolean; next: Next; failure?: string };

/** What happens after the manager has stopped the unit. */
export type Next = "start" | Outcome;

/** An event in the life of the unit. */
export type Happening =
  | { what: "started"; pid: number }
  /** The part of a message that counts. `stopping`: STOPPING=1, whatever phase it leads to. */
  | {
      what: "said";
      phase?: Phase | undefined;
      stopping?: boolean;
      mainPid?: number | undefined;
      extendMs?: number | undefined;
    }
  | { what: "reload"; usec: number }
  | { what: "restart" }
  /** Somebody wants it to stop. `status`: how the manager then ends, 0 by default. */
  | { what: "stop"; why: string; status?: number }
  /** It must end because of something it did, or did not do in time: `failure`. */
  | { what: "finish"; outcome: Outcome; failure?: string }
  /** It must end at once, with a core dump, because the watchdog's time is over. */
  | { what: "abort"; why: string }
  /** "phase": the phase has taken too long. "until": the event that is waited for has taken too long. */
  | { what: "time up"; timer: TimerName }
  /** Nothing of it runs any more. */
  | ({ what: "ended" } & End)
  /** The manager gives up. */
  | { what: "abandoned" };

export type TimerName = "phase" | "until";

/** What must be done about it. */
export type Action =
  | { act: "start" }
  | { act: "signal"; signal: "SIGHUP" | "SIGTERM" | "SIGABRT" | "SIGKILL"; to: "main" | "all"; why: string }
  /** Replaces the timer that runs. */
  | { act: "set timer"; ms: number }
  /** The timer that runs, and the watchdog's, end no sooner than that. */
  | { act: "extend timers"; ms: number }
  | { act: "clear timer" }
  | { act: "watch"; on: boolean }
  /** Happens next. */
  | { act: "go on"; with: Happening }
  | { act: "end"; outcome: Outcome };

/** The settings that decide. */
export interface Settings {
  type: "notify" | "notify-reload";
  timeoutStartMs: number;
  timeoutStopMs: number;
  restart: boolean;
  until: "ready" | "stopping" | "exit" | undefined;
}

export interface Step {
  life: Life;
  /** What to do, in this order, once the life has that state. */
  actions: Action[];
  /** Why the phase has changed, if the phase does not say so itself. */
  why?: string | undefined;
}

/** Exit statuses of the monitor: see its help. */
export const ENDED_BEFORE = 3;
export const TIME_OVER = 4;

/** Before the first start. */
export const UNBORN: Life = { phase: "inactive", restarts: false };

/** Whether anything of it should run. */
export function isUp(life: Life): life is Exclude<Life, { phase: "inactive" | "failed" }> {
  return life.phase !== "inactive" && life.phase !== "failed";
}

/** Whether its manager has told it to stop. */
export function isBeingStopped(life: Life): boolean {
  return life.phase === "deactivating" && life.by === "manager";
}

/** The part of the life that decides about messages. */
export function factsOf(life: Life): Pick<UnitFacts, "phase" | "reloadUsec" | "saidStopping"> {
  if (!isUp(life)) return {};
  return {
    phase: life.phase,
    ...(life.phase === "reloading" && life.signalUsec !== undefined && { reloadUsec: life.signalUsec }),
    ...(life.phase === "activating" && { saidStopping: life.saidStopping }),
  };
}

/** Returns the state after an event, and what must be done. */
export function transition(life: Life, happening: Happening, settings: Settings): Step {
  switch (happening.what) {
    case "started":
      return {
        life: { phase: "activating", mainPid: happening.pid, saidStopping: false },
        actions: [setTimer(settings.timeoutStartMs)],
      };
    case "said":
      return isUp(life) ? said(life, happening, settings) : stay(life);
    case "reload":
      return reload(life, happening.usec, settings);
    case "restart":
      return isUp(life) && !isBeingStopped(life) ? stop(life, "restart", "start", settings) : stay(life);
    case "stop":
      return stopBy(life, happening, settings);
    case "finish":
      return finish(life, happening, settings);
    case "abort":
      return isUp(life) ? abort(life, happening.why, settings) : stay(life);
    case "time up":
      return happening.timer === "until" ? untilIsOver(settings, life) : timeUp(life, settings);
    case "ended":
      return isUp(life) ? ended(life, happening, settings) : stay(life);
    case "abandoned":
      return { life: { phase: life.phase === "failed" ? "failed" : "inactive", restarts: false }, actions: [] };
  }
}

// --- internal ---

type Up = Exclude<Life, { phase: "inactive" | "failed" }>;
type Said = Extract<Happening, { what: "said" }>;

/** systemd-system.conf(5), DefaultRestartSec=. */
const RESTART_MS = 100;

/** How long SIGKILL may take. A process that waits for a disk, or that this user may not kill, doesn't end by it. */
const KILL_MS = 10_000;

function stay(life: Life, ...actions: Action[]): Step {
  return { life, actions };
}

function setTimer(ms: number): Action {
  return { act: "set timer", ms };
}

function said(life: Up, { phase, stopping = false, mainPid, extendMs }: Said, settings: Settings): Step {
  const named: Up = mainPid === undefined ? life : { ...life, mainPid };
  const step = saidPhase(named, phase, stopping, settings);
  const until = settings.until;
  const isDone =
    (until === "ready" && life.phase === "activating" && step.life.phase === "active") ||
    (until === "stopping" && stopping);
  return {
    ...step,
    actions: [
      ...step.actions,
      ...(extendMs === undefined ? [] : [{ act: "extend timers", ms: extendMs } as const]),
      ...(isDone ? [{ act: "go on", with: { what: "finish", outcome: { status: 0, why: until } } } as const] : []),
    ],
  };
}

/** The state that follows from its message: service_notify_message_process_state(). */
function saidPhase(life: Up, phase: Phase | undefined, stopping: boolean, settings: Settings): Step {
  const { mainPid } = life;
  if (life.phase === "activating" && stopping) return stay({ ...life, saidStopping: true });
  if (life.phase === "activating" && phase === "active") {
    return stay({ phase, mainPid }, { act: "clear timer" }, { act: "watch", on: true });
  }
  if (life.phase !== "active" && life.phase !== "reloading") return stay(life);
  switch (phase) {
    case "deactivating":
      return stay(
        { phase, mainPid, by: "itself", isKilled: false },
        { act: "watch", on: false },
        setTimer(settings.timeoutStopMs),
      );
    case "reloading":
      // The answer to a signal has the rest of the signal's time.
      return stay({ phase, mainPid }, ...(life.phase === "active" ? [setTimer(settings.timeoutStartMs)] : []));
    case "active":
      return life.phase === "active" ? stay(life) : stay({ phase, mainPid }, { act: "clear timer" });
    default:
      return stay(life);
  }
}

/** systemctl(1), reload: Type=notify-reload, or ExecReload=kill -HUP $MAINPID, of which nothing is waited for. */
function reload(life: Life, usec: number, { type, timeoutStartMs }: Settings): Step {
  const signal: Action = { act: "signal", signal: "SIGHUP", to: "main", why: "reload" };
  if (life.phase === "active" && type === "notify-reload") {
    const { mainPid } = life;
    return stay({ phase: "reloading", mainPid, signalUsec: usec }, setTimer(timeoutStartMs), signal);
  }
  // What starts, reloads or stops has to be done with that first.
  return life.phase === "active" ? stay(life, signal) : stay(life);
}

/** As somebody wants it: at once if it is being stopped already, and not to be started again. */
function stopBy(life: Life, { why, status = 0 }: Extract<Happening, { what: "stop" }>, settings: Settings): Step {
  const outcome: Outcome = { status, why: "stopped" };
  if (!isUp(life)) return life.restarts ? over(life, outcome) : stay(life);
  if (life.phase !== "deactivating" || life.by === "itself") return stop(life, why, outcome, settings);
  return life.next === "start" ? stay({ ...life, next: outcome }) : kill(life, `${why}, once more`);
}

function finish(life: Life, { outcome, failure }: Extract<Happening, { what: "finish" }>, settings: Settings): Step {
  if (!isUp(life)) return over(life, outcome);
  if (life.phase !== "deactivating" || life.by === "itself") {
    return stop(life, outcome.why, outcome, settings, failure);
  }
  return life.next === "start"
    ? stay({ ...life, next: outcome, ...(failure !== undefined && { failure }) })
    : stay(life);
}

function stop(
  { mainPid }: Up,
  why: string,
  next: Next,
  { timeoutStopMs }: Settings,
  failure?: string,
  signal: "SIGTERM" | "SIGABRT" = "SIGTERM",
): Step {
  return stay(
    { phase: "deactivating", mainPid, by: "manager", isKilled: false, next, ...(failure !== undefined && { failure }) },
    { act: "watch", on: false },
    setTimer(timeoutStopMs),
    // systemd.kill(5): KillMode=control-group.
    { act: "signal", signal, to: "all", why },
  );
}

/** systemd.service(5), WatchdogSec=: TimeoutAbortSec=, which is TimeoutStopSec=, then SIGKILL. */
function abort(life: Up, why: string, settings: Settings): Step {
  if (life.phase === "deactivating" && life.by === "manager") return stay(life);
  const next: Next = settings.restart ? "start" : { status: ENDED_BEFORE, why };
  return stop(life, why, next, settings, why, "SIGABRT");
}

function kill(life: Extract<Life, { phase: "deactivating" }>, why: string): Step {
  return stay({ ...life, isKilled: true }, setTimer(KILL_MS), { act: "signal", signal: "SIGKILL", to: "all", why });
}

function timeUp(life: Life, settings: Settings): Step {
  switch (life.phase) {
    case "activating": {
      const why = "no READY=1 within the time of TimeoutStartSec=";
      return finish(life, { what: "finish", outcome: { status: TIME_OVER, why }, failure: why }, settings);
    }
    case "active":
      return stay(life);
    case "reloading": {
      const said = life.signalUsec === undefined ? "READY=1" : "RELOADING=1";
      const why = `no ${said} within the time of TimeoutStartSec= (ReloadResult=timeout)`;
      return { life: { phase: "active", mainPid: life.mainPid }, actions: [], why };
    }
    case "deactivating": {
      if (!life.isKilled) return kill(life, "the time of TimeoutStopSec= is over");
      const why = "a process of it can't be killed";
      return { ...over({ phase: "failed", restarts: false }, { status: ENDED_BEFORE, why }), why };
    }
    default:
      return life.restarts ? stay(life, { act: "start" }) : stay(life);
  }
}

function untilIsOver(settings: Settings, life: Life): Step {
  const why = `${settings.until ?? "exit"} has not come in time`;
  return finish(life, { what: "finish", outcome: { status: TIME_OVER, why } }, settings);
}

function ended(life: Up, end: End, settings: Settings): Step {
  const isStopped = life.phase === "deactivating" && life.by === "manager";
  const why = (isStopped ? life.failure : undefined) ?? whyFailed(life, end);
  const phase = why === undefined ? "inactive" : "failed";
  const next = isStopped ? life.next : settings.restart ? undefined : outcomeOf(why, settings);
  if (next === "start") return { life: { phase, restarts: true }, actions: [{ act: "start" }], why };
  if (next === undefined) return { life: { phase, restarts: true }, actions: [setTimer(RESTART_MS)], why };
  return { ...over({ phase, restarts: false }, next), why };
}

function over({ phase }: Extract<Life, { restarts: boolean }>, outcome: Outcome): Step {
  return stay({ phase, restarts: false }, { act: "clear timer" }, { act: "end", outcome });
}

/** systemd.service(5): which ends are none of success. */
function whyFailed(life: Up, { code, signal }: End): string | undefined {
  if (code === EXIT_EXEC) return "it can't be executed";
  if (signal !== null && !["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"].includes(signal)) return `killed by ${signal}`;
  if (code !== null && code !== 0) return `exit status ${code}`;
  if (life.phase === "activating") return "it ended before READY=1 (Result=protocol)";
  return undefined;
}

function outcomeOf(failure: string | undefined, { until }: Settings): Outcome {
  if (failure !== undefined) return { status: ENDED_BEFORE, why: failure };
  if (until === "ready" || until === "stopping") {
    return { status: ENDED_BEFORE, why: `it ended, and ${until} has not come` };
  }
  return { status: 0, why: "ended" };
}
