/** What this process and its service manager tell each other. */

import { childEnv } from "../../child-env.ts";
import { ownUnit } from "../../linux/cgroup.ts";
import { showCommand } from "../../linux/systemctl.ts";
import { notify } from "../../notify.ts";
import { parseAddress } from "../../protocol/address.ts";
import { printable } from "../../protocol/printable.ts";
import type { State } from "../../protocol/state.ts";
import { attempt, errorLine, type OnError } from "../../report.ts";
import { managerAddress } from "../../transport/options.ts";
import { watchdogTimeoutMs } from "../../watchdog.ts";
import { own } from "../start-program.ts";
import { warn } from "../warn.ts";

/** Tells the manager, if there is one. A failure to do so is no reason to end. */
export type Say = (state: State) => void;

/** @throws SyntaxError when $NOTIFY_SOCKET is no address. */
export function speaker(): Say {
  const address = managerAddress(undefined);
  if (address !== undefined) parseAddress(address, "$NOTIFY_SOCKET");
  const onError = warnOfErrors();
  return (state) => {
    const status = state.status === undefined ? undefined : printable(state.status.replace(/[\t-\r]+/g, " "));
    attempt(onError, () => void notify(status === undefined ? state : { ...state, status }));
  };
}

/**
 * The program's environment, without what the manager tells only this process, or with what can be shared.
 *
 * @throws SyntaxError when that can't be parsed.
 */
export function environmentFor(share: boolean): Record<string, string | undefined> {
  const timeoutMs = watchdogTimeoutMs();
  const env = childEnv();
  const { NOTIFY_SOCKET, WATCHDOG_USEC } = process.env;
  if (share && NOTIFY_SOCKET !== undefined) env.NOTIFY_SOCKET = NOTIFY_SOCKET;
  if (share && timeoutMs !== undefined) env.WATCHDOG_USEC = WATCHDOG_USEC;
  return env;
}

/**
 * Whether the manager has sent the program too the signal that it has just sent here. KillMode=control-group, the
 * default, does that when a unit is stopped. Many programs take a second SIGTERM as an order to end at once.
 */
export async function hasSignalledAll(): Promise<boolean> {
  if (process.env.NOTIFY_SOCKET === undefined) return false;
  const unit = ownUnit();
  const command = unit && showCommand(unit, ["KillMode", "SubState"]);
  if (command === undefined) return false;
  try {
    const child = Bun.spawn(command, {
      stdin: "ignore",
      stderr: "ignore",
      timeout: ASK_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    own.add(child.pid);
    await child.exited;
    own.delete(child.pid);
    // Another process may hold its output open.
    const answer = await Promise.race([child.stdout.text(), Bun.sleep(READ_TIMEOUT_MS).then(() => "")]);
    // It was not the time-out: the manager also signals processes that are started in the meantime.
    if (child.signalCode !== null && child.signalCode !== "SIGKILL") return true;
    return /^KillMode=control-group$/m.test(answer) && /^SubState=(stop|final)-(sigterm|watchdog)$/m.test(answer);
  } catch {
    // This process may not ask.
    return false;
  }
}

/** Says it in one line on standard error, once a minute at most. */
export function warnOfErrors(): OnError {
  let last = Number.NEGATIVE_INFINITY;
  return (error) => {
    const now = performance.now();
    if (now - last < WARN_INTERVAL_MS) return;
    last = now;
    warn(errorLine(error));
  };
}

// --- internal ---

const ASK_TIMEOUT_MS = 1000;
const READ_TIMEOUT_MS = 200;
const WARN_INTERVAL_MS = 60_000;
