/** The life of a server as a unit: ready, reload, stop, watchdog, and what it says of itself meanwhile. */

import { startTimer } from "../bun/timers.ts";
import { notify } from "../notify.ts";
import { checkFunction, checkOptionNames, checkTime } from "../protocol/check.ts";
import type { State } from "../protocol/state.ts";
import { attempt, errorLine, firstLine, type OnError, reportToStderr } from "../report.ts";
import { startWatchdog } from "../watchdog.ts";

/** Anything that can be stopped: the server of Bun.serve(), Bun.listen(), serve() or node:http. */
export type StoppableServer =
  | { stop(closeActiveConnections?: boolean): unknown }
  | { close(callback?: () => void): unknown; closeAllConnections?(): void };

export interface ManageOptions {
  /** What the server is doing, in one line; asked every few seconds, and told when it has changed. */
  status?: (() => string | Promise<string>) | undefined;
  /** Reads the configuration again, on SIGHUP. When it throws, the status says so; the old configuration is to stay. */
  reload?: (() => unknown) | undefined;
  /** Called when the last request is answered, before the process ends. */
  stop?: (() => unknown) | undefined;
  /** Whether the server is healthy: false, an error or no answer misses a ping of the watchdog. */
  healthy?: (() => unknown) | undefined;
  /** How often `status` is asked, in milliseconds. Default: 5000. */
  statusIntervalMs?: number | undefined;
  /** How long to wait for the requests in flight when the server stops, in milliseconds. Default: 60000. */
  drainTimeoutMs?: number | undefined;
  /** What to do with an error while sending, which never ends the server. Default: one line on standard error, at most one a minute. */
  onError?: OnError | undefined;
}

/** What manageServer() returns. */
export interface ManagedServer extends Disposable {
  /** Resolves when the manager was told that the server is ready. */
  ready: Promise<void>;
  /** Takes manageServer() back: removes its handlers and timers. The server itself goes on. */
  end(): void;
}

/**
 * Runs a server as a unit of Type=notify or Type=notify-reload:
 *
 * - READY=1 with the URL, once it listens;
 * - SIGHUP: RELOADING=1, `reload()`, READY=1;
 * - SIGTERM, SIGINT: STOPPING=1, no more connections, the requests in flight are answered, `stop()`, exit 0. A second one exits at once;
 * - the watchdog, while `healthy()` says so;
 * - the status, when it has changed;
 * - an uncaught error is told before it ends the process.
 *
 * Where this process is not supervised, it stops on the signals in the same way, leaves SIGHUP alone, and sends nothing.
 *
 * @returns a handle that takes all this back.
 * @throws TypeError for a server or options that can't be.
 * @see systemd.service(5), Type=
 * @example
 * manageServer(Bun.serve({ port: 3000, fetch: () => new Response("Hello\n") }));
 */
export function manageServer(server: StoppableServer, options: ManageOptions = {}): ManagedServer {
  checkServer(server);
  checkOptions(options);
  const { reload, healthy, onError = reportToStderr(), statusIntervalMs = 5000 } = options;
  const supervised = process.env.NOTIFY_SOCKET !== undefined;
  const say = (state: State) => attempt(onError, () => notify(state));
  let lastStatus: string | undefined;
  let stopping = false;

  const statusNow = async (): Promise<string | undefined> => {
    try {
      return firstLine(await options.status?.());
    } catch (error) {
      attempt(onError, () => {
        throw error;
      });
      return undefined;
    }
  };
  const refresh = async () => {
    if (!options.status || stopping) return;
    const status = await statusNow();
    if (status === undefined || status === lastStatus || stopping) return;
    lastStatus = status;
    say({ status });
  };

  // One reload at a time; a signal during one asks for another.
  let reloading = false;
  let again = false;
  const onReload = async () => {
    if (stopping) return;
    again = true;
    if (reloading) return;
    reloading = true;
    while (again && !stopping) {
      again = false;
      say({ reloading: true, status: "Reloading" });
      let status: string;
      try {
        await reload?.();
        status = (options.status && (await statusNow())) || describe(server);
      } catch (error) {
        status = `Reload failed, the old configuration stays: ${errorLine(error)}`;
      }
      if (!stopping) say({ ready: true, status });
      lastStatus = undefined;
    }
    reloading = false;
  };

  const onStop = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(128 + (signal === "SIGINT" ? 2 : 15));
    stopping = true;
    end({ keepSignals: true });
    void drain(server, options, say, onError).then((code) => process.exit(code));
  };
  const onUncaught = (error: unknown) => say({ status: `Failed: ${errorLine(error)}`, ...failure(error) });
  const onRejection = (error: unknown) => {
    // Thrown again, it ends the process as it would have without a handler here.
    queueMicrotask(() => {
      throw error;
    });
  };

  // Before READY: a Type=notify-reload unit without a handler for the signal fails to start (systemd 262).
  if (supervised) {
    process.on("SIGHUP", onReload);
    process.on("uncaughtExceptionMonitor", onUncaught);
    process.on("unhandledRejection", onRejection);
  }
  process.on("SIGTERM", onStop);
  process.on("SIGINT", onStop);
  let watchdog: Disposable | undefined;
  attempt(onError, () => {
    watchdog = startWatchdog({ check: healthy, onError });
  });
  const timer = options.status && supervised ? setInterval(refresh, statusIntervalMs) : undefined;
  timer?.unref();

  function end({ keepSignals = false } = {}): void {
    clearInterval(timer);
    process.off("SIGHUP", onReload);
    if (keepSignals) return;
    process.off("SIGTERM", onStop).off("SIGINT", onStop);
    process.off("uncaughtExceptionMonitor", onUncaught).off("unhandledRejection", onRejection);
    watchdog?.[Symbol.dispose]();
  }

  const announce = async () => {
    await listening(server);
    const [where, status] = [describe(server), options.status && (await statusNow())];
    if (!stopping) say({ ready: true, status: status ? `${where}: ${status}` : where });
    lastStatus = undefined;
  };
  return { ready: announce(), end: () => end(), [Symbol.dispose]: () => end() };
}

// --- internal ---

/** How often the manager hears of a stop that takes its time, and how much time each asks for. */
const DRAIN_INTERVAL_MS = 1000;
const DRAIN_EXTENSION_MS = 10_000;

/** Waits for the requests in flight, and for `stop()`. Returns the exit status. */
async function drain(
  server: StoppableServer,
  { stop, drainTimeoutMs = 60_000 }: ManageOptions,
  say: (state: State) => void,
  onError: OnError,
): Promise<number> {
  say({ stopping: true, status: drainStatus(server) });
  const timer = setInterval(
    () => say({ extendTimeoutMs: DRAIN_EXTENSION_MS, status: drainStatus(server) }),
    DRAIN_INTERVAL_MS,
  );
  try {
    const timeUp = Promise.withResolvers<void>();
    const deadline = startTimer(drainTimeoutMs, timeUp.resolve);
    await Promise.race([stopServer(server), timeUp.promise]);
    deadline[Symbol.dispose]();
    // Only requests ask for more time: a `stop()` that hangs is ended by TimeoutStopSec= of the unit.
    clearInterval(timer);
    closeNow(server);
    await stop?.();
    return 0;
  } catch (error) {
    say({ status: `Failed to stop: ${errorLine(error)}`, ...failure(error) });
    attempt(onError, () => {
      throw error;
    });
    return 1;
  } finally {
    clearInterval(timer);
  }
}

function stopServer(server: StoppableServer): unknown {
  if ("stop" in server) return server.stop();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  return promise;
}

function closeNow(server: StoppableServer): void {
  if ("stop" in server) void server.stop(true);
  else server.closeAllConnections?.();
}

function drainStatus(server: StoppableServer): string {
  const { pendingRequests } = server as { pendingRequests?: unknown };
  if (typeof pendingRequests !== "number") return "Stopping";
  return `Stopping: ${pendingRequests} request${pendingRequests === 1 ? "" : "s"} in flight`;
}

/** Resolves once the server listens: those of Bun do from the start, one of node:http after listen(). */
async function listening(server: StoppableServer): Promise<void> {
  const { listening, once } = server as { listening?: boolean; once?(event: string, listener: () => void): void };
  if (listening !== false || !once) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  once.call(server, "listening", resolve);
  await promise;
}

/** "Listening on http://localhost:3000/", or on whatever the server tells. */
function describe(server: StoppableServer): string {
  const { url, unix, hostname, port, address } = server as Record<string, unknown>;
  if (url) return `Listening on ${url}`;
  if (typeof unix === "string" && unix !== "") return `Listening on ${unix}`;
  if (typeof port === "number") return `Listening on ${hostname}:${port}`;
  const bound = typeof address === "function" ? address.call(server) : undefined;
  if (typeof bound === "string") return `Listening on ${bound}`;
  return bound ? `Listening on ${bound.address}:${bound.port}` : "Running";
}

/** What the manager can make of an error. */
function failure(error: unknown): Pick<State, "errno" | "exitStatus"> {
  const { errno } = (error ?? {}) as { errno?: unknown };
  // Node's are negative, those of this package as in C.
  const value = typeof errno === "number" ? Math.abs(errno) : 0;
  return Number.isInteger(value) && value > 0 && value <= 4095 ? { errno: value } : { exitStatus: 1 };
}

function checkServer(server: unknown): asserts server is StoppableServer {
  const { stop, close } = (server ?? {}) as { stop?: unknown; close?: unknown };
  if (typeof stop !== "function" && typeof close !== "function") {
    throw new TypeError("Cannot manage the server: it has neither stop() nor close()");
  }
}

/** What a mistake in the options keeps from being done. */
const DOING = "manage the server";

function checkOptions(options: ManageOptions): void {
  const functions = ["status", "reload", "stop", "healthy", "onError"] as const;
  const times = ["statusIntervalMs", "drainTimeoutMs"] as const;
  checkOptionNames(DOING, options, [...functions, ...times]);
  for (const name of functions) checkFunction(DOING, name, options[name]);
  for (const name of times) checkTime(DOING, name, options[name]);
}
