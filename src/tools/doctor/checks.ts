/** THE table of checks: what the doctor looks at, in the order of the report. Pure: from facts to lines. */

import {
  checkComments,
  checkComplaints,
  checkDropIn,
  checkReloadNeeded,
  isExplained,
  nameDropIns,
} from "./configuration-checks.ts";
import { checkEnvironmentFiles, checkUnsetEnvironment, checkUnsetVariables } from "./environment-checks.ts";
import { checkExitStatus } from "./exit-status-checks.ts";
import type { Check, Facts, Process, Self, Unit } from "./facts.ts";
import { checkJournal } from "./journal.ts";
import { checkUnknown, isService, notLoaded } from "./load-checks.ts";
import { checkMessages } from "./message-checks.ts";
import { checkContainer, checkFilter, checkPassedFds, checkSocket, checkWatchdogVariables } from "./process-checks.ts";
import { checkCaller, checkConnection, checkFfi, checkOwnMessages } from "./self-checks.ts";
import { checkAccess, checkWatchdog, likelySenders } from "./sender-checks.ts";
import { checkReadyCommands, checkShellSyntax } from "./shell-checks.ts";
import { checkBackground, checkSpeech } from "./silence-checks.ts";
import { checkStart, checkStopped } from "./state-checks.ts";
import { checkType } from "./type-checks.ts";
import { checkFamilies, checkFdStore, checkMemory, checkReload, checkSystemCalls } from "./unit-checks.ts";
import { hasSpoken } from "./unit-state.ts";

/** Returns the checklist. */
export function checkAll({ subject, self, process, unit }: Facts): Check[] {
  const checks: Check[] = [];
  const known = unit && "value" in unit && isService(unit.value) ? unit.value : undefined;
  if (self) checks.push(...SELF_CHECKS.flatMap((check) => check(self, known)));
  if (process && "unknown" in process)
    checks.push({ name: "process", result: "failed", what: subject, why: process.unknown });
  const named = process && "value" in process ? process.value : undefined;
  if (named) checks.push(...checkProcess(named, known, self));
  const isNamed = !process && !self;
  if (unit && "unknown" in unit) checks.push(checkUnknown(subject, unit.unknown, isNamed));
  if (unit && "value" in unit) checks.push(...(known ? checkUnit(known, named) : checkFiles(unit.value, isNamed)));
  return known ? nameDropIns(checks, known) : checks;
}

// --- internal ---

const SELF_CHECKS = [checkFfi, checkCaller, checkConnection, checkOwnMessages];

/** Checks of one process, which may belong to no unit. */
const PROCESS_CHECKS = [checkContainer, checkSocket, checkFilter, checkWatchdogVariables, checkPassedFds];

/** What the unit is doing, and why. */
const STATE_CHECKS = [checkStart, checkExitStatus, checkStopped];

/** Checks of the unit's settings, and of the roles of its processes. */
const UNIT_CHECKS = [
  checkReloadNeeded,
  checkDropIn,
  checkComplaints,
  checkComments,
  checkShellSyntax,
  checkReadyCommands,
  checkUnsetEnvironment,
  checkEnvironmentFiles,
  checkUnsetVariables,
  checkType,
  checkAccess,
  checkWatchdog,
  checkReload,
  checkFdStore,
  checkFamilies,
  checkSystemCalls,
  checkMemory,
  checkJournal,
  checkMessages,
  checkSpeech,
  checkBackground,
];

/** Checks of a unit that systemd has not loaded. */
const FILE_CHECKS = [checkComplaints, checkComments, checkReloadNeeded];

function checkProcess(process: Process, unit: Unit | undefined, self?: Self): Check[] {
  const checks = PROCESS_CHECKS.flatMap((check) => check(process, unit, self));
  return unit && !self && hasSpoken(unit) ? checks.map(withoutAlarm) : checks;
}

/** The environment that a program shows may not be the one it started with: setproctitle(3) writes over it. */
function withoutAlarm(check: Check): Check {
  if (check.result !== "failed") return check;
  const { name, what, why } = check;
  return { name, result: "unknown", what, why: `${why}; but READY=1 has arrived: it began with another environment` };
}

/** Checks the processes that are likely to send too, except one that has been checked already. */
function checkUnit(unit: Unit, seen: Process | undefined): Check[] {
  const processes = likelySenders(unit).filter(({ pid }) => pid !== seen?.pid);
  return [
    ...STATE_CHECKS.flatMap((check) => check(unit)),
    ...processes.flatMap((process) => checkProcess(process, unit)),
    ...UNIT_CHECKS.flatMap((check) => check(unit)),
  ];
}

function checkFiles(unit: Unit, isNamed: boolean): Check[] {
  // What systemd has against the files says more than that it has not loaded them.
  const why = isExplained(unit) ? [] : [notLoaded(unit, isNamed)];
  return [...why, ...FILE_CHECKS.flatMap((check) => check(unit))];
}
