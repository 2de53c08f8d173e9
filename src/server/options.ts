/** The options of manageServer(), and the handle that it returns. */

import { checkFunction, checkInteger, checkOptionNames, checkTime } from "../protocol/check.ts";
import type { OnError } from "../report.ts";
import type { ProbeOptions } from "./probes.ts";

/**
 * The options of manageServer().
 *
 * @example
 * const options: ManageOptions = { status: () => "12 users", stop: () => console.log("closing the database") };
 * manageServer(Bun.serve({ port: 0, fetch: () => new Response("Hello\n") }), options);
 */
export interface ManageOptions {
  /** Returns what the server is doing, in one line. It is called every few seconds, and a new answer is sent. */
  status?: (() => string | Promise<string>) | undefined;
  /**
   * Reads the configuration again, on SIGHUP. If it throws, the status says so, and the old configuration should stay.
   */
  reload?: (() => unknown) | undefined;
  /** Called when the stop begins and no more connections are accepted. Use it to close websockets and event streams. */
  stopping?: (() => unknown) | undefined;
  /** Called when the last request is answered, before the process ends. */
  stop?: (() => unknown) | undefined;
  /**
   * Whether the server is healthy. If the answer is false, an error, or missing, no ping of the watchdog is sent, and
   * the probe /livez fails.
   */
  healthy?: (() => unknown) | undefined;
  /** Answers Kubernetes's probes on this port: /livez, /readyz and /startupz. */
  probes?: number | ProbeOptions | undefined;
  /** How often `status` is asked, in milliseconds. Default: 5000. */
  statusIntervalMs?: number | undefined;
  /** How long a reload may take before it is given up, in milliseconds. Default: 60000. */
  reloadTimeoutMs?: number | undefined;
  /** How long to go on serving after SIGTERM, in milliseconds. /readyz says no meanwhile. Default: 0. */
  drainDelayMs?: number | undefined;
  /**
   * How long to wait for the requests in flight when the server stops, in milliseconds. Default: 60000 under a service
   * manager, because TimeoutStopSec= is 90 s; otherwise 25000, because Kubernetes kills after 30 s.
   */
  drainTimeoutMs?: number | undefined;
  /**
   * What to do with an error of a hook, or while sending. Such an error never ends the server. Default: one line on
   * standard error, at most one a minute.
   */
  onError?: OnError | undefined;
}

/**
 * What manageServer() returns.
 *
 * @example
 * const server = Bun.serve({ port: 0, fetch: () => new Response("Hello\n") });
 * const managed: ManagedServer = manageServer(server, { probes: 0 });
 * await managed.ready;
 * console.log(managed.probesUrl?.href);
 */
export interface ManagedServer extends Disposable {
  /** Resolves when the servers listen and the manager was told. Rejects if they could not be made. */
  ready: Promise<void>;
  /** Where the probes are answered; undefined if there are none. */
  probesUrl: URL | undefined;
  /** Undoes manageServer(): removes its handlers and timers. The server itself goes on. */
  end(): void;
}

/** @throws TypeError or RangeError that names the wrong option. */
export function checkOptions(options: ManageOptions): void {
  const functions = ["status", "reload", "stopping", "stop", "healthy", "onError"] as const;
  const times = ["statusIntervalMs", "reloadTimeoutMs", "drainDelayMs", "drainTimeoutMs"] as const;
  checkOptionNames(DOING, options, [...functions, "probes", ...times]);
  for (const name of functions) checkFunction(DOING, name, options[name]);
  for (const name of times) checkTime(DOING, name, options[name]);
  if (options.probes !== undefined) checkProbes(options.probes);
}

// --- internal ---

/** What can't be done because of a mistake in the options. */
const DOING = "manage the server";

function checkProbes(probes: number | ProbeOptions): void {
  const options = typeof probes === "number" ? { port: probes } : probes;
  checkOptionNames(`${DOING} with these probes`, options, ["port", "hostname"]);
  checkInteger(DOING, "the port of probes", options.port, 0, 65535);
}
