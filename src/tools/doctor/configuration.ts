/** Gathers what a unit's files say, and what systemd made of them. */

import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename } from "node:path";
import { monotonicUsec } from "../../../ffi/syscalls.ts";
import { parseEnvironment, readBytes } from "../../linux/proc.ts";
import { isNear } from "../../protocol/near.ts";
import { ask, askJournal, type Manager } from "./ask.ts";
import {
  type Complaint,
  type Configuration,
  type EnvironmentFile,
  NO_CONFIGURATION,
  OUTSIDE,
} from "./configuration-facts.ts";
import { parseEnvironmentFile } from "./environment-file.ts";
import { VARIABLES } from "./facts.ts";
import { parseShow } from "./parse.ts";
import { parseUnitFile } from "./unit-file.ts";

export async function gatherConfiguration(manager: Manager, id: string): Promise<Configuration> {
  const answer = await ask(manager, "systemctl", "show", `--property=${PROPERTIES.join(",")}`, "--", id);
  if ("unknown" in answer) return NO_CONFIGURATION;
  const shown = { ...NOTHING, ...parseShow(answer.value, PROPERTIES) };
  const dropIns = splitWords(shown.DropInPaths);
  if (shown.NeedDaemonReload === "yes") dropIns.push(...newDropIns(manager, id, dropIns));
  const paths = new Set([shown.FragmentPath, ...dropIns]);
  const texts = [...paths].flatMap((path) => {
    const file = readFile(path);
    return file === undefined ? [] : [{ path, ...file }];
  });
  // One line for each file.
  const environmentFiles = answer.value.split("\n").flatMap((line) => {
    const [, path, optional] = /^EnvironmentFiles=(.*) \(ignore_errors=(yes|no)\)$/.exec(line) ?? [];
    return path === undefined ? [] : [{ path, optional: optional === "yes" }];
  });
  return {
    files: texts.map(({ path, text }) => ({ path, assignments: parseUnitFile(text) })),
    needsReload: shown.NeedDaemonReload === "yes",
    complaints: await gatherComplaints(manager, id, texts),
    unset: splitWords(shown.UnsetEnvironment),
    environmentFiles: gatherEnvironmentFiles(environmentFiles, {
      pid: Number(shown.MainPID),
      startedUsec: Number(shown.ExecMainStartTimestampMonotonic),
      unset: splitWords(shown.UnsetEnvironment).map((word) => word.replace(/=.*/s, "")),
    }),
  };
}

// --- internal ---

const PROPERTIES = [
  "FragmentPath",
  "DropInPaths",
  "NeedDaemonReload",
  "UnsetEnvironment",
  "MainPID",
  "ExecMainStartTimestampMonotonic",
  "EnvironmentFiles",
] as const;

const NOTHING = Object.fromEntries(PROPERTIES.map((name) => [name, ""])) as Record<(typeof PROPERTIES)[number], string>;

interface Text {
  path: string;
  text: string;
  changedMs: number;
}

/** A list as systemctl shows it: a word with blanks has quotes. */
function splitWords(list: string): string[] {
  return [...list.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, word = ""]) =>
    quoted === undefined ? word : quoted.replaceAll(/\\(.)/g, "$1"),
  );
}

function readFile(path: string): Omit<Text, "path"> | undefined {
  if (path === "") return undefined;
  try {
    const stat = statSync(path);
    return stat.isFile() ? { text: readFileSync(path, "utf8"), changedMs: stat.mtimeMs } : undefined;
  } catch {
    return undefined;
  }
}

/** The files that the manager has not read yet: systemd.unit(5), "UNIT FILE LOAD PATH". */
function newDropIns(manager: Manager, id: string, known: readonly string[]): string[] {
  const home = process.env.XDG_CONFIG_HOME ?? `${process.env.HOME}/.config`;
  const own = manager === "user" ? [`${home}/systemd/user`, `${process.env.XDG_RUNTIME_DIR}/systemd/user`] : [];
  const directories = ["/usr/lib", "/usr/local/lib", "/run", "/etc"].map((base) => `${base}/systemd/${manager}`);
  return [...directories, ...own].flatMap((directory) => {
    try {
      const files = readdirSync(`${directory}/${id}.d`).filter((name) => name.endsWith(".conf"));
      const paths = files.sort().map((name) => `${directory}/${id}.d/${name}`);
      return paths.filter((path) => !known.includes(path));
    } catch {
      return [];
    }
  });
}

/** What PID 1 has logged since boot about lines that still stand unchanged in the files. */
async function gatherComplaints(manager: Manager, id: string, texts: readonly Text[]): Promise<Complaint[]> {
  const answer = await askJournal(
    ...["--priority=warning", `--lines=${MAX_LINES}`, "--output-fields=MESSAGE"],
    ...(manager === "user"
      ? ["_COMM=systemd", `_UID=${process.getuid?.()}`, `USER_UNIT=${id}`]
      : ["_PID=1", `UNIT=${id}`]),
  );
  if ("unknown" in answer) return [];
  const complaints = new Map<string, Complaint>();
  let refusal: string | undefined;
  for (const line of answer.value.split("\n")) {
    const { message, timeMs } = entryOf(line);
    const [, path = "", number = "", text = ""] = /^(\/.*?):(\d+): (.*)$/s.exec(message) ?? [];
    if (path !== "") {
      const place = placeOf(texts, { path, line: Number(number), text, timeMs });
      if (place) complaints.set(`${path}:${number}`, { text, place });
    } else if (message.startsWith(`${id}: `)) {
      const said = message.slice(id.length + 2);
      if (/Refusing\.$/.test(said)) refusal = said;
    }
  }
  const known = knownNames([...complaints.values()]);
  return [
    ...[...complaints.values()].map((complaint) => ({ ...complaint, ...meantBy(complaint, known) })),
    ...(refusal === undefined ? [] : [{ text: refusal }]),
  ];
}

/** Of the last ones: those of files that were corrected long ago do not count. */
const MAX_LINES = 200;

function entryOf(json: string): { message: string; timeMs: number } {
  try {
    const { MESSAGE, __REALTIME_TIMESTAMP: usec } = JSON.parse(json) as Record<string, unknown>;
    const message = Array.isArray(MESSAGE) ? Buffer.from(MESSAGE).toString() : String(MESSAGE ?? "");
    return { message, timeMs: Number(usec) / 1000 };
  } catch {
    return { message: "", timeMs: 0 };
  }
}

/** Whether a complaint is about the file as it is now: it names the key or the value, and is newer than the file. */
function placeOf(
  texts: readonly Text[],
  { path, line, text: complaint, timeMs }: { path: string; line: number; text: string; timeMs: number },
): Complaint["place"] {
  const file = texts.find((text) => text.path === path);
  // The kernel's clock for files is some milliseconds behind, never ahead.
  if (!file || file.changedMs > timeMs) return undefined;
  const assignment = parseUnitFile(file.text).find(({ lastLine }) => lastLine === line);
  if (assignment) {
    const { name, value } = assignment;
    const words = value.split(/\s+/).filter((word) => word.length > 1);
    const isOutside = assignment.section === "" && OUTSIDE.test(complaint);
    const isThere = isOutside || complaint.includes(name) || words.some((word) => complaint.includes(word));
    return isThere ? { path, line: assignment.line, text: `${name}=${value}` } : undefined;
  }
  const text = (file.text.split(/\r\n|[\n\r]/)[line - 1] ?? "").trim();
  if (text === "") return undefined;
  const [, section] = /^\[(.*)\]$/.exec(text) ?? [];
  if (section !== undefined) return complaint.includes(`'${section}'`) ? { path, line, text } : undefined;
  return /^Missing|^Invalid section header/.test(complaint) || OUTSIDE.test(complaint)
    ? { path, line, text }
    : undefined;
}

/** The settings that this systemd knows, with their sections. It is asked only if it calls something unknown. */
function knownNames(complaints: readonly Complaint[]): { name: string; section: string }[] {
  if (!complaints.some(({ text }) => UNKNOWN_KEY.test(text))) return [];
  let section = "";
  return dumpItems()
    .split("\n")
    .flatMap((line) => {
      section = /^\[(\w+)\]$/.exec(line)?.[1] ?? section;
      const [, name] = /^(\w+)=/.exec(line) ?? [];
      return name === undefined ? [] : [{ name, section }];
    });
}

const UNKNOWN_KEY = /^Unknown key(?: name)? '(.+)' in section \[?'?(\w+)/;

/** systemd(1), --dump-configuration-items: asks the systemd that runs, or the one that is installed. */
function dumpItems(): string {
  for (const program of [programOfPidOne(), "/usr/lib/systemd/systemd", "/lib/systemd/systemd"]) {
    if (program === undefined || basename(program) !== "systemd") continue;
    try {
      const options = { stdin: "ignore", stderr: "ignore", timeout: 10_000 } as const;
      return Bun.spawnSync([program, "--dump-configuration-items"], options).stdout.toString();
    } catch {
      // It is not installed, or may not be executed.
    }
  }
  return "";
}

function programOfPidOne(): string | undefined {
  try {
    return readlinkSync("/proc/1/exe");
  } catch {
    return undefined;
  }
}

/** The setting of the same name in another section, or one of a similar name in the same section. */
function meantBy({ text }: Complaint, known: readonly { name: string; section: string }[]): Pick<Complaint, "meant"> {
  const [, key, section] = UNKNOWN_KEY.exec(text) ?? [];
  if (key === undefined) return {};
  const usual = known.filter((item) => ["Unit", "Service", "Socket", "Install"].includes(item.section));
  const here = usual.filter((item) => item.section === section);
  const lower = key.toLowerCase();
  const meant =
    usual.find(({ name }) => name === key) ??
    here.find(({ name }) => name.toLowerCase() === lower) ??
    here.find(({ name }) => isNear(name.toLowerCase(), lower)) ??
    // "TimeoutStart=", "NotifyAccesss=".
    here.find(({ name }) => [name, name.replace(/Sec$/, "")].some((one) => one.toLowerCase() === lower));
  return meant ? { meant } : {};
}

function gatherEnvironmentFiles(
  settings: readonly { path: string; optional: boolean }[],
  main: { pid: number; startedUsec: number; unset: readonly string[] },
): EnvironmentFile[] {
  const files = settings.flatMap(({ path, optional }) => match(path).map((path) => ({ path, optional })));
  const read = files.map(({ path, optional }) => ({ path, optional, ...lookAt(path) }));
  const environment = (main.pid > 0 ? readBytes(main.pid, "environ") : undefined) ?? "";
  // A title may have overwritten it: setproctitle(3).
  const isWhole = /^(?:[^=\0]+=[^\0]*\0)+$/.test(environment);
  const started = parseEnvironment(environment);
  // Of several files with the same variable, the last one counts.
  const wanted = new Map(read.flatMap(({ text }) => [...(text?.variables ?? [])]));
  return read.map(({ path, optional, found, text, changedMs }) => {
    const names = [...(text?.variables.keys() ?? [])];
    const isNewer = changedMs !== undefined && main.pid > 0 && changedMs > sinceEpochMs(main.startedUsec);
    const differ = names.filter((name) => {
      const value = wanted.get(name);
      return value !== undefined && value !== started.get(name) && !main.unset.includes(name);
    });
    return {
      path,
      optional,
      found,
      ofSystemd: VARIABLES.filter((name) => name !== "container" && names.includes(name)),
      invalid: text?.invalid ?? [],
      commented: text?.commented ?? [],
      changed: isNewer && isWhole ? differ : [],
    };
  });
}

/** The files that match a pattern, glob(7). If none does, the pattern itself. */
function match(pattern: string): string[] {
  if (!/[*?[]/.test(pattern)) return [pattern];
  const from = pattern.slice(0, pattern.slice(0, pattern.search(/[*?[]/)).lastIndexOf("/") + 1);
  try {
    const found = [
      ...new Bun.Glob(pattern.slice(from.length)).scanSync({ cwd: from, absolute: true, dot: false, onlyFiles: false }),
    ];
    return found.length > 0 ? found.sort() : [pattern];
  } catch {
    return [pattern];
  }
}

function lookAt(path: string): Pick<EnvironmentFile, "found"> & {
  text?: ReturnType<typeof parseEnvironmentFile>;
  changedMs?: number;
} {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return { found: "unreadable" };
    return { found: "file", changedMs: stat.mtimeMs, text: parseEnvironmentFile(readFileSync(path, "utf8")) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { found: code === "ENOENT" || code === "ENOTDIR" ? "nothing" : "unreadable" };
  }
}

function sinceEpochMs(usec: number): number {
  try {
    return Date.now() - (Number(monotonicUsec()) - usec) / 1000;
  } catch {
    // Without libc, treat nothing as newer.
    return Number.POSITIVE_INFINITY;
  }
}
