/** Checks of who sends: NotifyAccess= and the watchdog ask which process it is. */

import { basename } from "node:path";
import { formatUsec } from "../../protocol/durations.ts";
import type { Sender } from "../../verdict/types.ts";
import type { Check, Process, Unit } from "./facts.ts";
import { withoutChanger } from "./obstacles.ts";
import { problemOf } from "./unit-checks.ts";
import { hasSpoken, isWaiting } from "./unit-state.ts";

/** The roles of a unit's processes. */
export interface Cast {
  main: Process | undefined;
  /** The name of the main process, if it is one that starts others. */
  launcher: string | undefined;
  /** The processes at the end of the chain that it starts. If any of them are Bun, only those. */
  workers: Process[];
}

export function cast({ processes, mainPid, controlPid }: Unit): Cast {
  const all = "value" in processes ? processes.value : [];
  const main = all.find(({ pid }) => pid === mainPid);
  const launcher = main && launcherName(main);
  if (launcher === undefined) return { main, launcher, workers: [] };
  const others = all.filter(({ pid }) => pid !== mainPid && pid !== controlPid);
  const ends = others.filter((process) => launcherName(process) === undefined);
  const bun = ends.filter(({ isBun }) => isBun);
  return { main, launcher, workers: bun.length > 0 ? bun : ends };
}

/** The processes that are likely to send: the main one and, if it only starts others, those that do the work. */
export function likelySenders(unit: Unit): Process[] {
  const { main, workers } = cast(unit);
  return [...(main ? [main] : []), ...workers];
}

/** What a process is to a unit. */
export function roleIn(unit: Unit, pid: number): Sender["role"] {
  if (pid === unit.mainPid) return "main";
  if (pid === unit.controlPid) return "control";
  const isMember = "value" in unit.processes && unit.processes.value.some((process) => process.pid === pid);
  return isMember ? "member" : "stranger";
}

/** "npm", "sh" and similar programs start the process that does the work as a child. Returns their name. */
export function launcherName({ command, name }: Pick<Process, "command" | "name">): string | undefined {
  const [program = "", first = ""] = command;
  const called = basename(program).replace(/^-/, "");
  // npm and npx show a title in place of their arguments.
  const title = /^(npm|npx|pnpm|yarn)\b/.exec(command[0] ?? "")?.[1] ?? /^npm\b/.exec(name)?.[0];
  if (title !== undefined) return title;
  if (/^node(js)?$/.test(called) && /\/(npm|npx|pnpm|yarn)(-cli)?(\.c?js)?$/.test(first)) return basename(first);
  if (/^bun(\.exe)?$/.test(called) && (first === "x" || (first === "run" && !/[./]/.test(command[2] ?? "")))) {
    return `bun ${first}`;
  }
  return LAUNCHERS.has(called) ? called : undefined;
}

export function checkAccess(unit: Unit): Check[] {
  if (unit.notifyAccess === "none") return [];
  const { main, launcher, workers } = cast(unit);
  if (!main) return [];
  const judged = workers.map((worker) => ({ worker, problem: refusal(unit, worker) }));
  const refused = judged.filter(({ problem }) => problem !== undefined);
  if (refused.length === 0) {
    const senders = workers.length > 0 ? workers : [main];
    const what = `NotifyAccess=${unit.notifyAccess} takes messages of ${senders.map(titleOf).join(", ")}`;
    return [{ name: "access", result: "passed", what }];
  }
  return refused.map(({ worker, problem }): Check => {
    // A shell may send a message for a program that it runs, and an active unit has had its READY=1.
    const certain = isWaiting(unit) && (worker.isBun !== false || unit.activeState === "activating");
    return {
      name: "access",
      result: certain ? "failed" : "note",
      what: `messages of ${titleOf(worker)}`,
      why: `${problem?.why}; that is ${titleOf(main)}`,
      // A program that switches to another user also removes $NOTIFY_SOCKET: NotifyAccess=all alone does not help.
      cure: withoutChanger(launcher ?? "", worker, unit) ?? `${problem?.cure}, or ${cureFor(main, launcher)}`,
    };
  });
}

export function checkWatchdog(unit: Unit): Check[] {
  if (unit.watchdogUsec === 0) return [];
  const { main, launcher, workers } = cast(unit);
  const what = `WatchdogSec= is ${formatUsec(unit.watchdogUsec)}`;
  if (!main) return [];
  const { activeState, life } = unit;
  if (activeState === "active" && life.stateForUsec !== undefined && life.stateForUsec > 2 * unit.watchdogUsec) {
    return [{ name: "watchdog", result: "passed", what: `${what}, and WATCHDOG=1 arrives in time` }];
  }
  if ("value" in main.environment && main.environment.value.WATCHDOG_USEC === undefined) {
    // A title overwrites the whole environment. If the other variables are still there, only this one was removed.
    const isAllGone = hasSpoken(unit) && main.environment.value.NOTIFY_SOCKET === undefined;
    if (main.overwritten || isAllGone) {
      const why = `$WATCHDOG_USEC is not set in ${titleOf(main)}: what it began with has been removed or written over`;
      return [{ name: "watchdog", result: "unknown", what, why }];
    }
    // PID 1 keeps the old setting until a restart, even after daemon-reload. So something has removed the variable.
    const isUnset = unit.configuration.unset.some((word) => /^WATCHDOG_USEC(=|$)/.test(word));
    const why = `$WATCHDOG_USEC is not set in ${titleOf(main)}: something between systemd and it has removed it`;
    const cure = isUnset ? "UnsetEnvironment= without WATCHDOG_USEC" : "ExecStart= without env -i, env -u or the like";
    return [{ name: "watchdog", result: "failed", what, why, cure }];
  }
  const misled = workers.filter(({ pid, isBun, environment }) => {
    const meant = "value" in environment ? environment.value.WATCHDOG_PID : undefined;
    return isBun !== false && meant !== undefined && meant !== `${pid}`;
  });
  if (misled.length === 0) {
    return [
      {
        name: "watchdog",
        result: "passed",
        what: `${what}: WATCHDOG=1 is due every ${formatUsec(unit.watchdogUsec / 2)}`,
      },
    ];
  }
  return misled.map((worker): Check => {
    const effect = `${titleOf(worker)} takes the watchdog for another's, and does not ping`;
    const why = `$WATCHDOG_PID is ${main.pid} (${main.name}), so ${effect}`;
    const cure = `${cureFor(main, launcher)}; or "unset WATCHDOG_PID" there, with NotifyAccess=all`;
    return { name: "watchdog", result: "failed", what, why, cure };
  });
}

/** Why the unit would take no message at all from a process; undefined if it would. */
export function refusal(
  unit: Unit,
  { pid, uid }: Pick<Process, "pid" | "uid">,
  role = roleIn(unit, pid),
): { why: string; cure?: string | undefined } | undefined {
  const problem = problemOf("STATUS=x", unit, { sender: { pid, uid, role } });
  return problem?.what === "" ? problem : undefined;
}

export function titleOf({ pid, name }: Process): string {
  return `process ${pid} (${name})`;
}

// --- internal ---

const LAUNCHERS = new Set(
  "sh bash dash ash ksh zsh fish busybox npm npx pnpm yarn bunx su sudo runuser timeout flock tini dumb-init".split(
    " ",
  ),
);

function cureFor({ name }: Process, launcher = ""): string {
  if (!/sh$/.test(launcher)) return `ExecStart= with the program itself, without ${launcher}`;
  // A script has its own name, unless the shell was given its text with -c.
  return `exec before the command in ${name === launcher ? `the script of ${launcher}` : name}`;
}
