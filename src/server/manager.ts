/** The part of a server's life that hears, waits and sends. lifecycle.ts decides what happens next. */

import { monotonicUsec } from "../../ffi/syscalls.ts";
import { registered } from "../bun/registered.ts";
import { startTimer } from "../bun/timers.ts";
import { type Outbox, openOutbox } from "../outbox.ts";
import { encode } from "../protocol/encode.ts";
import type { State } from "../protocol/state.ts";
import { attempt, type OnError, report, reportToStderr } from "../report.ts";
import { managerAddress } from "../transport/options.ts";
import { startWatchdog } from "../watchdog.ts";
import { type Adapter, totalLoad } from "./adapters.ts";
import { asOne } from "./all-done.ts";
import { failureOf, onFatalError } from "./failures.ts";
import { healthCheck } from "./health.ts";
import { type Action, begin, type Lifecycle, type LifecycleEvent, needsTicks, transition } from "./lifecycle.ts";
import type { ManagedServer, ManageOptions } from "./options.ts";
import { serveProbes } from "./probes.ts";
import type { Load } from "./status.ts";
import { quickly, Ticker, timeUp, within } from "./timing.ts";

/** The servers, or the function that makes them. */
export type Making = { made: Adapter[] } | { make: () => Promise<Adapter[]> };

/** What a program that knows of no manager does itself under sd-notify/register. */
export interface Program {
  /** Whether it has a handler for a signal. */
  handles(signal: NodeJS.Signals): boolean;
  /** Resolves when its handlers for SIGHUP have run. `true`: the program reports the reload itself. */
  reloadsItself(): Promise<boolean>;
  /** Returns the part of a state that the program has not sent itself. */
  remaining(state: State): State | undefined;
  /** The whole status, which is sent when it has changed. */
  status(): string;
}

/** Manages servers until `end()`. @throws what Bun.serve() throws, if the probes' port is taken. */
export function manage(
  making: Making,
  options: ManageOptions,
  program?: Program,
): Omit<ManagedServer, keyof Disposable> {
  const manager = new Manager(making, options, program);
  manager.listenToProbes();
  manager.listenToSignals();
  manager.listenToErrors();
  // sd-notify/register starts the watchdog itself, unless the program has one.
  if (!program) manager.startWatchdog();
  void manager.start();
  return { ready: manager.ready.promise, probesUrl: manager.probesUrl, end: () => manager.end() };
}

// --- internal ---

/** How often the manager is asked for time. */
const TICK_MS = 1000;

/** The messages name no process, so only the time is asked of the system. */
const FACTS = { monotonicUsec, pidfdInode: () => undefined };

class Manager {
  readonly ready = Promise.withResolvers<void>();
  probesUrl: URL | undefined;

  #state: Lifecycle;
  #adapters: Adapter[] = [];
  #ended = false;
  /** The pending answer of the hook `status`. */
  #asking: Promise<string | undefined> | undefined;
  /** Why servers could not be stopped properly. */
  readonly #stopErrors: unknown[] = [];
  readonly #making: Making;
  readonly #options: ManageOptions;
  readonly #program: Program | undefined;
  readonly #onError: OnError;
  /** undefined if this process is not supervised. */
  readonly #outbox: Outbox | undefined;
  readonly #healthy: () => Promise<unknown>;
  readonly #stopBegan = Promise.withResolvers<void>();
  /** Errors that were reported to the service manager already. */
  readonly #told = new Set<unknown>();
  readonly #ticks = new Ticker(TICK_MS, () => this.#dispatch({ type: "tick", load: this.#load(), atMs: now() }));
  /** What end() takes back. */
  readonly #resources = new DisposableStack();

  constructor(making: Making, options: ManageOptions, program: Program | undefined) {
    this.#making = making;
    this.#options = options;
    this.#program = program;
    this.#onError = options.onError ?? reportToStderr();
    const address = managerAddress(undefined);
    this.#outbox = address === undefined ? undefined : openOutbox(address, this.#onError);
    this.#healthy = healthCheck(() => options.healthy?.());
    this.#state = begin("make" in making, now()).state;
  }

  listenToProbes(): void {
    const { probes } = this.#options;
    if (probes === undefined) return;
    const options = typeof probes === "number" ? { port: probes } : probes;
    const probed = { state: () => this.#state, load: () => this.#load(), healthy: this.#healthy };
    const { url, stop } = serveProbes(options, probed);
    this.probesUrl = url;
    this.#resources.defer(stop);
  }

  listenToSignals(): void {
    const delayed = this.#drainDelayMs > 0;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const own = () => this.#program?.handles(signal) ?? false;
      this.#on(signal, () => this.#dispatch({ type: "stop", signal, delayed, own: own(), load: this.#load() }));
    }
    // This comes before READY=1: a Type=notify-reload unit without a handler for the signal fails to start (systemd
    // 262).
    if (this.#outbox) this.#on("SIGHUP", () => void this.#hangUp());
  }

  listenToErrors(): void {
    if (!this.#outbox) return;
    const errors = onFatalError((why) => {
      if (!this.#told.has(why)) this.#dispatch({ type: "fatal", why, failure: failureOf(why) });
    });
    this.#resources.use(errors);
  }

  startWatchdog(): void {
    // Before the server listens and while it stops, the hook may say no, or never answer.
    const check = () => !this.#isUnderWay() || Promise.race([this.#healthy(), this.#stopBegan.promise]);
    const options = { check: this.#options.healthy && check, onError: this.#onError };
    attempt(this.#onError, () => this.#resources.use(startWatchdog(options)));
  }

  async start(): Promise<void> {
    this.#perform(begin("make" in this.#making, now()).actions);
    this.#askNowAndThen();
    try {
      this.#adapters = "made" in this.#making ? this.#making.made : await this.#make(this.#making.make);
      await Promise.all(this.#adapters.map((adapter) => adapter.whenListening()));
      const answer = await this.#firstAnswer();
      this.#dispatch({ type: "listening", where: this.#where(), answer, atMs: now() });
      this.ready.resolve();
    } catch (why) {
      this.#told.add(why);
      this.#dispatch({ type: "makingFailed", why, failure: failureOf(why) });
      this.ready.reject(why);
    }
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#resources.dispose();
    // A stop that has begun goes on to its end.
    if (this.#state.phase === "stopping") return;
    this.#ticks.run(false);
    this.#outbox?.clear();
  }

  async #hangUp(): Promise<void> {
    if (this.#program?.handles("SIGHUP") && (await this.#program.reloadsItself())) return;
    this.#dispatch({ type: "reload", atMs: now() });
  }

  #dispatch(event: LifecycleEvent): void {
    if (this.#ended && this.#state.phase !== "stopping") return;
    const { state, actions } = transition(this.#state, event);
    this.#state = state;
    if (state.phase === "stopping") {
      this.#stopBegan.resolve();
      registered.current?.stops();
    }
    this.#perform(actions);
  }

  #perform(actions: readonly Action[]): void {
    this.#ticks.run(needsTicks(this.#state));
    for (const action of actions) this.#do(action);
  }

  #do(action: Action): void {
    switch (action.do) {
      case "send":
        this.#say(action);
        break;
      case "reload":
        void this.#reload(action.attempt);
        break;
      case "delay":
        void this.#delay();
        break;
      case "drain":
        void this.#drain();
        break;
      case "close":
        void this.#close();
        break;
      case "exit":
        process.exit(action.code);
        break;
      case "die":
        die(action.signal);
    }
  }

  #say({ state, kind }: Extract<Action, { do: "send" }>): void {
    const remaining = this.#program ? this.#program.remaining(state) : state;
    if (remaining) attempt(this.#onError, () => this.#outbox?.send(kind, encode(remaining, FACTS)));
  }

  async #make(make: () => Promise<Adapter[]>): Promise<Adapter[]> {
    const adapters = await make();
    // The stop came before the servers were made.
    if (this.#state.phase === "stopping") for (const adapter of adapters) adapter.closeNow();
    this.#dispatch({ type: "made" });
    return adapters;
  }

  async #reload(attempt: number): Promise<void> {
    const { reload, reloadTimeoutMs = 60_000 } = this.#options;
    try {
      await within(reloadTimeoutMs, call(reload), `it was given up after ${reloadTimeoutMs} ms`);
      const answer = await this.#firstAnswer();
      this.#dispatch({ type: "reloaded", attempt, where: this.#where(), answer, atMs: now() });
    } catch (why) {
      report(this.#onError, why);
      this.#dispatch({ type: "reloadFailed", attempt, why, atMs: now() });
    }
  }

  async #delay(): Promise<void> {
    await timeUp(this.#drainDelayMs).promise;
    this.#dispatch({ type: "delayOver", load: this.#load() });
  }

  /** Drains all servers at once. If one can't be stopped properly, the others are stopped all the same. */
  async #drain(): Promise<void> {
    const deadline = timeUp(this.#drainTimeoutMs);
    const drained = this.#adapters.map(async (adapter) => {
      try {
        await adapter.drain();
      } catch (why) {
        this.#stopErrors.push(why);
      }
    });
    const hook = call(this.#options.stopping).catch((error) => report(this.#onError, error));
    await Promise.race([Promise.all([...drained, hook]), deadline.promise]);
    deadline[Symbol.dispose]();
    this.#dispatch({ type: "drained" });
  }

  async #close(): Promise<void> {
    try {
      for (const adapter of this.#adapters) adapter.closeNow();
      await this.#options.stop?.();
    } catch (why) {
      this.#stopErrors.push(why);
    }
    if (this.#stopErrors.length === 0) return this.#dispatch({ type: "closed" });
    const why = asOne(this.#stopErrors);
    report(this.#onError, why);
    this.#dispatch({ type: "stopFailed", why, failure: failureOf(why) });
  }

  #askNowAndThen(): void {
    const { status, statusIntervalMs = 5000 } = this.#options;
    if (!(status || this.#program) || !this.#outbox) return;
    const ticks = new Ticker(statusIntervalMs, async () => {
      if (this.#state.phase !== "ready" || this.#asking) return;
      const answer = await this.#ask();
      if (answer !== undefined) this.#dispatch({ type: "answered", answer });
    });
    ticks.run(true);
    this.#resources.defer(() => ticks.run(false));
  }

  /** Returns the text that follows the addresses in the status. */
  async #firstAnswer(): Promise<string | undefined> {
    return this.#program ? undefined : quickly(this.#ask());
  }

  /** Asks the hook `status`, one question at a time; undefined if it fails, or has nothing to say. */
  #ask(): Promise<string | undefined> {
    this.#asking ??= call(this.#program?.status ?? this.#options.status)
      .then((answer) => (answer === undefined || answer === null ? undefined : String(answer)))
      .catch((error) => {
        report(this.#onError, error);
        return undefined;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  #on(signal: NodeJS.Signals, handler: () => void): void {
    process.on(signal, handler);
    this.#resources.defer(() => process.off(signal, handler));
  }

  #load(): Load {
    return totalLoad(this.#adapters);
  }

  #where(): string {
    const places = this.#adapters.flatMap((adapter) => adapter.where() ?? []);
    return places.length === 0 ? "Running" : `Listening on ${places.join(", ")}`;
  }

  #isUnderWay(): boolean {
    return this.#state.phase === "ready" || this.#state.phase === "reloading";
  }

  get #drainDelayMs(): number {
    return this.#options.drainDelayMs ?? 0;
  }

  /** systemd's TimeoutStopSec= is 90 s, and the manager is asked for more time. Kubernetes kills after 30 s. */
  get #drainTimeoutMs(): number {
    return this.#options.drainTimeoutMs ?? (this.#outbox ? 60_000 : 25_000);
  }
}

/** Calls a hook. If it throws, the promise rejects. */
async function call(hook: (() => unknown) | undefined): Promise<unknown> {
  return hook?.();
}

function now(): number {
  return performance.now();
}

/** Ends this process by a signal. systemd counts that as a clean end: systemd.service(5), SuccessExitStatus=. */
function die(signal: "SIGTERM" | "SIGINT"): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // The first process of a pid namespace, as in a container, does not get a signal for which it has no handler:
  // pid_namespaces(7).
  startTimer(100, () => process.exit(signal === "SIGINT" ? 130 : 143));
}
