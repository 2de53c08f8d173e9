/** Gathers how a unit came to its present state, from what systemctl shows of it. */

import { existsSync } from "node:fs";
import type { Manager } from "./ask.ts";
import { failedCommand, parseCommands } from "./commands.ts";
import { SETTINGS, SYSTEMD_STATUSES } from "./exit-statuses.ts";
import type { Ending, Life } from "./facts.ts";
import { gatherOutput, gatherSaid } from "./logged.ts";
import { gatherJob, gatherNeeds } from "./other-units.ts";
import { parseConditions, parseSetting, parseSpan, parseWords } from "./parse.ts";
import { lookAtProgram } from "./program-file.ts";

export const LIFE_PROPERTIES = [
  "LoadError",
  "ExecCondition",
  "ExecStartPre",
  "ExecStart",
  "ExecStartPost",
  "ExecStop",
  "ExecStopPost",
  "ExecMainPID",
  "ExecMainCode",
  "ExecMainStatus",
  "ExecMainStartTimestampMonotonic",
  "ExecMainExitTimestampMonotonic",
  "BusName",
  "PIDFile",
  "RemainAfterExit",
  "Restart",
  "RestartUSec",
  "NRestarts",
  "StartLimitBurst",
  "StartLimitIntervalUSec",
  "TimeoutStopUSec",
  "RuntimeMaxUSec",
  "KillSignal",
  "KillMode",
  "ReloadResult",
  "FreezerState",
  "MemoryMax",
  "TriggeredBy",
  "Triggers",
  "StateChangeTimestampMonotonic",
  "ActiveEnterTimestampMonotonic",
  "UnitFileState",
  "Job",
  "Requires",
  "Requisite",
  "BindsTo",
] as const;

type Shown = Record<
  | (typeof LIFE_PROPERTIES)[number]
  | "Id"
  | "InvocationID"
  | "LoadState"
  | "ActiveState"
  | "ExecReload"
  | "InactiveExitTimestampMonotonic",
  string
>;

/** `files` is what systemctl cat prints. */
export async function gatherLife(manager: Manager, show: Shown, nowUsec: number, files: string): Promise<Life> {
  const commands = COMMANDS.flatMap((setting) => parseCommands(setting, show[setting]));
  const main = {
    pid: Number(show.ExecMainPID),
    code: ENDINGS[show.ExecMainCode] ?? "",
    status: Number(show.ExecMainStatus),
    ranForUsec: difference(show.ExecMainStartTimestampMonotonic, show.ExecMainExitTimestampMonotonic),
  };
  const settings = Object.fromEntries(
    SETTINGS.map((name) => [name, parseSetting(files, name)] as const).filter(([, values]) => values.length > 0),
  );
  const since = Number(show.StateChangeTimestampMonotonic);
  const [said, output, job, needs] = await Promise.all([
    gatherSaid(manager, show.Id),
    gatherOutput(manager, show.Id, [...commands.map(({ pid }) => pid), main.pid]),
    gatherJob(manager, show),
    gatherNeeds(manager, show),
  ]);
  // What its paths lead to can't be seen from here.
  const hasRoot = settings.RootDirectory !== undefined || settings.RootImage !== undefined;
  const command = failedCommand(commands) ?? commands.find(({ setting }) => setting === "ExecStart");
  return {
    loadError: show.LoadError,
    commands,
    settings,
    execMain: main,
    busName: show.BusName,
    pidFile: show.PIDFile,
    remainAfterExit: show.RemainAfterExit === "yes",
    restart: show.Restart,
    restartUsec: parseSpan(show.RestartUSec),
    restarts: Number(show.NRestarts),
    startLimit: { burst: Number(show.StartLimitBurst), intervalUsec: parseSpan(show.StartLimitIntervalUSec) },
    stopTimeoutUsec: parseSpan(show.TimeoutStopUSec),
    runtimeMaxUsec: parseSpan(show.RuntimeMaxUSec),
    killSignal: Number(show.KillSignal) || 15,
    killMode: show.KillMode,
    reloadResult: show.ReloadResult,
    frozen: /^(frozen|freezing)/.test(show.FreezerState),
    memoryMax: show.MemoryMax,
    triggeredBy: parseWords(show.TriggeredBy),
    triggers: parseWords(show.Triggers),
    stateForUsec: since > 0 ? Math.max(nowUsec - since, 0) : undefined,
    wasActive: Number(show.ActiveEnterTimestampMonotonic) > Number(show.InactiveExitTimestampMonotonic),
    unitFileState: show.UnitFileState,
    conditions: parseConditions(files),
    job,
    needs,
    said,
    output,
    missingPaths: hasRoot ? [] : missingPaths(settings),
    program: hasRoot ? undefined : lookAtProgram(command),
  };
}

// --- internal ---

/** In the order in which they run. */
const COMMANDS = [
  "ExecCondition",
  "ExecStartPre",
  "ExecStart",
  "ExecStartPost",
  "ExecReload",
  "ExecStop",
  "ExecStopPost",
] as const;

/** CLD_* of <signal.h>. */
const ENDINGS: Record<string, Ending> = { 1: "exited", 2: "killed", 3: "dumped" };

function difference(from: string, to: string): number | undefined {
  const [start, end] = [Number(from), Number(to)];
  return start > 0 && end >= start ? end - start : undefined;
}

/** A "-" says that the path may be missing. The part after a colon is where it is mounted. */
function missingPaths(settings: Life["settings"]): string[] {
  const values = (SYSTEMD_STATUSES[226]?.settings ?? []).flatMap((name) => settings[name] ?? []);
  const paths = values
    .flatMap((value) => value.split(/\s+/))
    .map((word) => word.replace(/^\+/, "").split(":")[0] ?? "");
  return paths.filter((path) => path.startsWith("/") && !path.includes("%") && !existsSync(path));
}
