/** How a start, or the service, has ended, for each Result= of systemd.service(5). */

import { formatUsec } from "../../protocol/durations.ts";
import { shorten } from "../../protocol/shorten.ts";
import { findFailure, lastLine, titleOf } from "./exit-status-checks.ts";
import type { Check, Unit } from "./facts.ts";
import { quote } from "./quote.ts";
import { lastInvocation, saidOfLast, wordsOf } from "./said.ts";
import { shellWord } from "./shell-word.ts";
import { explainTimeout } from "./timeouts.ts";
import { PID_FILE, PID_FILE_LINE, waitingFor } from "./type-checks.ts";
import { isNotify } from "./unit-state.ts";

/** For a unit that has failed, or that waits to be started again. */
export function checkResult(unit: Unit): Check[] {
  const { id, activeState, subState, result } = unit;
  const again = subState.startsWith("auto-restart");
  const what = `${id} is ${activeState}${again ? ` (${subState})` : ""}`;
  const [why, cure] = explainResult(unit);
  const restarted = again ? `; ${againOf(unit)}` : "";
  const check: Check = {
    name: "start",
    result: "failed",
    what,
    why: `${why}${restarted}`,
    ...(cure !== undefined && { cure }),
  };
  // If the process ended by itself, its last line is shown with its exit status.
  return findFailure(unit) === undefined && result !== "success" ? [check, ...outputOf(unit)] : [check];
}

/** The last line that a process of the last start wrote. */
export function outputOf({ life }: Unit): Check[] {
  const told = lastLine(life, { pid: 0, invocation: lastInvocation(life) });
  return told === undefined
    ? []
    : [{ name: "output", result: "note", what: "the last line that it wrote", why: quote(told) }];
}

/** How often it was started again, for a unit that is being started once more. */
export function restartsOf(unit: Unit): string {
  const { restarts, restart } = unit.life;
  if (restarts === 0) return "";
  const failure = findFailure(unit);
  const last = failure === undefined ? "" : `, because ${titleOf(failure)}`;
  return `; it has been started again ${restarts === 1 ? "once" : `${restarts} times`} by Restart=${restart}${last}`;
}

// --- internal ---

function againOf({ life }: Unit): string {
  const after = life.restartUsec === undefined ? "" : ` after ${formatUsec(life.restartUsec)} (RestartSec=)`;
  const often = life.restarts === 0 ? "" : `, as ${life.restarts === 1 ? "once" : `${life.restarts} times`} before`;
  return `Restart=${life.restart} starts it again${after}${often}`;
}

function explainResult(unit: Unit): [why: string, cure?: string] {
  const { id, activeState, result, watchdogUsec, life, manager } = unit;
  const systemctl = manager === "user" ? "systemctl --user" : "systemctl";
  const failure = findFailure(unit);
  // systemd 252 keeps the result of the last start.
  const gaveUp =
    activeState === "failed" && saidOfLast(life).some(({ text }) => /Start request repeated too/.test(text));
  switch (gaveUp ? "start-limit-hit" : result) {
    case "timeout":
      return explainTimeout(unit);
    case "watchdog":
      return [
        `no WATCHDOG=1 came within ${formatUsec(watchdogUsec)} (WatchdogSec=), so systemd ended it`,
        "startWatchdog(), or a longer WatchdogSec=",
      ];
    case "protocol":
      return explainProtocol(unit);
    case "start-limit-hit": {
      const { burst, intervalUsec } = life.startLimit;
      const limit = intervalUsec === undefined ? "" : ` in ${formatUsec(intervalUsec)}`;
      const cause = failure === undefined ? "" : `; each time, ${titleOf(failure)}`;
      return [
        `it was started more than ${burst} times${limit} (StartLimitBurst=, StartLimitIntervalSec=), ` +
          `and systemd gave up${cause}`,
        `${systemctl} reset-failed ${shellWord(id)}, then ${systemctl} start ${shellWord(id)}, when its cause is gone`,
      ];
    }
    case "oom-kill": {
      const limit = /^\d+$/.test(life.memoryMax) ? `; MemoryMax= is ${bytes(Number(life.memoryMax))}` : "";
      const cure =
        limit === "" ? "more memory, or a program that needs less" : "MemoryMax=infinity, or as much as it needs";
      return [`memory ran out, and the kernel killed a process of it${limit}`, cure];
    }
    case "resources": {
      const line = saidOfLast(life).findLast(
        ({ text }) => /: Failed to (?!read pids)/.test(text) && !/, ignoring|Failed to (spawn|run) '/.test(text),
      );
      const files = unit.configuration.environmentFiles;
      const file =
        files.find(({ found, optional }) => found === "nothing" && !optional)?.path ??
        life.settings.EnvironmentFile?.at(-1)?.replace(/^-/, "");
      const cure =
        /environment file/.test(line?.text ?? "") && file
          ? `EnvironmentFile=-${file}, or a file that is there`
          : "what systemd names";
      const said = line === undefined ? "" : `: systemd says ${quote(wordsOf(line.text))}`;
      return [`systemd could not start a command of it${said}`, cure];
    }
    case "exec-condition":
      return [
        "ExecCondition= said no, so systemd did not start it",
        "ExecCondition= with a command that ends with status 0",
      ];
    default: {
      // The check of the exit status says more.
      if (failure !== undefined) return [`its result is ${result}`];
      return [`its result is ${result}`, `journalctl --unit=${shellWord(id)} shows what it wrote`];
    }
  }
}

function explainProtocol(unit: Unit): [why: string, cure: string] {
  const { type, life } = unit;
  const line = saidOfLast(life).findLast(({ text }) => PID_FILE_LINE.test(text))?.text;
  const said = line === undefined ? "" : `: systemd says ${quote(wordsOf(line))}`;
  if (isNotify(unit)) {
    const stay =
      "the option of the program that keeps it in the foreground, or Type=forking, if it goes to the background";
    const status = life.execMain.code === "exited" ? ` with status ${life.execMain.status}` : "";
    return [
      `it ended before READY=1${status}: its main process has to stay, and to send it`,
      `notify({ ready: true }), or sd-notify --ready, before it ends; ${stay}`,
    ];
  }
  if (type === "forking") {
    return [
      `the process of ExecStart= ended, and systemd found no main process that it left behind${said}`,
      line === undefined ? "Type=exec, or Type=oneshot" : PID_FILE,
    ];
  }
  if (type === "dbus") return [`it ended before it owned ${life.busName} on the bus (BusName=)`, waitingFor(unit).cure];
  return [`it did not do what Type=${type} expects${said}`, waitingFor(unit).cure];
}

function bytes(count: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(count, 1)) / 10), 4);
  return shorten(`${Number((count / 1024 ** power).toFixed(1))}${["", "K", "M", "G", "T"][power]}`, 20);
}
