/** The watchdog: telling the service manager, again and again, that the service is alive. */

import { MAX_TIMER_MS } from "./bun/timers.ts";
import { readNumber } from "./linux/environment.ts";
import { checkFunction, checkOptionNames } from "./protocol/check.ts";
import { attempt, type OnError, reportToStderr } from "./report.ts";
import { managerAddress } from "./transport/options.ts";
import { send } from "./transport/send.ts";

export interface WatchdogOptions {
  /**
   * Whether the service is healthy; asked before each ping. No ping is sent when it returns or resolves to false, throws, rejects, or has
   * not answered by the time of the next ping.
   */
  check?: (() => unknown) | undefined;
  /** When a check fails, send WATCHDOG=trigger, so that the manager acts at once. Default: false, it waits until the time is up. */
  trigger?: boolean | undefined;
  /** What to do with an error while sending, or of the check. Default: one line on standard error, at most one a minute. */
  onError?: OnError | undefined;
}

/** A running watchdog. */
export interface Watchdog extends Disposable {
  /** How often it pings, in milliseconds. */
  intervalMs: number;
  /** Ends it: the manager will find the service dead when the time is up. */
  stop(): void;
}

/**
 * Returns the time within which the manager wants to hear from this process, in milliseconds: WatchdogSec= of the unit.
 *
 * @returns undefined when there is no watchdog, or it is meant for another process ($WATCHDOG_PID).
 * @throws SyntaxError when $WATCHDOG_USEC or $WATCHDOG_PID can't be read.
 * @see sd_watchdog_enabled(3)
 * @example
 * console.log(watchdogTimeoutMs() ?? "no watchdog");
 */
export function watchdogTimeoutMs(): number | undefined {
  const usec = readNumber("WATCHDOG_USEC", 1);
  const pid = readNumber("WATCHDOG_PID", 1);
  if (usec === undefined || (pid !== undefined && pid !== process.pid)) return undefined;
  return usec / 1000;
}

/**
 * Pings the manager at half the time that it allows, from a timer: an event loop that is blocked misses its ping. The timer does not
 * keep the program alive. There is one, however often this is called: the options of the last call hold.
 *
 * @returns the watchdog; undefined when there is none to satisfy (see watchdogTimeoutMs()) or this process is not supervised.
 * @throws SyntaxError when the environment can't be read, TypeError for options that can't be.
 * @see sd_watchdog_enabled(3)
 * @example
 * startWatchdog({ check: async () => (await fetch("http://localhost:3000/health")).ok });
 */
export function startWatchdog(options: WatchdogOptions = {}): Watchdog | undefined {
  checkOptionNames("start the watchdog", options, ["check", "trigger", "onError"]);
  const { check, onError } = options;
  checkFunction("start the watchdog", "check", check);
  checkFunction("start the watchdog", "onError", onError);
  const timeoutMs = watchdogTimeoutMs();
  const address = managerAddress(undefined);
  if (timeoutMs === undefined || address === undefined) return undefined;
  running?.stop();
  running = start(timeoutMs / 2, address, options);
  return running;
}

// --- internal ---

let running: Watchdog | undefined;

/** Keeps the address: pings go on when the variable is deleted from the environment. */
function start(
  halfMs: number,
  address: string,
  { check, trigger = false, onError = reportToStderr() }: WatchdogOptions,
): Watchdog {
  const say = (message: string) => attempt(onError, () => send(message, address));
  const fail = (error: unknown) => {
    attempt(onError, () => {
      throw error;
    });
    if (trigger) say("WATCHDOG=trigger");
  };
  let checking = false;
  const ping = async () => {
    if (!check) return say("WATCHDOG=1");
    if (checking) return fail(new Error("the watchdog's check has not answered since the last ping"));
    checking = true;
    try {
      if ((await check()) === false) fail(new Error("the watchdog's check says that the service is not healthy"));
      else if (!stopped) say("WATCHDOG=1");
    } catch (error) {
      fail(error);
    } finally {
      checking = false;
    }
  };
  let stopped = false;
  const intervalMs = Math.min(halfMs, MAX_TIMER_MS);
  const timer = setInterval(ping, intervalMs);
  timer.unref();
  void ping();
  const stop = () => {
    stopped = true;
    clearInterval(timer);
  };
  return { intervalMs, stop, [Symbol.dispose]: stop };
}
