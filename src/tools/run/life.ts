/** The life of the unit: starting, ready, reloading, stopping. */

import { complain } from "../../cli/output.ts";
import { listenFds } from "../../listen-fds.ts";
import { firstLine } from "../../report.ts";
import { startWatchdog, type Watchdog, watchdogTimeoutMs } from "../../watchdog.ts";
import { becameProgram, startProgram } from "../program.ts";
import { environmentFor, hasSignalledAll, speaker } from "./manager.ts";
import type { Plan } from "./options.ts";
import { openOutput } from "./output.ts";
import { endBy, isOfTerminal, onSignals } from "./signals.ts";
import { type Awaited, inSeconds, passWithin, sleep, untilPasses, waitForAll } from "./wait.ts";

/**
 * Starts the program, and tells the service manager of it until it ends.
 *
 * @returns the exit status; where a signal killed the program, this process is killed by the same.
 * @throws SyntaxError when the environment can't be read.
 */
export async function live(plan: Plan): Promise<number> {
  const name = plan.command[0] ?? "";
  const say = speaker();
  const env = environmentFor(plan.share);
  const output = plan.readyLog.length + plan.reloadLog.length > 0 ? openOutput() : undefined;
  const readyLines = output ? plan.readyLog.map(output.line) : [];
  const fds = listenFds();
  const program = startProgram(plan.command, {
    env,
    fds,
    ...(output && { stdout: output.stdout, stderr: output.stderr }),
  });
  output?.begin();

  let phase: "starting" | "ready" | "reloading" | "stopping" = "starting";
  /** Why this ends with 1, whatever the program does. */
  let failure: string | undefined;
  let missing = "";
  let watchdog: Watchdog | undefined;
  /** Aborted when the program has ended, or is to end; the other one by the next reload too. */
  const end = new AbortController();
  let reload = new AbortController();
  const executed = becameProgram(program);

  const passOn = async (signal: NodeJS.Signals) => {
    await executed;
    program.kill(signal);
  };
  const stop = (status?: string) => {
    phase = "stopping";
    watchdog?.stop();
    end.abort();
    reload.abort();
    if (status !== undefined) say({ stopping: true, status });
  };

  /** Waits for what makes the unit ready. @throws what `missing` tells, when the time is up. */
  const waitFor = async (all: readonly Awaited[], signal: AbortSignal) => {
    const extend = () => say({ extendTimeoutMs: EXTENSION_MS });
    const extending = setInterval(extend, EXTENSION_INTERVAL_MS);
    const time = new AbortController();
    const timer = setTimeout(() => time.abort(TIME_IS_UP), Math.min(plan.timeoutMs, MAX_TIMER_MS));
    const forward = () => time.abort(signal.reason);
    signal.addEventListener("abort", forward);
    try {
      signal.throwIfAborted();
      await waitForAll(all, time.signal, (line) => {
        missing = line;
        say({ status: `waiting for ${line}`, extendTimeoutMs: EXTENSION_MS });
      });
    } finally {
      signal.removeEventListener("abort", forward);
      clearInterval(extending);
      clearTimeout(timer);
    }
  };

  const start = async () => {
    const startMs = performance.now();
    if (!(await executed)) return;
    try {
      const after = plan.readyAfterMs;
      const timer: Awaited[] =
        after === undefined ? [] : [{ name: inSeconds(after), wait: (signal) => sleep(after, signal) }];
      const awaited = [...plan.ready.map(untilPasses), ...readyLines, ...timer];
      // A program may be started and have ended meanwhile: it was ready then.
      if (awaited.length > 0) await waitFor(awaited, end.signal);
      else if (phase === "stopping") return;
    } catch (error) {
      if (end.signal.aborted) return;
      if (error !== TIME_IS_UP) throw error;
      failure = `${name} was not ready in ${inSeconds(plan.timeoutMs)}: waiting for ${missing}`;
      stop(`not ready in ${inSeconds(plan.timeoutMs)}: ${missing}`);
      void passOn("SIGTERM");
      setTimeout(() => program.kill("SIGKILL"), KILL_AFTER_MS);
      return;
    }
    phase = "ready";
    say({ ready: true, status: `ready after ${inSeconds(performance.now() - startMs)}` });
    watchdog = watch();
  };

  const onReload = async () => {
    // Before it is ready there is nothing to tell; it gets the signal all the same.
    if (phase === "starting" || phase === "stopping") return passOn("SIGHUP");
    phase = "reloading";
    const startMs = performance.now();
    reload.abort();
    const own = new AbortController();
    reload = own;
    // Before the signal, so that no line is missed.
    const lines = output ? plan.reloadLog.map(output.line) : [];
    say({ reloading: true, status: "reloading" });
    await passOn("SIGHUP");
    let status: string;
    try {
      // The probes still pass until it has begun.
      await sleep(RELOAD_DELAY_MS, own.signal);
      await waitFor([...plan.ready.map(untilPasses), ...lines], own.signal);
      status = `reloaded in ${inSeconds(performance.now() - startMs)}`;
    } catch {
      if (own.signal.aborted) return;
      status = `not reloaded in ${inSeconds(plan.timeoutMs)}: ${missing}`;
    }
    phase = "ready";
    say({ ready: true, status });
  };

  const watch = () => {
    const timeoutMs = watchdogTimeoutMs();
    if (timeoutMs === undefined) return undefined;
    let ill = "";
    const complainOf = (why: string) => {
      if (why === ill || end.signal.aborted) return;
      ill = why;
      say({ status: `unhealthy: ${why}` });
    };
    const check = async () => {
      // A little less than the time between two pings.
      await passWithin(plan.healthy, timeoutMs * 0.45, end.signal, complainOf);
      if (ill !== "") say({ status: "healthy again" });
      ill = "";
    };
    return startWatchdog({
      ...(plan.healthy.length > 0 && { check }),
      onError: (error) => complainOf(firstLine(error)),
    });
  };

  const onStop = async (signal: NodeJS.Signals) => {
    // SIGABRT is the watchdog's, and the status has the reason.
    if (phase !== "stopping") stop(signal === "SIGABRT" ? undefined : `stopping ${name}`);
    if (!(await hasSignalledAll())) await passOn(signal);
  };

  const noSignals = onSignals((signal) => {
    if (signal === "SIGHUP") void onReload();
    // What a terminal sends, the program has; and what it stops, its shell waits for.
    else if (isOfTerminal(signal)) {
      if (signal === "SIGINT" && phase !== "stopping") stop(`stopping ${name}`);
      if (signal === "SIGTSTP") process.kill(process.pid, "SIGSTOP");
    } else if (signal === "SIGTERM" || signal === "SIGINT" || signal === "SIGABRT") void onStop(signal);
    else void passOn(signal);
  });

  const starting = start();
  await program.exited;
  // Its last line may be the one that was waited for.
  await executed;
  await output?.drain();
  end.abort();
  reload.abort();
  await starting;
  watchdog?.stop();
  noSignals();
  if (failure !== undefined) {
    complain(`run: ${failure}`);
    return 1;
  }
  const { exitCode, signalCode } = program;
  if (phase === "starting" && (await executed)) {
    const how = signalCode === null ? `ended with status ${exitCode}` : `was killed by ${signalCode}`;
    say({ status: `${name} ${how}` });
    complain(`run: ${name} ${how} before it was ready, waiting for ${missing}`);
  }
  return signalCode === null ? (exitCode ?? 1) : endBy(signalCode);
}

// --- internal ---

const TIME_IS_UP = new Error("the time is up");

/** The longest time that a timer takes. */
const MAX_TIMER_MS = 0x7fffffff;

/** sd_notify(3), EXTEND_TIMEOUT_USEC=: how often to ask for more time, and for how much. */
const EXTENSION_INTERVAL_MS = 2000;
const EXTENSION_MS = 10_000;

/** How long a program that was not ready in time may take to end. */
const KILL_AFTER_MS = 10_000;

/** How long a program has to begin its reload. */
const RELOAD_DELAY_MS = 100;
