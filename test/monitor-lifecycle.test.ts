/** The life of the monitor's unit: each state, and what each thing that can happen makes of it. */

import { describe, expect, test } from "bun:test";
import {
  type Happening,
  type Life,
  type Settings,
  type Step,
  transition,
  UNBORN,
} from "../src/tools/unit/lifecycle.ts";

const SETTINGS: Settings = {
  type: "notify",
  timeoutStartMs: 90,
  timeoutStopMs: 30,
  restart: false,
  until: undefined,
};
const mainPid = 7;
const outcome = { status: 0, why: "stopped" };

const LIVES = {
  unborn: UNBORN,
  waiting: { phase: "failed", restarts: true },
  activating: { phase: "activating", mainPid, saidStopping: false },
  active: { phase: "active", mainPid },
  signalled: { phase: "reloading", mainPid, signalUsec: 5 },
  reloading: { phase: "reloading", mainPid },
  leaving: { phase: "deactivating", mainPid, by: "itself", isKilled: false },
  stopping: { phase: "deactivating", mainPid, by: "manager", isKilled: false, next: outcome },
  restarting: { phase: "deactivating", mainPid, by: "manager", isKilled: false, next: "start" },
  killed: { phase: "deactivating", mainPid, by: "manager", isKilled: true, next: outcome },
} as const satisfies Record<string, Life>;

const HAPPENINGS = {
  started: { what: "started", pid: 7 },
  ready: { what: "said", phase: "active" },
  reloadingSaid: { what: "said", phase: "reloading" },
  stoppingSaid: { what: "said", phase: "deactivating", stopping: true },
  mainPid: { what: "said", mainPid: 8 },
  extend: { what: "said", extendMs: 9 },
  reload: { what: "reload", usec: 6 },
  restart: { what: "restart" },
  stop: { what: "stop", why: "q" },
  finish: { what: "finish", outcome: { status: 0, why: "ready" } },
  abort: { what: "abort", why: "no ping" },
  timeUp: { what: "time up", timer: "phase" },
  untilIsOver: { what: "time up", timer: "until" },
  exit0: { what: "ended", code: 0, signal: null },
  exit1: { what: "ended", code: 1, signal: null },
  killedBy: { what: "ended", code: null, signal: "SIGKILL" },
  abandoned: { what: "abandoned" },
} as const satisfies Record<string, Happening>;

/** In a few words: what it is at, if that is another thing, and what is to be done. */
function tell(before: Life, { life, actions, why }: Step): string {
  const lives: [string, Life][] = Object.entries(LIVES);
  const [name] = lives.find(([, known]) => Bun.deepEquals(known, life)) ?? [undefined];
  const what = Bun.deepEquals(before, life) ? [] : [name ?? JSON.stringify(life).replaceAll('"', "")];
  const done = actions.map((action) => {
    switch (action.act) {
      case "signal":
        return `${action.signal} ${action.to} (${action.why})`;
      case "set timer":
        return `timer ${action.ms}`;
      case "extend timers":
        return `extend ${action.ms}`;
      case "watch":
        return `watch ${action.on}`;
      case "go on":
        return `then ${action.with.what}`;
      case "end":
        return `end ${action.outcome.status} ${action.outcome.why}`;
      default:
        return action.act;
    }
  });
  return [...what, ...(why === undefined ? [] : [`because ${why}`]), ...done].join("; ");
}

type Name = keyof typeof LIVES;
type Row = Partial<Record<keyof typeof HAPPENINGS, string>>;

const QUIT = "stopping; watch false; timer 30; SIGTERM all (q)";
const AGAIN = "restarting; watch false; timer 30; SIGTERM all (restart)";
const stopFor = (why: string, status: number, failure = false) =>
  `{phase:deactivating,mainPid:7,by:manager,isKilled:false,next:{status:${status},why:${why}}${failure ? `,failure:${why}` : ""}}; ` +
  `watch false; timer 30; SIGTERM all (${why})`;
const FINISH = stopFor("ready", 0);
const UNTIL = stopFor("exit has not come in time", 4);
const NO_READY = "no READY=1 within the time of TimeoutStartSec=";
const ABORT = stopFor("no ping", 3, true).replace("SIGTERM", "SIGABRT");
const left = "clear timer; end";
const FAILED = "{phase:failed,restarts:false}";
const DIES = {
  exit0: `unborn; ${left} 0 ended`,
  exit1: `${FAILED}; because exit status 1; ${left} 3 exit status 1`,
  killedBy: `${FAILED}; because killed by SIGKILL; ${left} 3 killed by SIGKILL`,
  abandoned: "unborn",
};
const STOPPED = {
  exit0: `unborn; ${left} 0 stopped`,
  exit1: `${FAILED}; because exit status 1; ${left} 0 stopped`,
  killedBy: `${FAILED}; because killed by SIGKILL; ${left} 0 stopped`,
  abandoned: "unborn",
};
const anotherMain = (life: Life) => ({ mainPid: JSON.stringify({ ...life, mainPid: 8 }).replaceAll('"', "") });

/** What is not in it changes nothing, and has nothing done. */
const TABLE: Record<Name, Row> = {
  unborn: {
    started: "activating; timer 90",
    finish: `${left} 0 ready`,
    untilIsOver: `${left} 4 exit has not come in time`,
  },
  waiting: {
    started: "activating; timer 90",
    stop: `${FAILED}; ${left} 0 stopped`,
    finish: `${FAILED}; ${left} 0 ready`,
    untilIsOver: `${FAILED}; ${left} 4 exit has not come in time`,
    timeUp: "start",
    abandoned: FAILED,
  },
  activating: {
    ...anotherMain(LIVES.activating),
    ready: "active; clear timer; watch true",
    // RELOADING=1 is remembered only: no end of the start.
    stoppingSaid: "{phase:activating,mainPid:7,saidStopping:true}",
    extend: "extend 9",
    restart: AGAIN,
    stop: QUIT,
    finish: FINISH,
    abort: ABORT,
    timeUp: stopFor(NO_READY, 4, true),
    untilIsOver: UNTIL,
    ...DIES,
    exit0: `${FAILED}; because it ended before READY=1 (Result=protocol); ${left} 3 it ended before READY=1 (Result=protocol)`,
  },
  active: {
    ...anotherMain(LIVES.active),
    reloadingSaid: "reloading; timer 90",
    stoppingSaid: "leaving; watch false; timer 30",
    extend: "extend 9",
    reload: "SIGHUP main (reload)",
    restart: AGAIN,
    stop: QUIT,
    finish: FINISH,
    abort: ABORT,
    untilIsOver: UNTIL,
    ...DIES,
  },
  signalled: {
    ...anotherMain(LIVES.signalled),
    ready: "active; clear timer",
    reloadingSaid: "reloading",
    stoppingSaid: "leaving; watch false; timer 30",
    extend: "extend 9",
    restart: AGAIN,
    stop: QUIT,
    finish: FINISH,
    abort: ABORT,
    timeUp: "active; because no RELOADING=1 within the time of TimeoutStartSec= (ReloadResult=timeout)",
    untilIsOver: UNTIL,
    ...DIES,
  },
  reloading: {
    ...anotherMain(LIVES.reloading),
    ready: "active; clear timer",
    stoppingSaid: "leaving; watch false; timer 30",
    extend: "extend 9",
    restart: AGAIN,
    stop: QUIT,
    finish: FINISH,
    abort: ABORT,
    timeUp: "active; because no READY=1 within the time of TimeoutStartSec= (ReloadResult=timeout)",
    untilIsOver: UNTIL,
    ...DIES,
  },
  leaving: {
    ...anotherMain(LIVES.leaving),
    extend: "extend 9",
    restart: AGAIN,
    stop: QUIT,
    finish: FINISH,
    abort: ABORT,
    timeUp:
      "{phase:deactivating,mainPid:7,by:itself,isKilled:true}; timer 10000; SIGKILL all (the time of TimeoutStopSec= is over)",
    untilIsOver: UNTIL,
    ...DIES,
  },
  stopping: {
    ...anotherMain(LIVES.stopping),
    extend: "extend 9",
    stop: "killed; timer 10000; SIGKILL all (q, once more)",
    timeUp: "killed; timer 10000; SIGKILL all (the time of TimeoutStopSec= is over)",
    ...STOPPED,
  },
  restarting: {
    ...anotherMain(LIVES.restarting),
    extend: "extend 9",
    // It quits, and is not started again.
    stop: "stopping",
    finish: "{phase:deactivating,mainPid:7,by:manager,isKilled:false,next:{status:0,why:ready}}",
    timeUp:
      "{phase:deactivating,mainPid:7,by:manager,isKilled:true,next:start}; timer 10000; SIGKILL all (the time of TimeoutStopSec= is over)",
    untilIsOver:
      "{phase:deactivating,mainPid:7,by:manager,isKilled:false,next:{status:4,why:exit has not come in time}}",
    exit0: "{phase:inactive,restarts:true}; start",
    exit1: "waiting; because exit status 1; start",
    killedBy: "waiting; because killed by SIGKILL; start",
    abandoned: "unborn",
  },
  killed: {
    ...anotherMain(LIVES.killed),
    extend: "extend 9",
    stop: "timer 10000; SIGKILL all (q, once more)",
    timeUp: `${FAILED}; because a process of it can't be killed; ${left} 3 a process of it can't be killed`,
    ...STOPPED,
  },
};

describe.each(Object.entries(LIVES) as [Name, Life][])("a unit that is %s", (name, life) => {
  test.each(Object.entries(HAPPENINGS))("and %s", (happening, event) => {
    // Only what does not run is started.
    if (happening === "started" && "mainPid" in life) return;
    const before = structuredClone(life);
    const expected = TABLE[name][happening as keyof Row] ?? "";
    expect(tell(life, transition(life, event, SETTINGS))).toBe(expected);
    expect(life).toEqual(before);
  });
});

test.each<[string, Name, Happening, Partial<Settings>, string]>([
  [
    "READY=1 is what --until=ready waits for, at the start only",
    "activating",
    HAPPENINGS.ready,
    { until: "ready" },
    "active; clear timer; watch true; then finish",
  ],
  ["the end of a reload is not", "reloading", HAPPENINGS.ready, { until: "ready" }, "active; clear timer"],
  ["RELOADING=1 is not", "activating", HAPPENINGS.reloadingSaid, { until: "ready" }, ""],
  [
    "STOPPING=1 is what --until=stopping waits for",
    "active",
    HAPPENINGS.stoppingSaid,
    { until: "stopping" },
    "leaving; watch false; timer 30; then finish",
  ],
  [
    "with --restart it is started again after a while",
    "active",
    HAPPENINGS.exit1,
    { restart: true },
    "waiting; because exit status 1; timer 100",
  ],
  ["with --restart it is not once it was told to stop", "stopping", HAPPENINGS.exit0, { restart: true }, STOPPED.exit0],
  [
    "an end before what --until waits for is none of success",
    "active",
    HAPPENINGS.exit0,
    { until: "stopping" },
    `unborn; ${left} 3 it ended, and stopping has not come`,
  ],
  [
    "Type=notify-reload reloads by a signal, and waits for the answer",
    "active",
    { what: "reload", usec: 5 },
    { type: "notify-reload" },
    "signalled; timer 90; SIGHUP main (reload)",
  ],
  ["a reload that is under way is not begun again", "signalled", HAPPENINGS.reload, { type: "notify-reload" }, ""],
])("%s", (_, name, happening, settings, expected) => {
  const life = LIVES[name];
  expect(tell(life, transition(life, happening, { ...SETTINGS, ...settings }))).toBe(expected);
});

test("with Restart=, an expired watchdog has it started again", () => {
  const { life } = transition(LIVES.active, HAPPENINGS.abort, { ...SETTINGS, restart: true });
  expect(life).toMatchObject({ phase: "deactivating", by: "manager", next: "start", failure: "no ping" });
});
