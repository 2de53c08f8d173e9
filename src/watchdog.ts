/** The watchdog: it tells the service manager, again and again, that the service is alive. */

import { singleton } from "./bun/singleton.ts";
import { MAX_TIMER_MS } from "./bun/timers.ts";
import { readNumber } from "./linux/environment.ts";
import { openOutbox } from "./outbox.ts";
import { checkFunction, checkOptionNames, checkTime } from "./protocol/check.ts";
import { type OnError, report, reportToStderr } from "./report.ts";
import { managerAddress } from "./transport/options.ts";

/**
 * When to ping, and what to do if the service is not healthy.
 *
 * @example
 * const options: WatchdogOptions = { check: () => process.memoryUsage.rss() < 500e6, trigger: true };
 * startWatchdog(options);
 */
export interface WatchdogOptions {
  /**
   * Returns whether the service is healthy. It is called before each ping. No ping is sent if it returns or resolves
   * to false, throws, rejects, or has not answered by the time of the next ping.
   */
  check?: (() => unknown) | undefined;
  /**
   * Whether to send WATCHDOG=trigger when a check fails, so that the manager acts at once. Default: false. The manager
   * then waits until the time is up.
   */
  trigger?: boolean | undefined;
  /**
   * The time within which the manager wants to hear from this process, in milliseconds. Set it if `notify({
   * watchdogTimeoutMs })` has changed the time. Default: watchdogTimeoutMs(), the time of the unit.
   */
  timeoutMs?: number | undefined;
  /**
   * What to do with an error of the check, or while sending. Default: one line on standard error, at most one a
   * minute.
   */
  onError?: OnError | undefined;
}

/**
 * A running watchdog.
 *
 * @example
 * const watchdog: Watchdog | undefined = startWatchdog();
 * console.log(watchdog ? `a ping every ${watchdog.intervalMs} ms` : "no watchdog");
 * watchdog?.stop();
 */
export interface Watchdog extends Disposable {
  /** How often it pings, in milliseconds. */
  intervalMs: number;
  /** Ends the watchdog. Nothing is sent any more, so the manager will take the service for dead when the time is up. */
  stop(): void;
}

/**
 * Returns the time within which the manager wants to hear from this process, in milliseconds: WatchdogSec= of the unit.
 *
 * @returns undefined if there is no watchdog, or it is for another process ($WATCHDOG_PID).
 * @throws SyntaxError if $WATCHDOG_USEC or $WATCHDOG_PID can't be read.
 * @see sd_watchdog_enabled(3)
 * @example
 * console.log(watchdogTimeoutMs() ?? "no watchdog");
 */
export function watchdogTimeoutMs(): number | undefined {
  const usec = readUsec();
  const pid = readNumber("WATCHDOG_PID", 1);
  if (usec === undefined || (pid !== undefined && pid !== process.pid)) return undefined;
  return usec / 1000;
}

/**
 * Pings the manager at half the time that it allows. A timer does this, so a blocked event loop misses its ping. The
 * timer does not keep the program alive. There is only one timer. If this is called again, the options of the last
 * call count. A ping never blocks. If the queue of the manager is full, the ping is sent when there is room.
 *
 * @returns the watchdog; undefined if no watchdog is asked for (see watchdogTimeoutMs()) or this process is not
 *   supervised.
 * @throws SyntaxError if the environment can't be read, TypeError or RangeError for wrong options.
 * @see sd_watchdog_enabled(3)
 * @example
 * const server = Bun.serve({ port: 3000, fetch: () => new Response("Hello\n") });
 * startWatchdog({ check: async () => (await fetch(server.url)).ok });
 */
export function startWatchdog(options: WatchdogOptions = {}): Watchdog | undefined {
  checkOptions(options);
  const timeoutMs = options.timeoutMs ?? watchdogTimeoutMs();
  const address = managerAddress(undefined);
  if (timeoutMs === undefined || address === undefined) return undefined;
  running.current?.stop();
  running.current = start(timeoutMs / 2, address, options);
  return running.current;
}

/** Whether a watchdog of any copy of this package runs. */
export function hasWatchdog(): boolean {
  return running.current !== undefined;
}

// --- internal ---

const running = singleton<Watchdog>("sd-notify.watchdog");

/** Keeps the address, so that pings go on if the variable is deleted from the environment. */
function start(
  halfMs: number,
  address: string,
  { check, trigger = false, onError = reportToStderr() }: WatchdogOptions,
): Watchdog {
  const outbox = openOutbox(address, onError);
  let stopped = false;
  let checking = false;

  const fail = (error: unknown) => {
    report(onError, error);
    if (trigger) outbox.send("ping", "WATCHDOG=trigger");
  };
  const ping = async () => {
    if (!check) return outbox.send("ping", "WATCHDOG=1");
    if (checking) return fail(new Error("the watchdog's check has not answered since the last ping"));
    checking = true;
    const why = await whyNotHealthy(check);
    checking = false;
    if (stopped) return;
    if (why === undefined) outbox.send("ping", "WATCHDOG=1");
    else fail(why.error);
  };
  const intervalMs = Math.min(halfMs, MAX_TIMER_MS);
  const timer = setInterval(ping, intervalMs).unref();
  const stop = () => {
    stopped = true;
    clearInterval(timer);
    outbox.clear();
  };
  void ping();
  return { intervalMs, stop, [Symbol.dispose]: stop };
}

async function whyNotHealthy(check: () => unknown): Promise<{ error: unknown } | undefined> {
  try {
    if ((await check()) !== false) return undefined;
    return { error: new Error("the watchdog's check says that the service is not healthy") };
  } catch (error) {
    return { error };
  }
}

/** Reads $WATCHDOG_USEC, which is a uint64_t: 2^64 - 1 is systemd's "infinity". */
function readUsec(): number | undefined {
  const text = process.env.WATCHDOG_USEC;
  if (text === undefined || !/^\d{16,}$/.test(text)) return readNumber("WATCHDOG_USEC", 1);
  const usec = BigInt(text);
  return usec > Number.MAX_SAFE_INTEGER && usec < 1n << 64n ? Number(usec) : readNumber("WATCHDOG_USEC", 1);
}

function checkOptions(options: WatchdogOptions): void {
  const doing = "start the watchdog";
  checkOptionNames(doing, options, ["check", "trigger", "timeoutMs", "onError"]);
  checkFunction(doing, "check", options.check);
  checkFunction(doing, "onError", options.onError);
  checkTime(doing, "timeoutMs", options.timeoutMs);
}
