/** How a start, or the service, has ended: by each Result= of systemd.service(5). */

import { formatUsec } from "../../protocol/durations.ts";
import { shorten } from "../../protocol/shorten.ts";
import { findFailure, lastInvocation, lastLine, quote, titleOf } from "./exit-status-checks.ts";
import type { Check, Life, SaidLine, Unit } from "./facts.ts";
import { shellWord } from "./shell-word.ts";
import { waitingFor } from "./type-checks.ts";
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
  // What ended by itself has its last line beside its exit status.
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

/** What the manager said of the last start, oldest first. */
export function saidOfLast(life: Life): readonly SaidLine[] {
  if ("unknown" in life.said) return [];
  const lines = life.said.value;
  const last = lastInvocation(life);
  // What comes after it, and is of no start, is about a start that did not come so far.
  return lines.filter(({ invocation }) => invocation === last || invocation === "");
}

/** The longest time that a start took that succeeded, as the journal tells. */
export function longestStart({ said }: Life): number | undefined {
  if ("unknown" in said) return undefined;
  let longest: number | undefined;
  let began: SaidLine | undefined;
  for (const line of said.value) {
    if (/^Starting /.test(line.text)) began = line;
    if (/^(Started|Finished) /.test(line.text) && began !== undefined && began.invocation === line.invocation) {
      longest = Math.max(longest ?? 0, line.usec - began.usec);
    }
  }
  return longest;
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
      const file = life.settings.EnvironmentFile?.at(-1)?.replace(/^-/, "");
      const cure =
        /environment file/.test(line?.text ?? "") && file
          ? `EnvironmentFile=-${file}, or a file that is there`
          : "what systemd names";
      const said = line === undefined ? "" : `: systemd says ${quote(line.text.replace(/^\S+: /, ""))}`;
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

/** The words of service.c of systemd 252 to 262, by which it tells whose time was up. */
function explainTimeout(unit: Unit): [why: string, cure: string] {
  const { life, startTimeoutUsec } = unit;
  const said = saidOfLast(life);
  const told = (pattern: RegExp) => said.findLast(({ text }) => pattern.test(text))?.text;
  if (told(/Service reached runtime time limit/) !== undefined) {
    const limit = life.runtimeMaxUsec === undefined ? "" : `, ${formatUsec(life.runtimeMaxUsec)}`;
    return [
      `it ran for as long as RuntimeMaxSec= allows${limit}, and systemd ended it`,
      "RuntimeMaxSec=infinity, or a longer time",
    ];
  }
  const stopping =
    /[' ](stop|stop-sigterm|stop-sigkill|final-sigterm|final-sigkill|stop-watchdog)' timed out|: Stopping timed out/;
  const post = /stop-post operation timed out|'stop-post' timed out/;
  const stop =
    life.stopTimeoutUsec === undefined ? "TimeoutStopSec=" : `${formatUsec(life.stopTimeoutUsec)} (TimeoutStopSec=)`;
  if (told(post) !== undefined) {
    return [`ExecStopPost= did not end within ${stop}`, "TimeoutStopSec=5min, or a command of ExecStopPost= that ends"];
  }
  const began = /[ ']?(start-pre|start-post|start|condition)'?(?: operation)? timed out/.exec(
    told(/(start|start-pre|start-post|condition)'?(?: operation)? timed out/) ?? "",
  )?.[1];
  if (began === undefined && told(stopping) !== undefined) {
    return [
      `it did not end within ${stop} after it was told to, and was killed`,
      "an end to the program in its handler of SIGTERM, or KillSignal= with a signal that ends it, " +
        "or a longer TimeoutStopSec=",
    ];
  }
  const limit = startTimeoutUsec === undefined ? "TimeoutStartSec=" : formatUsec(startTimeoutUsec);
  const needed = longestStart(life);
  const longer =
    needed !== undefined && startTimeoutUsec !== undefined && needed > startTimeoutUsec
      ? `; an earlier start took ${formatUsec(needed)}`
      : "";
  const extended = said.findLast(({ text }) => /EXTEND_TIMEOUT_USEC=\d/.test(text));
  const extension =
    extended === undefined
      ? ""
      : `; it had sent ${/EXTEND_TIMEOUT_USEC=\d+/.exec(extended.text)?.[0]}, and that time was up too`;
  const pre = { "start-pre": "ExecStartPre=", "start-post": "ExecStartPost=", condition: "ExecCondition=" }[
    began ?? ""
  ];
  if (pre !== undefined) {
    const cure = `a command of ${pre} that ends: what goes on running is for ExecStart=; or a longer TimeoutStartSec=`;
    return [`a command of ${pre} did not end within ${limit} (TimeoutStartSec=)${extension}`, cure];
  }
  return [
    `${missing(unit, limit)}${extension}${longer}`,
    `${cureOfTimeout(unit)}; or TimeoutStartSec= with as long as it needs`,
  ];
}

function missing(unit: Unit, limit: string): string {
  const { type, life } = unit;
  if (isNotify(unit)) return `no READY=1 was taken within ${limit} (TimeoutStartSec=)`;
  if (type === "forking") {
    const line = saidOfLast(life)
      .findLast(({ text }) => PID_FILE_LINE.test(text))
      ?.text.replace(/^\S+: /, "");
    if (line !== undefined)
      return `PIDFile= had no pid within ${limit} (TimeoutStartSec=): systemd says ${quote(line)}`;
    return `the process of ExecStart= did not end within ${limit} (TimeoutStartSec=), and Type=forking waits for that`;
  }
  if (type === "dbus") return `it did not own ${life.busName} on the bus (BusName=) within ${limit} (TimeoutStartSec=)`;
  if (type === "oneshot") return `the commands of ExecStart= did not end within ${limit} (TimeoutStartSec=)`;
  return `the start was not over within ${limit} (TimeoutStartSec=)`;
}

function cureOfTimeout(unit: Unit): string {
  const { type, life } = unit;
  const pidFile = saidOfLast(life).some(({ text }) => PID_FILE_LINE.test(text));
  if (type === "forking" && pidFile) return PID_FILE;
  return waitingFor(unit).cure;
}

/** What is said of it at level debug tells no reason. */
const PID_FILE_LINE = /: (?!Setting|Stopping|Attempting|Set up|Inotify)(?:.*PID file|.*[Mm]ain PID|PID \d+ read)/;

export const PID_FILE =
  "PIDFile=, or the path that the program writes its pid to: " +
  "without PIDFile=, systemd finds the main process by itself";

function explainProtocol(unit: Unit): [why: string, cure: string] {
  const { type, life } = unit;
  const line = saidOfLast(life).findLast(({ text }) => PID_FILE_LINE.test(text))?.text;
  const said = line === undefined ? "" : `: systemd says ${quote(line.replace(/^\S+: /, ""))}`;
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
