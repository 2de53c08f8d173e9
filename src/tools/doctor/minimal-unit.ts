/** A unit file that has what is needed, and no more. */

import { formatUsec } from "../../verdict/units.ts";
import type { Facts, Process, Unit } from "./facts.ts";
import { launcherName, looksAfter } from "./sender-checks.ts";

/** Returns the text of a unit file that fits what was found. */
export function minimalUnit({ unit, process, self }: Facts): string {
  const known = unit && "value" in unit && unit.value.loadState === "loaded" ? unit.value : undefined;
  // The doctor is not what a unit should start.
  const named = !self && process && "value" in process ? process.value : undefined;
  const senders = known ? looksAfter(known) : named ? [named] : [];
  const main = known ? senders.find(({ pid }) => pid === known.mainPid) : named;
  const launched = main !== undefined && launcherName(main) !== undefined;
  // A launcher's children send, and are not the main process.
  const wrapped = senders.length > 1 || launched;
  const signal = BigInt((known?.reloadSignal ?? 1) - 1);
  const reloads = (known?.version ?? 0) >= 253 && !launched && ((main?.caught ?? 0n) >> signal) & 1n;
  const service: [string, string][] = [["Type", reloads ? "notify-reload" : "notify"]];
  if (wrapped) service.push(["NotifyAccess", "all"]);
  for (const line of startLines(known, main)) service.push(["ExecStart", line]);
  for (const [name, value] of settings(known)) if (value !== "") service.push([name, value]);
  service.push(["Restart", "on-failure"]);
  return [
    "[Unit]",
    `Description=${(known?.description || main?.name) ?? "A server"}`,
    "",
    "[Service]",
    ...service.map(([name, value]) => `${name}=${value}`),
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

function startLines(unit: Unit | undefined, main: Process | undefined): readonly string[] {
  if (unit?.execStart && unit.execStart.length > 0) return unit.execStart;
  const [first = "", ...args] = main?.command ?? [];
  const program = first.startsWith("/") ? first : main?.program;
  if (program === undefined) return ["/usr/local/bin/bun /path/to/server.ts"];
  return [[program, ...args].map(quote).join(" ")];
}

function settings(unit: Unit | undefined): [string, string][] {
  if (!unit) return [];
  return [
    ["User", unit.user],
    ["Group", unit.group],
    ["WorkingDirectory", unit.workingDirectory],
    ["WatchdogSec", unit.watchdogUsec === 0 ? "" : formatUsec(unit.watchdogUsec).replaceAll(/(\d) /g, "$1")],
    ["FileDescriptorStoreMax", unit.fdStoreMax === 0 ? "" : `${unit.fdStoreMax}`],
  ];
}
