import { describe, expect, test } from "bun:test";
import {
  type Action,
  begin,
  type Lifecycle,
  type LifecycleEvent,
  needsTicks,
  transition,
} from "../src/server/lifecycle.ts";

const where = "Listening on http://localhost:3000/";
const load = { requests: 1, websockets: 2 };
const why = new Error("no disk");
const failure = { errno: 28 };

/** Every phase, with the data that makes a difference. */
const states = {
  warmingUp: { phase: "starting", sinceMs: 0, warmingUp: true, wanted: false },
  notListening: { phase: "starting", sinceMs: 0, warmingUp: false, wanted: false },
  reloadWanted: { phase: "starting", sinceMs: 0, warmingUp: false, wanted: true },
  ready: { phase: "ready", where, attempt: 1, shown: "5 jobs", answer: "5 jobs", failed: false },
  reloadFailed: { phase: "ready", where, attempt: 1, shown: "Reload failed", answer: "5 jobs", failed: true },
  neverAsked: { phase: "ready", where, attempt: 1, shown: "Reload failed", answer: undefined, failed: true },
  reloading: { phase: "reloading", sinceMs: 0, attempt: 2, again: false, where, answer: "5 jobs" },
  reloadingAgain: { phase: "reloading", sinceMs: 0, attempt: 2, again: true, where, answer: "5 jobs" },
  serving: { phase: "stopping", step: "serving", signal: "SIGTERM" },
  draining: { phase: "stopping", step: "draining", signal: "SIGTERM" },
  closing: { phase: "stopping", step: "closing", signal: "SIGTERM" },
} satisfies Record<string, Lifecycle>;
type StateName = keyof typeof states;

const events = {
  made: { type: "made" },
  makingFailed: { type: "makingFailed", why, failure },
  listening: { type: "listening", where, answer: "0 jobs", atMs: 3000 },
  sameAnswer: { type: "answered", answer: "5 jobs" },
  otherAnswer: { type: "answered", answer: "6 jobs" },
  reload: { type: "reload", atMs: 3000 },
  reloaded: { type: "reloaded", attempt: 2, where, answer: "6 jobs", atMs: 3000 },
  reloadFailed: { type: "reloadFailed", attempt: 2, why, atMs: 3000 },
  oldReloaded: { type: "reloaded", attempt: 1, where, answer: "6 jobs", atMs: 3000 },
  oldReloadFailed: { type: "reloadFailed", attempt: 1, why, atMs: 3000 },
  tick: { type: "tick", load, atMs: 3000 },
  stop: { type: "stop", signal: "SIGINT", delayed: false, load },
  stopLater: { type: "stop", signal: "SIGINT", delayed: true, load },
  delayOver: { type: "delayOver", load },
  drained: { type: "drained" },
  closed: { type: "closed" },
  stopFailed: { type: "stopFailed", why, failure },
  fatal: { type: "fatal", why, failure },
} satisfies Record<string, LifecycleEvent>;
type EventName = keyof typeof events;

/** What an action is, in a line: a message as on the wire, without what is the same in each. */
function describeAction(action: Action): string {
  if (action.do === "send") {
    const { status, extendTimeoutMs, errno, ...flags } = action.state;
    const parts = [...Object.keys(flags), status, extendTimeoutMs && "+10 s", errno && `ERRNO=${errno}`];
    return parts.filter(Boolean).join(" | ");
  }
  if (action.do === "reload") return `do reload ${action.attempt}`;
  if (action.do === "exit") return `exit ${action.code}`;
  return action.do === "die" ? `die by ${action.signal}` : `do ${action.do}`;
}

const busy = "1 request in flight, 2 websockets open";
const stopping = [`stopping | Stopping: ${busy} | +10 s`, "do drain"];
const stoppingLater = [`stopping | Stopping soon: ${busy} | +10 s`, "do delay"];
const reloading = (attempt: number) => ["reloading | Reloading | +10 s", `do reload ${attempt}`];
const nowReady = (answer: string) => `ready | ${where}: ${answer}`;
const oldStays = "ready | Reload failed, the old configuration stays: no disk";
const failed = "Failed: no disk | ERRNO=28";

/** What happens: the phase that follows, and what is done. Where nothing stands, nothing happens. */
const table: Record<StateName, Partial<Record<EventName, [Lifecycle, ...string[]]>>> = {
  warmingUp: {
    made: [states.notListening],
    makingFailed: [states.notListening, "Failed to start: no disk | ERRNO=28"],
    listening: [ready("0 jobs", 0), nowReady("0 jobs")],
    reload: [{ ...states.warmingUp, wanted: true }],
    tick: [states.warmingUp, "Starting, for 3 s | +10 s"],
  },
  notListening: {
    makingFailed: [states.notListening, "Failed to start: no disk | ERRNO=28"],
    listening: [ready("0 jobs", 0), nowReady("0 jobs")],
    reload: [states.reloadWanted],
  },
  reloadWanted: {
    makingFailed: [states.reloadWanted, "Failed to start: no disk | ERRNO=28"],
    listening: [
      { phase: "reloading", sinceMs: 3000, attempt: 1, again: false, where, answer: "0 jobs" },
      nowReady("0 jobs"),
      ...reloading(1),
    ],
  },
  ready: {
    otherAnswer: [{ ...states.ready, shown: "6 jobs", answer: "6 jobs" }, "6 jobs"],
    reload: [{ ...states.reloading, sinceMs: 3000 }, ...reloading(2)],
  },
  reloadFailed: {
    otherAnswer: [{ ...states.ready, shown: "6 jobs", answer: "6 jobs" }, "6 jobs"],
    reload: [{ ...states.reloading, sinceMs: 3000 }, ...reloading(2)],
  },
  neverAsked: {
    sameAnswer: [states.reloadFailed],
    otherAnswer: [{ ...states.reloadFailed, answer: "6 jobs" }],
    reload: [{ ...states.reloading, sinceMs: 3000, answer: undefined }, ...reloading(2)],
  },
  reloading: {
    reload: [states.reloadingAgain],
    reloaded: [ready("6 jobs", 2), nowReady("6 jobs")],
    reloadFailed: [failedReload(), oldStays],
    tick: [states.reloading, "Reloading, for 3 s | +10 s"],
  },
  reloadingAgain: {
    reloaded: [
      { ...states.reloading, sinceMs: 3000, attempt: 3, answer: "6 jobs" },
      nowReady("6 jobs"),
      ...reloading(3),
    ],
    reloadFailed: [{ ...states.reloading, sinceMs: 3000, attempt: 3 }, oldStays, ...reloading(3)],
    tick: [states.reloadingAgain, "Reloading, for 3 s | +10 s"],
  },
  serving: {
    tick: [states.serving, `Stopping soon: ${busy} | +10 s`],
    delayOver: [states.draining, `Stopping: ${busy} | +10 s`, "do drain"],
    stopFailed: [states.serving, "Failed to stop: no disk | ERRNO=28", "exit 1"],
  },
  draining: {
    tick: [states.draining, `Stopping: ${busy} | +10 s`],
    drained: [states.closing, "do close"],
    stopFailed: [states.draining, "Failed to stop: no disk | ERRNO=28", "exit 1"],
  },
  closing: {
    closed: [states.closing, "exit 0"],
    stopFailed: [states.closing, "Failed to stop: no disk | ERRNO=28", "exit 1"],
  },
};
for (const [name, row] of Object.entries(table) as [StateName, (typeof table)[StateName]][]) {
  const state = states[name];
  row.fatal = [state, failed];
  row.stop = [{ phase: "stopping", step: "draining", signal: "SIGINT" }, ...stopping];
  row.stopLater = [{ phase: "stopping", step: "serving", signal: "SIGINT" }, ...stoppingLater];
  if (state.phase === "stopping") row.stop = row.stopLater = [state, "die by SIGINT"];
}

function ready(answer: string, attempt: number): Lifecycle {
  return { phase: "ready", where, attempt, shown: `${where}: ${answer}`, answer, failed: false };
}

function failedReload(): Lifecycle {
  const shown = "Reload failed, the old configuration stays: no disk";
  return { phase: "ready", where, attempt: 2, shown, answer: "5 jobs", failed: true };
}

const pairs = Object.keys(states).flatMap((state) =>
  Object.keys(events).map((event) => [state as StateName, event as EventName] as const),
);

describe("transition()", () => {
  test.each(pairs)("%s, %s", (stateName, eventName) => {
    const [next, ...actions] = table[stateName][eventName] ?? [states[stateName]];
    const state: Lifecycle = Object.freeze({ ...states[stateName] });
    const step = transition(state, events[eventName]);
    expect(step.state).toEqual(next);
    expect(step.actions.map(describeAction)).toEqual(actions);
  });

  test("begins by asking for time when the servers are still being made, and only then", () => {
    expect(begin(true, 0)).toMatchObject({ state: states.warmingUp });
    expect(begin(true, 0).actions.map(describeAction)).toEqual(["Starting | +10 s"]);
    expect(begin(false, 0)).toEqual({ state: states.notListening, actions: [] });
  });

  test("wants to hear of each second while it asks for time, and only then", () => {
    const ticking = Object.entries(states).filter(([, state]) => needsTicks(state));
    expect(ticking.map(([name]) => name)).toEqual(["warmingUp", "reloading", "reloadingAgain", "serving", "draining"]);
    for (const [name, state] of Object.entries(states)) {
      const { actions } = transition(state, events.tick);
      expect([name, actions.length]).toEqual([name, needsTicks(state) ? 1 : 0]);
    }
  });

  test("keeps its promises whatever happens in whatever order", () => {
    let seed = 14;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 0x80000000;
      return seed % below;
    };
    const all = Object.values(events);
    for (let run = 0; run < 2000; run++) {
      let { state } = begin(run % 2 === 0, 0);
      const sent: string[] = [];
      let listens = false;
      for (let i = 0; i < 40; i++) {
        const event = all[random(all.length)] as LifecycleEvent;
        // The attempt that is under way, most often.
        const current = "attempt" in event && "attempt" in state && random(4) > 0 ? { attempt: state.attempt } : {};
        listens ||= event.type === "listening";
        const step = transition(state, { ...event, ...current } as LifecycleEvent);
        state = step.state;
        for (const action of step.actions) {
          if (action.do !== "send") continue;
          for (const key of ["ready", "reloading", "stopping"] as const) if (action.state[key]) sent.push(key);
          if (action.state.ready) expect(listens).toBe(true);
        }
      }
      const text = sent.join(" ");
      // One READY, reloads that each end in READY but the last one, and at most one STOPPING at the end.
      expect(text).toMatch(/^(ready( reloading ready)*( reloading)?)?( ?stopping)?$/);
      if (text.endsWith("reloading")) expect(state.phase).toBe("reloading");
    }
  });
});
