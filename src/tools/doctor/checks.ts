/** THE table of checks: what the doctor looks at, in the order in which it tells it. Pure: from facts to lines. */

import { checkComments, checkComplaints, checkDropIn, checkReloadNeeded, nameDropIns } from "./configuration-checks.ts";
import { checkEnvironmentFiles, checkUnsetEnvironment } from "./environment-checks.ts";
import type { Check, Facts, Process, Self, Unit } from "./facts.ts";
import { checkJournal } from "./journal.ts";
import { checkMessages } from "./message-checks.ts";
import { checkContainer, checkFilter, checkPassedFds, checkSocket, checkWatchdogVariables } from "./process-checks.ts";
import { checkCaller, checkConnection, checkFfi, checkOwnMessages } from "./self-checks.ts";
import { checkAccess, checkWatchdog, likelySenders } from "./sender-checks.ts";
import { shellWord } from "./shell-word.ts";
import { checkBackground, checkSpeech } from "./silence-checks.ts";
import {
  checkFamilies,
  checkFdStore,
  checkMemory,
  checkReload,
  checkStart,
  checkSystemCalls,
  checkType,
} from "./unit-checks.ts";

/** Returns the checklist. */
export function checkAll({ subject, self, process, unit }: Facts): Check[] {
  const checks: Check[] = [];
  const known = unit && "value" in unit && unit.value.loadState === "loaded" ? unit.value : undefined;
  if (self) checks.push(...SELF_CHECKS.flatMap((check) => check(self, known)));
  if (process && "unknown" in process)
    checks.push({ name: "process", result: "failed", what: subject, why: process.unknown });
  const named = process && "value" in process ? process.value : undefined;
  if (named) checks.push(...checkProcess(named, known, self));
  if (unit && "unknown" in unit) checks.push({ name: "unit", result: "unknown", what: "the unit", why: unit.unknown });
  if (unit && "value" in unit) checks.push(...(known ? checkUnit(known, named) : checkFiles(unit.value)));
  return known ? nameDropIns(checks, known) : checks;
}

// --- internal ---

const SELF_CHECKS = [checkFfi, checkCaller, checkConnection, checkOwnMessages];

/** Of one process: it may be of no unit. */
const PROCESS_CHECKS = [checkContainer, checkSocket, checkFilter, checkWatchdogVariables, checkPassedFds];

/** Of the unit's settings and state, and of what its processes are to it. */
const UNIT_CHECKS = [
  checkStart,
  checkReloadNeeded,
  checkDropIn,
  checkComplaints,
  checkComments,
  checkUnsetEnvironment,
  checkEnvironmentFiles,
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

/** Of a unit that systemd has not loaded. */
const FILE_CHECKS = [checkComplaints, checkComments, checkReloadNeeded];

function checkProcess(process: Process, unit: Unit | undefined, self?: Self): Check[] {
  return PROCESS_CHECKS.flatMap((check) => check(process, unit, self));
}

/** The processes that are likely to send are looked at too, but for one that has been already. */
function checkUnit(unit: Unit, seen: Process | undefined): Check[] {
  const processes = likelySenders(unit).filter(({ pid }) => pid !== seen?.pid);
  const [start, ...rest] = UNIT_CHECKS.map((check) => check(unit));
  return [...(start ?? []), ...processes.flatMap((process) => checkProcess(process, unit)), ...rest.flat()];
}

function checkFiles(unit: Unit): Check[] {
  return [notLoaded(unit), ...FILE_CHECKS.flatMap((check) => check(unit))];
}

function notLoaded({ id, loadState, manager }: Unit): Check {
  const other = manager === "system" ? " --user" : "";
  const word = shellWord(id);
  const cures: Record<string, string> = {
    "not-found": `systemctl daemon-reload, where its file is new; sd-notify doctor${other} ${word}, where it is of ${
      manager === "system" ? "the user's manager" : "the system's"
    }; systemctl list-units "*NAME*" finds names`,
    masked: `systemctl unmask ${word}`,
  };
  const why = loadState === "not-found" ? "there is no such unit" : `its LoadState is ${loadState}`;
  return { name: "unit", result: "failed", what: id, why, cure: cures[loadState] ?? `systemctl status ${word}` };
}
