/** A unit file that has what is needed, and no more. */

import { formatUsec } from "../../protocol/durations.ts";
import type { Facts, Process, Unit } from "./facts.ts";
import { type Cast, cast } from "./sender-checks.ts";

/** Returns the text of a unit file that fits what was found. */
export function minimalUnit({ unit, process, self }: Facts): string {
  const known = unit && "value" in unit && unit.value.loadState === "loaded" ? unit.value : undefined;
  // The doctor is not what a unit should start.
  const named = !self && process && "value" in process ? process.value : undefined;
  const { main = named, launcher, workers } = known ? cast(known) : NOBODY;
  const [worker, ...others] = workers;
  // What a launcher starts is not the main process: neither for NotifyAccess= nor for the watchdog.
  const behind = others.length === 0 && worker?.isBun ? worker : undefined;
  const program = behind ?? main;
  const reloads =
    known?.type === "notify-reload" && ((program?.caught ?? 0n) >> BigInt(known.reloadSignal - 1)) & 1n
      ? "-reload"
      : "";
  const service = [`Type=notify${reloads}`];
  if (behind) service.push(`# Without ${launcher}, which was the main process.`);
  else if (launcher !== undefined) service.push("NotifyAccess=all");
  service.push(...startLines(behind ? undefined : known, program).map((line) => `ExecStart=${line}`));
  service.push(...settings(known, behind), "Restart=on-failure");
  return [
    "[Unit]",
    `Description=${(known?.description || main?.name) ?? "A server"}`,
    "",
    "[Service]",
    ...service,
    "",
    "[Install]",
    `WantedBy=${known?.manager === "user" ? "default.target" : "multi-user.target"}`,
    "",
  ].join("\n");
}

/** Quotes an argument of ExecStart=: systemd.service(5), "Command lines", and systemd.syntax(7), "Quoting". */
export function quote(arg: string): string {
  const escaped = arg
    .replaceAll("\\", "\\\\")
    .replaceAll("%", "%%")
    .replaceAll("$", "$$$$")
    .replaceAll('"', '\\"')
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t");
  return arg === "" || arg === ";" || /[\s'"\\;]/.test(arg) ? `"${escaped}"` : escaped;
}

// --- internal ---

const NOBODY: Cast = { main: undefined, launcher: undefined, workers: [] };

function startLines(unit: Unit | undefined, main: Process | undefined): readonly string[] {
  if (unit?.execStart && unit.execStart.length > 0) return unit.execStart;
  const [first = "", ...args] = main?.command ?? [];
  const program = first.startsWith("/") ? first : main?.program;
  if (program === undefined) return ["/usr/local/bin/bun /path/to/server.ts"];
  return [[program, ...args].map(quote).join(" ")];
}

function settings(unit: Unit | undefined, behind: Process | undefined): string[] {
  if (!unit) return [];
  const directory = behind?.directory === "/" ? "" : behind?.directory;
  const values = {
    User: unit.user,
    Group: unit.group,
    WorkingDirectory: unit.workingDirectory || (directory ?? ""),
    WatchdogSec: unit.watchdogUsec === 0 ? "" : formatUsec(unit.watchdogUsec).replaceAll(/(\d) /g, "$1"),
    FileDescriptorStoreMax: unit.fdStoreMax === 0 ? "" : `${unit.fdStoreMax}`,
  };
  return Object.entries(values).flatMap(([name, value]) => (value === "" ? [] : [`${name}=${value}`]));
}
