/** Gathers what systemctl and journalctl tell about a unit, and looks at its processes. */

import { readdirSync, readFileSync } from "node:fs";
import { monotonicUsec } from "../../../ffi/syscalls.ts";
import { ask, askJournal, type Manager, runProgram } from "./ask.ts";
import { gatherConfiguration } from "./configuration.ts";
import type { Fact, JournalLine, Process, Unit } from "./facts.ts";
import { gatherLife, LIFE_PROPERTIES } from "./life.ts";
import { parseObject, parseSetting, parseShow, parseSpan } from "./parse.ts";
import { gatherProcess } from "./process.ts";
import { gatherSpeech, ownCommand } from "./speech.ts";
import type { Speech } from "./speech-facts.ts";

/** Looks at a unit by the name that systemctl takes. A name without a suffix is a service. */
export async function gatherUnit(name: string, manager: Manager): Promise<Fact<Unit>> {
  const shown = await ask(manager, "systemctl", "show", `--property=${PROPERTIES.join(",")}`, "--", name);
  if ("unknown" in shown) return shown;
  const about = await ask(manager, "systemctl", "show", "--property=Version,LogLevel");
  const { Version = "", LogLevel = "" } = "value" in about ? parseShow(about.value, ["Version", "LogLevel"]) : {};
  const show = { ...NOTHING, ...parseShow(shown.value, PROPERTIES) };
  const file = await ask(manager, "systemctl", "cat", "--", show.Id || name);
  const startingUsec = Number(show.InactiveExitTimestampMonotonic) || undefined;
  const journal = await gatherJournal(manager, show, startingUsec);
  return {
    value: {
      id: show.Id || name,
      description: show.Description,
      manager,
      version: Number(/\d+/.exec(Version)?.[0] ?? 0),
      loadState: show.LoadState,
      activeState: show.ActiveState,
      subState: show.SubState,
      result: show.Result,
      type: show.Type,
      notifyAccess: show.NotifyAccess,
      mainPid: Number(show.MainPID),
      controlPid: Number(show.ControlPID),
      startTimeoutUsec: parseSpan(show.TimeoutStartUSec),
      startedForUsec: startingUsec === undefined ? undefined : Math.max(nowUsec() - startingUsec, 0),
      watchdogUsec: parseSpan(show.WatchdogUSec) ?? 0,
      fdStoreMax: Number(show.FileDescriptorStoreMax),
      fdStored: Number(show.NFileDescriptorStore),
      reloadSignal: Number(show.ReloadSignal) || 1,
      hasExecReload: show.ExecReload !== "",
      restrictAddressFamilies: show.RestrictAddressFamilies,
      systemCallFilter: show.SystemCallFilter,
      memoryDenyWriteExecute: show.MemoryDenyWriteExecute === "yes",
      privateNetwork: show.PrivateNetwork === "yes",
      passesSocket: /:notify(:|\s|$)/.test(show.OpenFile),
      environmentSocket: /(?:^|\s)"?NOTIFY_SOCKET=([^\s"]*)/.exec(show.Environment)?.[1],
      user: show.User,
      dynamicUser: show.DynamicUser === "yes",
      group: show.Group,
      workingDirectory: show.WorkingDirectory,
      execStart: "value" in file ? parseSetting(file.value, "ExecStart") : undefined,
      configuration: await gatherConfiguration(manager, show.Id || name),
      speech: gatherSpeeches(show),
      command: ownCommand(),
      processes: gatherProcesses(show),
      journal,
      logLevel: LogLevel,
      life: await gatherLife(manager, show, nowUsec(), "value" in file ? file.value : ""),
    },
  };
}

// --- internal ---

const PROPERTIES = [
  "Id",
  "Description",
  "LoadState",
  "ActiveState",
  "SubState",
  "Result",
  "Type",
  "NotifyAccess",
  "MainPID",
  "ControlPID",
  "ControlGroup",
  "InvocationID",
  "InactiveExitTimestampMonotonic",
  "TimeoutStartUSec",
  "WatchdogUSec",
  "FileDescriptorStoreMax",
  "NFileDescriptorStore",
  "ExecReload",
  "ReloadSignal",
  "RestrictAddressFamilies",
  "SystemCallFilter",
  "MemoryDenyWriteExecute",
  "PrivateNetwork",
  "OpenFile",
  "Environment",
  "User",
  "DynamicUser",
  "Group",
  "WorkingDirectory",
  ...LIFE_PROPERTIES,
] as const;
type Shown = Record<(typeof PROPERTIES)[number], string>;

/** The defaults for a systemd that does not have the property. "~" is an empty list of forbidden things. */
const NOTHING: Shown = {
  ...(Object.fromEntries(PROPERTIES.map((name) => [name, ""])) as Shown),
  RestrictAddressFamilies: "~",
  SystemCallFilter: "~",
};

function gatherSpeeches({ Type, ActiveState, ControlGroup }: Shown): Speech[] {
  if (!Type.startsWith("notify") || ActiveState !== "activating") return [];
  return pidsOf(ControlGroup).flatMap((pid) => gatherSpeech(pid) ?? []);
}

/** The processes in the unit's cgroup. If it can't be read, those that the manager names. */
function gatherProcesses({ ControlGroup, MainPID, ControlPID }: Shown): Fact<Process[]> {
  const named = [Number(MainPID), Number(ControlPID)].filter((pid) => pid > 0);
  const pids = new Set([...named, ...pidsOf(ControlGroup)]);
  // This one only looks.
  pids.delete(process.pid);
  // A process that has ended since does not belong to the unit any more.
  return {
    value: [...pids].flatMap((pid) => [gatherProcess(pid)].flatMap((fact) => ("value" in fact ? fact.value : []))),
  };
}

function pidsOf(cgroup: string): number[] {
  if (cgroup === "") return [];
  for (const hierarchy of ["", "/unified", "/systemd"]) {
    const directory = `/sys/fs/cgroup${hierarchy}${cgroup}`;
    try {
      const files = readdirSync(directory, { recursive: true, encoding: "utf8" });
      return files
        .filter((file) => file === "cgroup.procs" || file.endsWith("/cgroup.procs"))
        .flatMap((file) => readFileSync(`${directory}/${file}`, "utf8").split("\n").map(Number))
        .filter((pid) => pid > 0);
    } catch {
      // Another hierarchy, or the unit has just ended.
    }
  }
  return [];
}

/** The manager's own lines since the unit was started. */
async function gatherJournal(manager: Manager, show: Shown, startingUsec?: number): Promise<Fact<JournalLine[]>> {
  // Without this, the latest lines may not be there yet.
  if (process.getuid?.() === 0) await runProgram("journalctl", "--sync");
  // Lines that name no unit matter only from the time this unit has had processes.
  const named = `${manager === "user" ? "USER_" : ""}UNIT=${show.Id}`;
  const since = startingUsec === undefined ? [named] : [`--since=@${sinceEpoch(startingUsec)}`];
  const lines = await askJournal(
    ...[`--lines=${MAX_LINES}`, ...since],
    "--output-fields=MESSAGE,UNIT,USER_UNIT,INVOCATION_ID,USER_INVOCATION_ID",
    ...(manager === "user" ? ["_COMM=systemd", `_UID=${process.getuid?.()}`] : ["_PID=1"]),
  );
  if ("unknown" in lines) return lines;
  return { value: lines.value.split("\n").flatMap((line) => readJournalLine(line, show)) };
}

const MAX_LINES = 20_000;

/**
 * Leaves out lines about other units, and about other starts of this one. It also leaves out text that is not an
 * entry, which a killed journalctl may have printed.
 */
export function readJournalLine(json: string, { Id, InvocationID }: Pick<Shown, "Id" | "InvocationID">): JournalLine[] {
  const entry = parseObject(json);
  if (entry === undefined) return [];
  const unit = entry.UNIT ?? entry.USER_UNIT;
  const invocation = entry.INVOCATION_ID ?? entry.USER_INVOCATION_ID ?? InvocationID;
  if (unit !== undefined && (unit !== Id || (InvocationID !== "" && invocation !== InvocationID))) return [];
  // Bytes that are not text come as numbers.
  const { MESSAGE: message } = entry;
  const text = Array.isArray(message) ? Buffer.from(message).toString() : String(message ?? "");
  return [{ text, ours: unit !== undefined }];
}

/** A second earlier, because the clocks are read one after the other. */
function sinceEpoch(usec: number): number {
  return Math.floor(Date.now() / 1000 - (nowUsec() - usec) / 1e6) - 1;
}

function nowUsec(): number {
  try {
    return Number(monotonicUsec());
  } catch {
    // Without libc. The result is the same, except for the time that the machine slept.
    return Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1e6;
  }
}
