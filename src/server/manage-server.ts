/** The life of a server as a unit: ready, reload, stop, watchdog, and what it says of itself meanwhile. */

import { monotonicUsec } from "../../ffi/syscalls.ts";
import { isHot, singleton } from "../bun/singleton.ts";
import { MAX_TIMER_MS, startTimer } from "../bun/timers.ts";
import { type Outbox, openOutbox } from "../outbox.ts";
import { checkFunction, checkInteger, checkOptionNames, checkTime } from "../protocol/check.ts";
import { encode } from "../protocol/encode.ts";
import type { State } from "../protocol/state.ts";
import { attempt, type OnError, report, reportToStderr } from "../report.ts";
import { managerAddress } from "../transport/options.ts";
import { startWatchdog } from "../watchdog.ts";
import { type Adapter, adapt, isApplication, type StoppableServer, totalLoad } from "./adapters.ts";
import { failureOf, onFatalError } from "./failures.ts";
import { healthCheck } from "./health.ts";
import { type Action, begin, type LifecycleEvent, needsTicks, type StopSignal, transition } from "./lifecycle.ts";
import { type ProbeOptions, serveProbes } from "./probes.ts";

export type { StoppableServer } from "./adapters.ts";
export type { ProbeOptions } from "./probes.ts";

/** One server, several, or a function that makes them. */
export type Servers =
  | StoppableServer
  | readonly StoppableServer[]
  | (() => StoppableServer | readonly StoppableServer[] | Promise<StoppableServer | readonly StoppableServer[]>);

export interface ManageOptions {
  /** What the server is doing, in one line; asked every few seconds, and told when it has changed. */
  status?: (() => string | Promise<string>) | undefined;
  /** Reads the configuration again, on SIGHUP. When it throws, the status says so; the old configuration is to stay. */
  reload?: (() => unknown) | undefined;
  /** Called when the stop begins and no more connections are accepted: the place to close websockets and event streams. */
  stopping?: (() => unknown) | undefined;
  /** Called when the last request is answered, before the process ends. */
  stop?: (() => unknown) | undefined;
  /** Whether the server is healthy: false, an error or no answer misses a ping of the watchdog, and fails the probe /livez. */
  healthy?: (() => unknown) | undefined;
  /** Answers Kubernetes's probes on this port: /livez, /readyz and /startupz. */
  probes?: number | ProbeOptions | undefined;
  /** How often `status` is asked, in milliseconds. Default: 5000. */
  statusIntervalMs?: number | undefined;
  /** How long a reload may take before it is given up, in milliseconds. Default: 60000. */
  reloadTimeoutMs?: number | undefined;
  /** How long to go on serving after SIGTERM, while /readyz says no already, in milliseconds. Default: 0. */
  drainDelayMs?: number | undefined;
  /**
   * How long to wait for the requests in flight when the server stops, in milliseconds. Default: 60000 under a service manager, whose
   * TimeoutStopSec= is 90 s, else 25000: Kubernetes kills after 30 s.
   */
  drainTimeoutMs?: number | undefined;
  /** What to do with an error of a hook or while sending, which never ends the server. Default: one line on standard error, at most one a minute. */
  onError?: OnError | undefined;
}

/** What manageServer() returns. */
export interface ManagedServer extends Disposable {
  /** Resolves when the servers listen and the manager was told. Rejects when they could not be made. */
  ready: Promise<void>;
  /** Where the probes are answered; undefined without. */
  probesUrl: URL | undefined;
  /** Takes manageServer() back: removes its handlers and timers. The server itself goes on. */
  end(): void;
}

/**
 * Runs a server, or several, as a unit of Type=notify or Type=notify-reload:
 *
 * - READY=1 with the URL, once all listen; while a function that makes them is pending, it asks for time;
 * - SIGHUP: RELOADING=1, `reload()`, READY=1;
 * - SIGTERM, SIGINT: STOPPING=1, no more connections, `stopping()`, the requests in flight are answered, `stop()`, exit 0. A second one
 *   ends the process at once, by the signal;
 * - the watchdog, while `healthy()` says so;
 * - the status, when it has changed;
 * - an uncaught error is told before it ends the process;
 * - with `probes`, the same for Kubernetes.
 *
 * Where this process is not supervised, it stops on the signals in the same way, leaves SIGHUP alone, and sends nothing. Under `bun --hot`,
 * a new call replaces the old one. `bun --watch` sends SIGTERM at each edit, so it is not for units.
 *
 * @returns a handle that takes all this back.
 * @throws TypeError for servers or options that can't be, in a Worker, and for a second call.
 * @see systemd.service(5), Type=
 * @example
 * manageServer(Bun.serve({ port: 3000, fetch: () => new Response("Hello\n") }));
 */
export function manageServer(servers: Servers, options: ManageOptions = {}): ManagedServer {
  checkPlace();
  checkOptions(options);
  const make = makerOf(servers);
  takeOver();
  const managed = manage(make, options);
  managing.current = managed;
  return managed;
}

// --- internal ---

/** What makes the servers: at once, or with time. */
type Maker = { servers: Adapter[] } | { pending: () => Promise<Adapter[]> };

const managing = singleton<ManagedServer>("sd-notify.manageServer");

/** How often the manager is asked for time. */
const TICK_MS = 1000;

function manage(make: Maker, options: ManageOptions): ManagedServer {
  const { status, healthy, onError = reportToStderr(), statusIntervalMs = 5000, reloadTimeoutMs = 60_000 } = options;
  const address = managerAddress(undefined);
  const { drainDelayMs = 0, drainTimeoutMs = address === undefined ? 25_000 : 60_000 } = options;
  const outbox = address === undefined ? undefined : openOutbox(address, onError);
  const ready = Promise.withResolvers<void>();
  const stopBegan = Promise.withResolvers<void>();
  const first = begin("pending" in make, performance.now());
  let state = first.state;
  let adapters = "servers" in make ? make.servers : [];
  let ended = false;
  let told: unknown;

  const load = () => totalLoad(adapters);
  const where = () => {
    const places = adapters.flatMap((adapter) => adapter.where() ?? []);
    return places.length === 0 ? "Running" : `Listening on ${places.join(", ")}`;
  };
  const dispatch = (event: LifecycleEvent) => {
    // A stop that has begun goes on to its end.
    if (ended && state.phase !== "stopping") return;
    const step = transition(state, event);
    state = step.state;
    if (state.phase === "stopping") stopBegan.resolve();
    for (const action of step.actions) perform(action);
    ticks.run(needsTicks(state));
  };
  const perform = (action: Action) => {
    switch (action.do) {
      case "send":
        return say(outbox, action.state, action.kind, onError);
      case "reload":
        return void reload(action.attempt);
      case "delay":
        return void startTimer(drainDelayMs, () => dispatch({ type: "delayOver", load: load() }));
      case "drain":
        return void drain();
      case "close":
        return void close();
      case "exit":
        return process.exit(action.code);
      case "die":
        return die(action.signal);
    }
  };

  // What takes its time, and tells how it ended.

  const start = async () => {
    try {
      if ("pending" in make) {
        adapters = await make.pending();
        // It was told to stop before it had begun.
        if (state.phase === "stopping") for (const adapter of adapters) adapter.closeNow();
        dispatch({ type: "made" });
      }
      await Promise.all(adapters.map((adapter) => adapter.whenListening()));
      dispatch({ type: "listening", where: where(), answer: await quickly(askStatus()), atMs: performance.now() });
      ready.resolve();
    } catch (why) {
      told = why;
      dispatch({ type: "makingFailed", why, failure: failureOf(why) });
      ready.reject(why);
    }
  };
  const reload = async (attempt: number) => {
    try {
      await within(reloadTimeoutMs, options.reload, `it was given up after ${reloadTimeoutMs} ms`);
      const answer = await quickly(askStatus());
      dispatch({ type: "reloaded", attempt, where: where(), answer, atMs: performance.now() });
    } catch (why) {
      report(onError, why);
      dispatch({ type: "reloadFailed", attempt, why, atMs: performance.now() });
    }
  };
  const drain = async () => {
    const timeUp = Promise.withResolvers<void>();
    const deadline = startTimer(drainTimeoutMs, timeUp.resolve);
    try {
      const drained = adapters.map((adapter) => adapter.drain());
      const hook = (async () => options.stopping?.())().catch((error) => report(onError, error));
      await Promise.race([Promise.all([...drained, hook]), timeUp.promise]);
      dispatch({ type: "drained" });
    } catch (why) {
      failToStop(why);
    } finally {
      deadline[Symbol.dispose]();
    }
  };
  const close = async () => {
    try {
      for (const adapter of adapters) adapter.closeNow();
      await options.stop?.();
      dispatch({ type: "closed" });
    } catch (why) {
      failToStop(why);
    }
  };
  const failToStop = (why: unknown) => {
    report(onError, why);
    dispatch({ type: "stopFailed", why, failure: failureOf(why) });
  };

  // The hook `status`: one question at a time.

  let asking: Promise<string | undefined> | undefined;
  const askStatus = (): Promise<string | undefined> => {
    if (!status) return Promise.resolve(undefined);
    asking ??= ask(status, onError).finally(() => {
      asking = undefined;
    });
    return asking;
  };
  const refresh = async () => {
    if (state.phase !== "ready" || asking) return;
    const answer = await askStatus();
    if (answer !== undefined) dispatch({ type: "answered", answer });
  };

  // What comes from outside.

  const onHangup = () => dispatch({ type: "reload", atMs: performance.now() });
  const onStop = (signal: NodeJS.Signals) =>
    dispatch({ type: "stop", signal: signal as StopSignal, delayed: drainDelayMs > 0, load: load() });
  const isUnderWay = () => state.phase === "ready" || state.phase === "reloading";
  const checkHealth = healthCheck(() => healthy?.());
  const probed = { state: () => state, load, healthy: checkHealth };

  const probes = options.probes === undefined ? undefined : serveProbes(probeOptions(options.probes), probed);
  const resources = new DisposableStack();
  if (probes) resources.defer(probes.stop);
  const ticks = repeat(TICK_MS, () => dispatch({ type: "tick", load: load(), atMs: performance.now() }));
  const statusTicks = repeat(statusIntervalMs, refresh);
  resources.defer(() => statusTicks.run(false));
  const on = (signal: NodeJS.Signals, handler: (signal: NodeJS.Signals) => void) => {
    process.on(signal, handler);
    resources.defer(() => process.off(signal, handler));
  };
  // Before READY: a Type=notify-reload unit without a handler for the signal fails to start (systemd 262).
  if (outbox) {
    on("SIGHUP", onHangup);
    resources.use(
      onFatalError((why) => {
        if (why !== told) dispatch({ type: "fatal", why, failure: failureOf(why) });
      }),
    );
    statusTicks.run(status !== undefined);
    // Before it listens and while it stops, the hook may well say no, or never answer.
    const check = healthy && (() => !isUnderWay() || Promise.race([checkHealth(), stopBegan.promise]));
    attempt(onError, () => resources.use(startWatchdog({ check, onError })));
  }
  on("SIGTERM", onStop);
  on("SIGINT", onStop);
  const end = () => {
    if (ended) return;
    ended = true;
    if (managing.current === managed) managing.current = undefined;
    resources.dispose();
    if (state.phase === "stopping") return;
    ticks.run(false);
    outbox?.clear();
  };
  const managed = { ready: ready.promise, probesUrl: probes?.url, end, [Symbol.dispose]: end };

  for (const action of first.actions) perform(action);
  ticks.run(needsTicks(state));
  void start();
  return managed;
}

/** What goes out knows no pid, so the one fact to ask the system for is the time. */
const FACTS = { monotonicUsec, pidfdInode: () => undefined };

function say(outbox: Outbox | undefined, state: State, kind: "state" | "status", onError: OnError): void {
  if (outbox) attempt(onError, () => outbox.send(kind, encode(state, FACTS)));
}

/** Ends this process by a signal, which systemd counts as a clean end: systemd.service(5), SuccessExitStatus=. */
function die(signal: StopSignal): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // The first process of a pid namespace, as in a container, gets no signal that it has no handler for: pid_namespaces(7).
  startTimer(100, () => process.exit(signal === "SIGINT" ? 130 : 143));
}

/** A timer that can be switched on and off, and does not keep the program alive. */
function repeat(intervalMs: number, action: () => void): { run(on: boolean): void } {
  let timer: Timer | undefined;
  return {
    run(on) {
      if (!on) clearInterval(timer);
      else if (timer === undefined && intervalMs < Number.POSITIVE_INFINITY)
        timer = setInterval(action, Math.min(intervalMs, MAX_TIMER_MS)).unref();
      if (!on) timer = undefined;
    },
  };
}

/** Runs a hook, but waits no longer than that. */
async function within(timeMs: number, hook: (() => unknown) | undefined, why: string): Promise<void> {
  const { promise: timeUp, reject } = Promise.withResolvers<never>();
  const timer = startTimer(timeMs, () => reject(new Error(why)));
  try {
    await Promise.race([hook?.(), timeUp]);
  } finally {
    timer[Symbol.dispose]();
  }
}

/** What a promise has resolved to within a turn of the event loop: READY=1 waits for nothing else. */
async function quickly<T>(promise: Promise<T>): Promise<T | undefined> {
  const { promise: turn, resolve } = Promise.withResolvers<undefined>();
  setImmediate(resolve, undefined);
  return Promise.race([promise, turn]);
}

/** Asks the hook `status`; undefined when it fails, or has nothing to say. */
async function ask(status: () => unknown, onError: OnError): Promise<string | undefined> {
  try {
    const answer = await status();
    return answer === undefined || answer === null ? undefined : String(answer);
  } catch (error) {
    report(onError, error);
    return undefined;
  }
}

/** @throws TypeError where signals and notifications are not this thread's. */
function checkPlace(): void {
  if (Bun.isMainThread) return;
  throw new TypeError(
    "Cannot manage the server: signals and notifications belong to the process, not to a Worker: call manageServer() in the main thread",
  );
}

/** Ends the manageServer() that was there before this evaluation of the program. @throws TypeError when there was no other. */
function takeOver(): void {
  if (managing.current && !isHot()) {
    throw new TypeError(
      "Cannot manage the server: manageServer() was called before: give it all servers at once, as in manageServer([web, metrics]), " +
        "or end() the other one first",
    );
  }
  managing.current?.end();
}

/** @throws TypeError for what is no server. */
function makerOf(servers: Servers): Maker {
  if (typeof servers !== "function" || isApplication(servers)) return { servers: adaptAll(servers) };
  return { pending: async () => adaptAll(await servers()) };
}

function adaptAll(servers: unknown): Adapter[] {
  const list: readonly unknown[] = Array.isArray(servers) ? servers : [servers];
  if (list.length === 0) throw new TypeError("Cannot manage the server: there is none in the array");
  return list.map(adapt);
}

/** What a mistake in the options keeps from being done. */
const DOING = "manage the server";

function checkOptions(options: ManageOptions): void {
  const functions = ["status", "reload", "stopping", "stop", "healthy", "onError"] as const;
  const times = ["statusIntervalMs", "reloadTimeoutMs", "drainDelayMs", "drainTimeoutMs"] as const;
  checkOptionNames(DOING, options, [...functions, "probes", ...times]);
  for (const name of functions) checkFunction(DOING, name, options[name]);
  for (const name of times) checkTime(DOING, name, options[name]);
  if (options.probes !== undefined) checkProbes(probeOptions(options.probes));
}

function checkProbes(options: ProbeOptions): void {
  checkOptionNames(`${DOING}'s probes`, options, ["port", "hostname"]);
  checkInteger(DOING, "the port of probes", options.port, 0, 65535);
}

function probeOptions(probes: number | ProbeOptions): ProbeOptions {
  return typeof probes === "number" ? { port: probes } : probes;
}
