/** The life of the unit: starting, ready, reloading, stopping. */

import { basename } from "node:path";
import { SIGHUP } from "../../../ffi/constants.ts";
import { readSignals } from "../../linux/proc.ts";
import type { State } from "../../protocol/state.ts";
import { errorLine } from "../../report.ts";
import { listenFds } from "../../server/listen-fds.ts";
import { startWatchdog, type Watchdog, watchdogTimeoutMs } from "../../watchdog.ts";
import { abortAfter, sleep } from "../abort.ts";
import { reapOrphans } from "../orphans.ts";
import { endBy, isOfTerminal, onSignals } from "../signals.ts";
import { own, startProgram, untilExecuted } from "../start-program.ts";
import { warn } from "../warn.ts";
import { foregroundHint } from "./foreground.ts";
import { environmentFor, hasSignalledAll, speaker } from "./manager.ts";
import type { Plan } from "./options.ts";
import { type Output, openOutput } from "./output.ts";
import { type Awaited, inSeconds, passWithin, untilPasses, waitForAll } from "./wait.ts";

/**
 * Starts the program, and informs the service manager about it until it ends.
 *
 * @returns the exit status. If a signal killed the program, the same signal kills this process.
 * @throws SyntaxError when the environment can't be read.
 */
export function live(plan: Plan): Promise<number> {
  return new Life(plan).run();
}

class Life {
  readonly #plan: Plan;
  readonly #name: string;
  readonly #speak = speaker();
  readonly #output: Output | undefined;
  readonly #readyLines: Awaited[];
  readonly #program: Bun.Subprocess;
  /** Whether the program was executed. Before that, it handles no signal. */
  readonly #executed: Promise<boolean>;
  /** Aborted when the program has ended or must end. The next reload aborts the other one too. */
  readonly #end = new AbortController();
  #reload = new AbortController();
  #phase: "starting" | "ready" | "reloading" | "stopping" = "starting";
  #watchdog: Watchdog | undefined;
  /** What is waited for, and its last failure. */
  #missing = "";
  /** Why this ends with 1, whatever the program does. */
  #failure: string | undefined;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#name = plan.command[0] ?? "";
    const env = environmentFor(plan.share);
    this.#output = plan.readyLog.length + plan.reloadLog.length > 0 ? openOutput() : undefined;
    this.#readyLines = this.#lines(plan.readyLog);
    const { stdout, stderr } = this.#output ?? {};
    this.#program = startProgram(plan.command, {
      env,
      fds: listenFds(),
      ...(stdout !== undefined && { stdout }),
      ...(stderr !== undefined && { stderr }),
    });
    this.#output?.begin();
    this.#executed = untilExecuted(this.#program);
  }

  async run(): Promise<number> {
    const noSignals = onSignals((signal) => this.#onSignal(signal));
    const noOrphans = process.pid === 1 ? reapOrphans(own) : () => {};
    const starting = this.#start();
    await this.#program.exited;
    // The program's last line may be the one that was waited for.
    await this.#executed;
    await this.#output?.drain();
    this.#end.abort();
    this.#reload.abort();
    await starting;
    this.#watchdog?.stop();
    noSignals();
    noOrphans();
    return this.#exitStatus();
  }

  // --- internal: start, reload, stop ---

  async #start(): Promise<void> {
    const startMs = performance.now();
    if (!(await this.#executed)) return;
    const { ready, readyAfterMs } = this.#plan;
    const after = readyAfterMs === undefined ? [] : [timePasses(readyAfterMs)];
    const awaited = [...ready.map(untilPasses), ...this.#readyLines, ...after];
    try {
      // The program may have started and ended in the meantime. Then it was ready.
      if (awaited.length > 0) await this.#waitFor(awaited, this.#end.signal);
    } catch (error) {
      if (this.#end.signal.aborted) return;
      if (error !== TIME_IS_UP) throw error;
      this.#giveUp();
      return;
    }
    if (this.#phase === "stopping") return;
    this.#phase = "ready";
    this.#say({ ready: true, status: `ready after ${inSeconds(performance.now() - startMs)}` });
    this.#watchdog = this.#watch();
  }

  #giveUp(): void {
    const time = inSeconds(this.#plan.timeoutMs);
    this.#failure = `${this.#name} was not ready in ${time}: waiting for ${this.#missing}`;
    this.#stop(`not ready in ${time}: ${this.#missing}`);
    // As systemd does: a stopped program would take SIGTERM when somebody continues it.
    for (const signal of ["SIGTERM", "SIGCONT"] as const) void this.#passOn(signal);
    setTimeout(() => this.#program.kill("SIGKILL"), KILL_AFTER_MS);
  }

  async #onReload(): Promise<void> {
    const obstacle = (await this.#executed) ? this.#whyNoReload() : undefined;
    if (this.#hasEnded()) return;
    if (this.#phase === "stopping") return this.#passOn("SIGHUP");
    if (obstacle !== undefined) warn(`run: not reloaded: ${obstacle}`);
    // Before it is ready there is nothing to tell the manager, but it still gets the signal.
    if (this.#phase === "starting") return obstacle === undefined ? this.#passOn("SIGHUP") : undefined;
    this.#phase = "reloading";
    const startMs = performance.now();
    this.#reload.abort();
    const reload = new AbortController();
    this.#reload = reload;
    // Before the signal, so that no line is missed.
    const lines = this.#lines(this.#plan.reloadLog);
    this.#say({ reloading: true, status: "reloading" });
    let status: string;
    try {
      if (obstacle !== undefined) throw new Error(obstacle);
      await this.#passOn("SIGHUP");
      // Until the reload has begun, the probes still pass.
      await sleep(RELOAD_DELAY_MS, reload.signal);
      await this.#waitFor([...this.#plan.ready.map(untilPasses), ...lines], reload.signal);
      status = `reloaded in ${inSeconds(performance.now() - startMs)}`;
    } catch (error) {
      if (reload.signal.aborted) return;
      const inTime = error === TIME_IS_UP ? ` in ${inSeconds(this.#plan.timeoutMs)}` : "";
      status = `not reloaded${inTime}: ${error === TIME_IS_UP ? this.#missing : errorLine(error)}`;
    }
    // The signal may have ended the program, and another program may have passed the probes.
    if (reload.signal.aborted || this.#hasEnded()) return;
    this.#phase = "ready";
    this.#say({ ready: true, status });
  }

  #hasEnded(): boolean {
    return this.#program.exitCode !== null || this.#program.signalCode !== null;
  }

  /**
   * Without a handler, SIGHUP would end the program. systemd counts that as a clean exit, so Restart=on-failure would
   * not restart it.
   */
  #whyNoReload(): string | undefined {
    const name = basename(this.#name);
    const handled = readSignals(this.#program.pid, ["SigCgt", "SigBlk", "SigIgn"]);
    if (handled === undefined) return `whether ${name} has a handler for SIGHUP can't be seen`;
    return handled.includes(SIGHUP) ? undefined : `${name} has no handler for SIGHUP`;
  }

  async #onStop(signal: NodeJS.Signals): Promise<void> {
    // The watchdog sends SIGABRT, and the status gives the reason.
    if (this.#phase !== "stopping") this.#stop(signal === "SIGABRT" ? undefined : `stopping ${this.#name}`);
    if (!(await hasSignalledAll())) await this.#passOn(signal);
  }

  #stop(status?: string): void {
    this.#phase = "stopping";
    this.#watchdog?.stop();
    this.#end.abort();
    this.#reload.abort();
    if (status !== undefined) this.#say({ stopping: true, status });
  }

  /** The exit status of the program, or its signal. It prints a line if the program was never ready. */
  async #exitStatus(): Promise<number> {
    if (this.#failure !== undefined) {
      warn(`run: ${this.#failure}`);
      return 1;
    }
    const { exitCode, signalCode } = this.#program;
    if (this.#phase === "starting" && (await this.#executed)) {
      const how = signalCode === null ? `ended with status ${exitCode}` : `was killed by ${signalCode}`;
      this.#say({ status: `${this.#name} ${how}` });
      const hint = exitCode === 0 ? `: ${foregroundHint(this.#plan.command)}` : "";
      warn(`run: ${this.#name} ${how} before it was ready, waiting for ${this.#missing}${hint}`);
    }
    if (this.#phase === "reloading" && signalCode === "SIGHUP") {
      // To be killed by SIGHUP would be a clean end for systemd: no Restart=on-failure, and no word.
      const how = `${this.#name} was killed by its reload: it catches SIGHUP, but does not handle it`;
      this.#say({ status: how });
      warn(`run: ${how}`);
      return 128 + SIGHUP;
    }
    return signalCode === null ? (exitCode ?? 1) : endBy(signalCode);
  }

  /** After STOPPING=1, nothing is news about the start or a reload any more. */
  #say(state: State): void {
    if (this.#phase !== "stopping" || (state.ready === undefined && state.reloading === undefined)) this.#speak(state);
  }

  // --- internal: signals ---

  #onSignal(signal: NodeJS.Signals): void {
    if (signal === "SIGHUP") void this.#onReload();
    // The program already has a signal that a terminal sent. If that stops it, its shell waits for it.
    else if (isOfTerminal(signal)) {
      if (signal === "SIGINT" && this.#phase !== "stopping") this.#stop(`stopping ${this.#name}`);
      if (signal === "SIGTSTP") process.kill(process.pid, "SIGSTOP");
    } else if (signal === "SIGTERM" || signal === "SIGINT" || signal === "SIGABRT") void this.#onStop(signal);
    else void this.#passOn(signal);
  }

  async #passOn(signal: NodeJS.Signals): Promise<void> {
    await this.#executed;
    this.#program.kill(signal);
  }

  // --- internal: probes ---

  /** Waits for what makes the unit ready. @throws TIME_IS_UP, or the signal's reason. */
  async #waitFor(all: readonly Awaited[], signal: AbortSignal): Promise<void> {
    const extend = () => this.#say({ extendTimeoutMs: EXTENSION_MS });
    const extending = setInterval(extend, EXTENSION_INTERVAL_MS);
    using time = abortAfter(this.#plan.timeoutMs, () => TIME_IS_UP, signal);
    try {
      signal.throwIfAborted();
      await waitForAll(all, time.signal, (line) => {
        this.#missing = line;
        this.#say({ status: `waiting for ${line}`, extendTimeoutMs: EXTENSION_MS });
      });
    } finally {
      clearInterval(extending);
    }
  }

  #lines(patterns: readonly RegExp[]): Awaited[] {
    const { line } = this.#output ?? {};
    return line ? patterns.map(line) : [];
  }

  #watch(): Watchdog | undefined {
    const timeoutMs = watchdogTimeoutMs();
    if (timeoutMs === undefined) return undefined;
    const { healthy } = this.#plan;
    let ill = "";
    const complainOf = (why: string) => {
      if (why === ill || this.#end.signal.aborted) return;
      ill = why;
      this.#say({ status: `unhealthy: ${why}` });
    };
    const check = async () => {
      // Slightly less than the time between two pings.
      await passWithin(healthy, timeoutMs * 0.45, this.#end.signal, complainOf);
      if (ill !== "") this.#say({ status: "healthy again" });
      ill = "";
    };
    return startWatchdog({
      ...(healthy.length > 0 && { check }),
      onError: (error) => complainOf(errorLine(error)),
    });
  }
}

// --- internal ---

const TIME_IS_UP = new Error("the time is up");

/** sd_notify(3), EXTEND_TIMEOUT_USEC=: how often to ask for more time, and for how much. */
const EXTENSION_INTERVAL_MS = 2000;
const EXTENSION_MS = 10_000;

/** How long a program that was not ready in time may take to end. */
const KILL_AFTER_MS = 10_000;

/** How long a program has to begin its reload. */
const RELOAD_DELAY_MS = 100;

function timePasses(timeMs: number): Awaited {
  return { name: inSeconds(timeMs), wait: (signal) => sleep(timeMs, signal) };
}
