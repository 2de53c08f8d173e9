/** Reads what systemctl and /proc print. */

import { parseUnitFile } from "./unit-file.ts";

/**
 * Reads `systemctl show`. A value may have several lines, so only a property that was asked for begins a new one.
 * A property that is shown several times, such as a list of commands, becomes one value.
 */
export function parseShow<Name extends string>(text: string, names: readonly Name[]): Partial<Record<Name, string>> {
  const values: Partial<Record<Name, string>> = {};
  let last: Name | undefined;
  for (const line of text.replace(/\n$/, "").split("\n")) {
    const equals = line.indexOf("=");
    const inCommand =
      last !== undefined && /^\{ path=/.test(commandOf(values[last])) && !COMMAND_END.test(values[last] ?? "");
    const name = equals === -1 || inCommand ? undefined : names.find((name) => name === line.slice(0, equals));
    if (name !== undefined) {
      const value = line.slice(equals + 1);
      values[name] = values[name] === undefined ? value : `${values[name]}\n${value}`;
    } else if (last !== undefined) values[last] += `\n${line}`;
    last = name ?? last;
  }
  return values;
}

/**
 * Reads a time as systemd prints it, "1min 30s", as microseconds. Returns undefined for "infinity" and for text that
 * is not a time.
 */
export function parseSpan(text: string): number | undefined {
  let usec = 0;
  for (const [, number = "", unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)([a-z]*)/g)) {
    usec += Number(number) * (SPANS.get(unit) ?? 1);
  }
  return /\d/.test(text) && Number.isFinite(usec) ? usec : undefined;
}

/** The lines of /proc/PID/status, by name. A value may be empty: "Groups:" of a process without any. */
export function parseStatus(text: string): Record<string, string> {
  const values: [name: string, value: string][] = [];
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) values.push([line.slice(0, colon), line.slice(colon + 1).trim()]);
  }
  return Object.fromEntries(values);
}

/** A list of units, as `systemctl show` prints it. */
export function parseWords(text: string): string[] {
  return text.split(" ").filter(Boolean);
}

/** The values of a setting in a unit's files, as systemctl cat prints them. An empty one takes back those before. */
export function parseSetting(text: string, name: string): string[] {
  const values: string[] = [];
  for (const assignment of parseUnitFile(text)) {
    if (assignment.section !== "Service" || assignment.name !== name) continue;
    if (assignment.value === "") values.length = 0;
    else values.push(assignment.value);
  }
  return values;
}

/** Reads `systemctl list-jobs --before`: jobs, each followed by those that it waits for. */
export function parseJobs(text: string): ListedJob[] {
  const jobs: ListedJob[] = [];
  for (const line of text.split("\n")) {
    const [, unit, type = "", state] = /^\s*\d+\s+(\S+)\s+(\S+)\s+(waiting|running)\s*$/.exec(line) ?? [];
    if (unit !== undefined) jobs.push({ unit, type, state: state === "running" ? "running" : "waiting", waitsFor: [] });
    const [, before] = /waiting for job \d+ \((.+)\/[\w-]+\)/.exec(line) ?? [];
    if (before !== undefined) jobs.at(-1)?.waitsFor.push(before);
  }
  return jobs;
}

export interface ListedJob {
  unit: string;
  type: string;
  state: "waiting" | "running";
  waitsFor: string[];
}

/** Reads a line of JSON; undefined if it is not an object. */
export function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The lines of a unit's files that say when it is not started: Condition…= and Assert…=. */
export function parseConditions(text: string): string[] {
  return text.split("\n").flatMap((line) => (/^\s*(?:Condition|Assert)\w+\s*=/.test(line) ? [line.trim()] : []));
}

// --- internal ---

/** The last of a list of commands. Its arguments may contain newlines, followed by anything. */
function commandOf(shown = ""): string {
  return shown.slice(shown.lastIndexOf("\n{ path=") + 1);
}

const COMMAND_END = / ; status=\d+(?:\/\S*)? \}$/;

/** systemd.time(7), in microseconds. */
const SPANS = new Map([
  ["us", 1],
  ["ms", 1e3],
  ["s", 1e6],
  ["min", 60e6],
  ["h", 3600e6],
  ["d", 86400e6],
  ["w", 7 * 86400e6],
  ["month", 2629800e6],
  ["y", 31557600e6],
]);
