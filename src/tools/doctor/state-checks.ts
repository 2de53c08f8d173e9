/** What the unit is doing, judged by its state, and what it waits for. result-checks.ts tells how a start ended. */

import { signalName } from "../../linux/signals.ts";
import { formatUsec } from "../../protocol/durations.ts";
import { shorten } from "../../protocol/shorten.ts";
import { isClean } from "./commands.ts";
import { findFailure, titleOf } from "./exit-status-checks.ts";
import { SYSTEMD_STATUSES } from "./exit-statuses.ts";
import type { Check, Process, Unit } from "./facts.ts";
import { checkInactive } from "./inactive-checks.ts";
import { checkResult, outputOf, restartsOf } from "./result-checks.ts";
import { titleOf as processTitle } from "./sender-checks.ts";
import { shellWord } from "./shell-word.ts";
import { PID_FILE, waitingFor } from "./type-checks.ts";
import { stoppedOf } from "./unit-state.ts";

/** The first line of the checklist: what the unit is, and why. */
export function checkStart(unit: Unit): Check[] {
  const { activeState, subState } = unit;
  if (activeState === "failed" || subState.startsWith("auto-restart")) return checkResult(unit);
  if (activeState === "activating") return checkActivating(unit);
  if (activeState === "deactivating") return checkDeactivating(unit);
  if (activeState === "reloading" || activeState === "refreshing") return checkReloading(unit);
  if (activeState === "inactive") return checkInactive(unit);
  return checkActive(unit);
}

/** A process that a signal has stopped does nothing and answers nothing. The same is true of a frozen unit. */
export function checkStopped(unit: Unit): Check[] {
  const { id, life, manager } = unit;
  const systemctl = systemctlOf(manager);
  const word = shellWord(id);
  if (life.frozen) {
    const why = "all of its processes are frozen, and do nothing";
    return [{ name: "stopped", result: "failed", what: `${id} is frozen`, why, cure: `${systemctl} thaw ${word}` }];
  }
  return stoppedOf(unit).map((process): Check => {
    const traced = process.state === "t";
    const why = traced
      ? "a debugger or strace holds it, so it does nothing"
      : "a signal such as SIGSTOP has stopped it, so it does nothing";
    const cure = traced ? "end the debugger" : `${systemctl} kill --signal=CONT ${word}`;
    // strace(1) stops a process only for a moment, and a unit can do without one of its workers.
    const isNeeded = process.pid === unit.mainPid || process.pid === unit.controlPid;
    const result = isNeeded && !traced ? "failed" : "note";
    return { name: "stopped", result, what: `${processTitle(process)} is stopped`, why, cure };
  });
}

/** What the start of a unit that is being started waits for. */
export function checkActivating(unit: Unit): Check[] {
  const { id, subState, type } = unit;
  const name = "start";
  const what = `${id} is activating (${subState})`;
  const control = controlOf(unit);
  if (subState !== "start" && control !== undefined) {
    const why = `it waits${sinceOf(unit)} until ${control.title} ends; ${timeoutOf(unit)}`;
    const cure = `a command of ${control.setting}= that ends: what goes on running is for ExecStart=`;
    return [{ name, result: "failed", what, why, cure }, ...outputOf(unit)];
  }
  const restarted = restartsOf(unit);
  const why = `it waits${sinceOf(unit)} ${whatFor(unit)}; ${timeoutOf(unit)}${restarted}`;
  // This type is meant for commands that take long.
  if (type === "oneshot") return [{ name, result: "note", what, why, cure: waitingFor(unit).cure }];
  return [{ name, result: "failed", what, why, cure: cureOfStart(unit) }, ...outputOf(unit)];
}

// --- internal ---

/** A process that stands for a command, and that command. */
interface Control {
  setting: string;
  /** "ExecStartPre=/bin/x (process 12, x)" */
  title: string;
}

function systemctlOf(manager: Unit["manager"]): string {
  return manager === "user" ? "systemctl --user" : "systemctl";
}

function sinceOf({ startedForUsec, life }: Unit): string {
  const usec = life.stateForUsec ?? startedForUsec;
  return usec === undefined ? "" : ` for ${formatUsec(usec)}`;
}

function timeoutOf({ startTimeoutUsec }: Unit): string {
  return startTimeoutUsec === undefined
    ? "TimeoutStartSec=infinity"
    : `TimeoutStartSec= is ${formatUsec(startTimeoutUsec)}`;
}

/** Finds it by the substate, which names the command that a process has been started for. */
function controlOf(unit: Unit): Control | undefined {
  const { controlPid, mainPid, subState, life, processes } = unit;
  const setting = COMMANDS_BY_STATE[subState];
  if (setting === undefined) return undefined;
  const pid = controlPid > 0 ? controlPid : mainPid;
  const known = "value" in processes ? processes.value : [];
  const process = known.find((process) => process.pid === pid);
  const command = life.commands.find(
    (command) => command.setting === setting && command.pid === pid && command.ended === "",
  );
  const line = command?.line ?? process?.command.join(" ") ?? "";
  const who = process === undefined ? `process ${pid}` : processTitle(process);
  return { setting, title: `${setting}=${shorten(line, 100)}, ${who},` };
}

const COMMANDS_BY_STATE: Readonly<Record<string, string>> = {
  condition: "ExecCondition",
  "start-pre": "ExecStartPre",
  start: "ExecStart",
  "start-post": "ExecStartPost",
  reload: "ExecReload",
  stop: "ExecStop",
  "stop-post": "ExecStopPost",
};

/** What a start in the state "start" waits for, after "it waits for 5 s". */
function whatFor(unit: Unit): string {
  const { type, life, controlPid, mainPid } = unit;
  const control = controlOf(unit);
  const bus = `to own ${life.busName} on the bus (Type=dbus, BusName=)`;
  switch (type) {
    case "notify":
    case "notify-reload":
      if (mainPid === 0)
        return "for its main process, which has not been started: see ExecStartPre= and ExecCondition=";
      return `for a READY=1 that it takes, from ${from(unit)}`;
    case "forking":
      return controlPid > 0
        ? `until ${control?.title} ends, because Type=forking takes that for the end of the start`
        : `for ${life.pidFile} (Type=forking, PIDFile=), which is not there, or has no pid of a process of it`;
    case "dbus":
      return bus;
    case "oneshot":
      return `until ${control?.title} ends (Type=oneshot)`;
    case "exec":
      return "until its program has been executed (Type=exec)";
    case "idle":
      return "until no job of the manager is under way (Type=idle)";
    default:
      return `until ${waitingFor(unit).until}`;
  }
}

function from({ notifyAccess }: Unit): string {
  return notifyAccess === "all"
    ? "any of its processes (NotifyAccess=all)"
    : notifyAccess === "exec"
      ? "its main process, or one of another Exec…= (NotifyAccess=exec)"
      : "its main process (NotifyAccess=main)";
}

function cureOfStart(unit: Unit): string {
  const { type, life, controlPid } = unit;
  if (type === "forking" && controlPid === 0) {
    return PID_FILE;
  }
  if (type === "dbus" && life.busName === "") return "BusName= with the name that the program takes";
  return waitingFor(unit).cure;
}

function checkActive(unit: Unit): Check[] {
  const { id, subState, life, mainPid, type } = unit;
  const name = "start";
  const what = `${id} is active${subState === "running" || subState === "" ? "" : ` (${subState})`}`;
  const checks: Check[] = [{ name, result: "passed", what }];
  if (life.restarts > 0) {
    const failure = findFailure(unit);
    const last = failure === undefined ? "" : `; last: ${titleOf(failure)}`;
    const often = life.restarts === 1 ? "once" : `${life.restarts} times`;
    checks.push({
      name,
      result: "note",
      what: "restarts",
      why: `it has been started again ${often} by Restart=${life.restart}${last}`,
    });
  }
  if (type === "forking" && mainPid === 0 && subState === "running") {
    const why = "systemd does not know its main process, so it does not see when that ends, and Restart= does nothing";
    checks.push({
      name,
      result: "note",
      what: "Type=forking",
      why,
      cure: "PIDFile= with the path that the program writes its pid to",
    });
  }
  const reload = RELOADS[life.reloadResult];
  if (reload !== undefined) {
    const failed = life.commands.find(
      ({ setting, ended, status }) => setting === "ExecReload" && ended !== "" && !isClean(ended, status),
    );
    const how = failed === undefined ? reload : titleOf({ ...failed, command: `ExecReload=${failed.line}` });
    const step = failed?.ended === "exited" ? SYSTEMD_STATUSES[failed.status]?.what : undefined;
    const why = `${how}${step === undefined ? "" : `, which means: ${step}`}; it goes on with what it had`;
    const cure =
      type === "notify-reload"
        ? "notify({ reloading: true }), which sends RELOADING=1 with MONOTONIC_USEC=, then notify({ ready: true })"
        : "what ExecReload= runs has to end with status 0";
    checks.push({ name, result: "failed", what: `the last reload of ${id} failed`, why, cure });
  }
  return checks;
}

/** ReloadResult=. */
const RELOADS: Readonly<Record<string, string>> = {
  timeout: "it was not over in time",
  "exit-code": "the command of ExecReload= ended with another status than 0",
  signal: "the command of ExecReload= was killed",
  "core-dump": "the command of ExecReload= was killed",
  resources: "systemd could not start the command of ExecReload=",
};

function checkReloading(unit: Unit): Check[] {
  const { id, subState, controlPid, type } = unit;
  const name = "start";
  const what = `${id} is reloading (${subState})`;
  const since = sinceOf(unit);
  const control = controlPid > 0 ? controlOf(unit) : undefined;
  if (control !== undefined) {
    const why = `it waits${since} until ${control.title} ends; ${timeoutOf(unit)}`;
    return [{ name, result: "failed", what, why, cure: "a command of ExecReload= that ends: kill -HUP $MAINPID" }];
  }
  const reload =
    "notify({ reloading: true }), which sends RELOADING=1 with MONOTONIC_USEC=, then notify({ ready: true })";
  const why =
    subState === "reload-signal"
      ? `it waits${since} for a RELOADING=1 with a MONOTONIC_USEC= of after the signal, from ${from(unit)}`
      : `it waits${since} for the READY=1 that ends a reload, from ${from(unit)}`;
  const cure =
    subState === "reload-signal" ? reload : "notify({ ready: true }), or sd-notify --ready, when it has reloaded";
  return [{ name, result: "failed", what, why: `${why}${type === "notify" ? "" : `; ${timeoutOf(unit)}`}`, cure }];
}

function checkDeactivating(unit: Unit): Check[] {
  const { id, subState, life } = unit;
  const name = "start";
  const what = `${id} is deactivating (${subState})`;
  const since = sinceOf(unit);
  const timeout =
    life.stopTimeoutUsec === undefined
      ? "TimeoutStopSec=infinity"
      : `TimeoutStopSec= is ${formatUsec(life.stopTimeoutUsec)}`;
  // The unit may be stopping because its start failed.
  const before = unit.result === "success" ? [] : checkResult(unit);
  const control = controlOf(unit);
  if (control !== undefined) {
    const why = `it waits${since} until ${control.title} ends; ${timeout}`;
    return [{ name, result: "failed", what, why, cure: `a command of ${control.setting}= that ends` }, ...before];
  }
  const left = "value" in unit.processes ? unit.processes.value : [];
  const signal = subState.includes("sigkill") ? 9 : subState.includes("watchdog") ? 6 : life.killSignal;
  const who = left.length === 0 ? "its processes" : shorten(left.map((one) => answer(one, signal)).join(", "), 300);
  const end = left.length === 1 ? "ends" : "end";
  const why = `it has sent ${signalName(signal)}, and waits${since} until ${who} ${end}; ${timeout}`;
  return [{ name, result: "failed", what, why, cure: cureOfStop(unit, left, signal) }, ...before];
}

/** What a process does with the signal that is meant to end it. */
function answer(process: Process, signal: number): string {
  const title = processTitle(process);
  if (process.state === "D") return `${title}, which is in the kernel and can't be ended there,`;
  if (isIn(process.ignored, signal)) return `${title}, which ignores ${signalName(signal)},`;
  return isIn(process.caught, signal) ? `${title}, which has a handler for ${signalName(signal)},` : title;
}

function cureOfStop({ id, manager }: Unit, left: readonly Process[], signal: number): string {
  const kill = `${systemctlOf(manager)} kill --signal=KILL ${shellWord(id)}`;
  if (left.some(({ state }) => state === "D")) return "the disk, or the server of the file system, that it waits for";
  if (signal === 9) return kill;
  const name = signalName(signal);
  const others = "or KillSignal= with a signal that ends it, or a shorter TimeoutStopSec=";
  return `${kill}, or an end to the program in its handler of ${name}, ${others}`;
}

function isIn(signals: bigint | undefined, signal: number): boolean {
  return (((signals ?? 0n) >> BigInt(signal - 1)) & 1n) === 1n;
}
