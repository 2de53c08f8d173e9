/** Gathers how a unit came to its present state: its commands, jobs, needs, and what was logged about it. */

import { closeSync, constants, existsSync, openSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { decodeBytes } from "../../linux/bytes.ts";
import { findProgram } from "../../linux/find-program.ts";
import { ask, askJournal, type Manager } from "./ask.ts";
import { failedCommand, parseCommands } from "./commands.ts";
import { SETTINGS, SYSTEMD_STATUSES } from "./exit-statuses.ts";
import type { Command, Ending, Fact, Job, Life, Need, OutputLine, ProgramFile, SaidLine } from "./facts.ts";
import { parseConditions, parseJobs, parseObject, parseSetting, parseShow, parseSpan } from "./parse.ts";

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
    gatherOutput(manager, show, [...commands.map(({ pid }) => pid), main.pid]),
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
    triggeredBy: words(show.TriggeredBy),
    triggers: words(show.Triggers),
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

/** With a debug log, a start takes about a hundred. */
const MAX_SAID = 1000;
const MAX_OUTPUT = 100;

/** More than any unit needs: each is asked about. */
const MAX_NEEDS = 200;

function words(text: string): string[] {
  return text.split(" ").filter(Boolean);
}

function difference(from: string, to: string): number | undefined {
  const [start, end] = [Number(from), Number(to)];
  return start > 0 && end >= start ? end - start : undefined;
}

async function gatherSaid(manager: Manager, id: string): Promise<Fact<SaidLine[]>> {
  const who =
    manager === "user" ? ["_COMM=systemd", `_UID=${process.getuid?.()}`, `USER_UNIT=${id}`] : ["_PID=1", `UNIT=${id}`];
  const lines = await askJournal(
    `--lines=${MAX_SAID}`,
    "--output-fields=MESSAGE,INVOCATION_ID,USER_INVOCATION_ID",
    ...who,
  );
  if ("unknown" in lines) return lines;
  const said = entries(lines.value).map((entry) => ({
    text: messageOf(entry),
    invocation: String(entry.INVOCATION_ID ?? entry.USER_INVOCATION_ID ?? ""),
    usec: Number(entry.__MONOTONIC_TIMESTAMP),
  }));
  return { value: said };
}

/** If a process ends at once, journald may find it in no unit any more. So its pid counts too. */
async function gatherOutput(manager: Manager, { Id }: Shown, pids: readonly number[]): Promise<Fact<OutputLine[]>> {
  const [unit, said] = manager === "user" ? ["_SYSTEMD_USER_UNIT", "USER_UNIT"] : ["_SYSTEMD_UNIT", "UNIT"];
  const known = [...new Set(pids)].filter((pid) => pid > 0);
  const lines = await askJournal(
    `--lines=${MAX_OUTPUT}`,
    "--output-fields=MESSAGE,_PID,_SYSTEMD_INVOCATION_ID,INVOCATION_ID,CODE_FUNC,_EXE",
    `${unit}=${Id}`,
    ...known.flatMap((pid) => ["+", `${said}=${Id}`, `_PID=${pid}`, "+", "_TRANSPORT=stdout", `_PID=${pid}`]),
  );
  if ("unknown" in lines) return lines;
  const output = entries(lines.value).map((entry) => ({
    text: messageOf(entry),
    pid: Number(entry._PID),
    invocation: String(entry._SYSTEMD_INVOCATION_ID ?? entry.INVOCATION_ID ?? ""),
    usec: Number(entry.__MONOTONIC_TIMESTAMP),
    ofSystemd: entry.CODE_FUNC !== undefined && /\/systemd(-executor)?$/.test(String(entry._EXE ?? "/systemd")),
  }));
  return { value: output };
}

function entries(text: string): Record<string, unknown>[] {
  return text.split("\n").flatMap((line) => {
    const entry = parseObject(line);
    return entry === undefined ? [] : [entry];
  });
}

/** journalctl prints bytes that are not text as numbers, and leaves out very long values. */
function messageOf({ MESSAGE: message }: Record<string, unknown>): string {
  return Array.isArray(message) ? decodeBytes(Uint8Array.from(message)) : String(message ?? "");
}

async function gatherJob(manager: Manager, { Id, Job: id }: Shown): Promise<Job | undefined> {
  if (id === "" || id === "0") return undefined;
  const listed = await ask(manager, "systemctl", "list-jobs", "--before", "--full");
  const jobs = parseJobs("value" in listed ? listed.value : "");
  const own = jobs.find(({ unit }) => unit === Id);
  if (own === undefined) return undefined;
  const { type, state } = own;
  if (state === "running") return { type, state, waitsFor: [] };
  // In the end it waits for the jobs that are running.
  const seen = new Set<string>();
  const ends: string[] = [];
  const queue = [...own.waitsFor];
  for (let unit = queue.shift(); unit !== undefined; unit = queue.shift()) {
    if (seen.has(unit)) continue;
    seen.add(unit);
    const next = jobs.find((job) => job.unit === unit);
    if (next?.state === "waiting" && next.waitsFor.length > 0) queue.push(...next.waitsFor);
    else ends.push(unit);
  }
  return {
    type,
    state,
    waitsFor: await askAbout(
      manager,
      ends.map((unit) => [unit, "After"]),
    ),
  };
}

/** Other units matter only if this one does not run. */
async function gatherNeeds(manager: Manager, show: Shown): Promise<Need[]> {
  if (show.ActiveState !== "inactive" && show.ActiveState !== "failed") return [];
  const names = (["Requires", "Requisite", "BindsTo"] as const).flatMap((by) =>
    words(show[by]).map((unit): [string, string] => [unit, by]),
  );
  return await askAbout(manager, names);
}

async function askAbout(manager: Manager, names: readonly [unit: string, by: string][]): Promise<Need[]> {
  if (names.length === 0) return [];
  const some = names.slice(0, MAX_NEEDS);
  const properties = ["Id", "LoadState", "ActiveState", "SubState", "Type", "Result"] as const;
  const shown = await ask(
    manager,
    "systemctl",
    "show",
    `--property=${properties.join()}`,
    "--",
    ...some.map(([unit]) => unit),
  );
  if ("unknown" in shown) return [];
  const units = shown.value.split("\n\n").map((text) => parseShow(text, properties));
  return units.flatMap((unit, i) => {
    const [name = "", by = ""] = some[i] ?? [];
    if (name === "") return [];
    const { Id = name, LoadState = "", ActiveState = "", SubState = "", Type = "", Result = "" } = unit;
    return [
      { id: Id, by, loadState: LoadState, activeState: ActiveState, subState: SubState, type: Type, result: Result },
    ];
  });
}

/** A "-" says that the path may be missing. The part after a colon is where it is mounted. */
function missingPaths(settings: Life["settings"]): string[] {
  const values = (SYSTEMD_STATUSES[226]?.settings ?? []).flatMap((name) => settings[name] ?? []);
  const paths = values
    .flatMap((value) => value.split(/\s+/))
    .map((word) => word.replace(/^\+/, "").split(":")[0] ?? "");
  return paths.filter((path) => path.startsWith("/") && !path.includes("%") && !existsSync(path));
}

/** Why it can or can't be executed, as far as its file shows. */
function lookAtProgram(command: Command | undefined): ProgramFile | undefined {
  if (command === undefined) return undefined;
  const { path } = command;
  const namesake = findProgram(basename(path));
  const about = { path, executable: false, ...(namesake !== undefined && namesake !== path && { namesake }) };
  if (!path.startsWith("/")) return { ...about, found: "nothing" };
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) return { ...about, found: "directory" };
    if (!stat.isFile()) return { ...about, found: "other" };
    const executable = (stat.mode & 0o111) !== 0;
    const head = readHead(path);
    if (head === undefined) return { ...about, found: "file", executable };
    const [, interpreter] = /^#![ \t]*([^ \t\n\0]+)/.exec(head) ?? [];
    const format = head.startsWith("\x7fELF") ? "binary" : head.startsWith("#!") ? "script" : "text";
    if (interpreter === undefined) return { ...about, found: "file", executable, format };
    return { ...about, found: "file", executable, format, interpreter, interpreterFound: existsSync(interpreter) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR" ? { ...about, found: "nothing" } : undefined;
  }
}

/** The kernel reads 256 bytes as well. */
function readHead(path: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const bytes = Buffer.alloc(256);
    return decodeBytes(bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0)));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
