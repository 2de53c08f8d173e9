/** What the callers of manageServer() may choose, and what they get. */

import { checkFunction, checkInteger, checkOptionNames, checkTime } from "../protocol/check.ts";
import type { OnError } from "../report.ts";
import type { ProbeOptions } from "./probes.ts";

/**
 * What the callers of manageServer() may choose.
 *
 * @example
 * const options: ManageOptions = { status: () => "12 users", stop: () => console.log("closing the database") };
 * manageServer(Bun.serve({ port: 0, fetch: () => new Response("Hello\n") }), options);
 */
export interface ManageOptions {
  /** What the server is doing, in one line; asked every few seconds, and told when it has changed. */
  status?: (() => string | Promise<string>) | undefined;
  /** Reads the configuration again, on SIGHUP. When it throws, the status says so; the old configuration is to stay. */
  reload?: (() => unknown) | undefined;
  /**
   * Called when the stop begins and no more connections are accepted: the place to close websockets and event
   * streams.
   */
  stopping?: (() => unknown) | undefined;
  /** Called when the last request is answered, before the process ends. */
  stop?: (() => unknown) | undefined;
  /**
   * Whether the server is healthy: false, an error or no answer misses a ping of the watchdog, and fails the
   * probe /livez.
   */
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
   * How long to wait for the requests in flight when the server stops, in milliseconds. Default: 60000 under
   * a service manager, whose TimeoutStopSec= is 90 s, else 25000: Kubernetes kills after 30 s.
   */
  drainTimeoutMs?: number | undefined;
  /**
   * What to do with an error of a hook or while sending, which never ends the server. Default: one line on
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
  /** Resolves when the servers listen and the manager was told. Rejects when they could not be made. */
  ready: Promise<void>;
  /** Where the probes are answered; undefined without. */
  probesUrl: URL | undefined;
  /** Takes manageServer() back: removes its handlers and timers. The server itself goes on. */
  end(): void;
}

/** @throws TypeError or RangeError that names the option, when it can't be one. */
export function checkOptions(options: ManageOptions): void {
  const functions = ["status", "reload", "stopping", "stop", "healthy", "onError"] as const;
  const times = ["statusIntervalMs", "reloadTimeoutMs", "drainDelayMs", "drainTimeoutMs"] as const;
  checkOptionNames(DOING, options, [...functions, "probes", ...times]);
  for (const name of functions) checkFunction(DOING, name, options[name]);
  for (const name of times) checkTime(DOING, name, options[name]);
  if (options.probes !== undefined) checkProbes(options.probes);
}

// --- internal ---

/** What a mistake in the options keeps from being done. */
const DOING = "manage the server";

function checkProbes(probes: number | ProbeOptions): void {
  const options = typeof probes === "number" ? { port: probes } : probes;
  checkOptionNames(`${DOING} with these probes`, options, ["port", "hostname"]);
  checkInteger(DOING, "the port of probes", options.port, 0, 65535);
}
