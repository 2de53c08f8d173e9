/** A unit file that has what is needed and no more. */

import { basename } from "node:path";
import { formatUsec } from "../../protocol/durations.ts";
import type { Facts, Process, Unit } from "./facts.ts";
import { type Cast, cast } from "./sender-checks.ts";
import { plainValue, quoteCommand, type Said, setting, shownCommand } from "./unit-syntax.ts";

/** Returns the text of a unit file that fits what was found. */
export function minimalUnit({ unit, process, self }: Facts): string {
  const known = unit && "value" in unit && unit.value.loadState === "loaded" ? unit.value : undefined;
  // The doctor is not what a unit should start.
  const named = !self && process && "value" in process ? process.value : undefined;
  const { main = named, launcher, workers } = known ? cast(known) : NOBODY;
  const [worker, ...others] = workers;
  // A process that a launcher starts is not the main process, neither for NotifyAccess= nor for the watchdog.
  const behind = others.length === 0 && worker?.isBun ? worker : undefined;
  const program = behind ?? main;
  const reloads =
    known?.type === "notify-reload" && ((program?.caught ?? 0n) >> BigInt(known.reloadSignal - 1)) & 1n
      ? "-reload"
      : "";
  const service = [`Type=notify${reloads}`];
  if (behind) service.push(`# Without ${launcher}, which was the main process.`);
  else if (launcher !== undefined) service.push("NotifyAccess=all");
  service.push(...startCommands(behind ? undefined : known, program).map((command) => setting("ExecStart", command)));
  service.push(...settings(known, behind), "Restart=on-failure");
  return [
    "[Unit]",
    setting("Description", plainValue(known?.description || main?.name || "A server")),
    "",
    "[Service]",
    ...service,
    "",
    "[Install]",
    `WantedBy=${known?.manager === "user" ? "default.target" : "multi-user.target"}`,
    "",
  ].join("\n");
}

// --- internal ---

const NOBODY: Cast = { main: undefined, launcher: undefined, workers: [] };

function startCommands(unit: Unit | undefined, main: Process | undefined): readonly Said[] {
  if (unit?.execStart && unit.execStart.length > 0) return unit.execStart.map(shownCommand);
  const command = main?.command ?? [];
  const [first = "", ...args] = command;
  if (first.startsWith("/")) return [quoteCommand(first, command)];
  if (main?.program === undefined) return [{ text: "/usr/local/bin/bun /path/to/server.ts" }];
  // The name that it was called by matters if that is another name, as with busybox.
  // A title such as "nginx: master" is not a name.
  const isName = /^-?[\w.+-]+$/.test(first) && first.replace(/^-/, "") !== basename(main.program);
  return [quoteCommand(main.program, isName ? command : [main.program, ...args])];
}

function settings(unit: Unit | undefined, behind: Process | undefined): string[] {
  if (!unit) return [];
  const directory = behind?.directory === "/" ? "" : behind?.directory;
  const values = {
    DynamicUser: unit.dynamicUser ? "yes" : "",
    // systemctl shows the name of a dynamic user too.
    User: unit.dynamicUser ? "" : unit.user,
    Group: unit.dynamicUser ? "" : unit.group,
    // systemctl prints "!" for the "-" of a directory that may be missing.
    WorkingDirectory: unit.workingDirectory.replace(/^!/, "-") || (directory ?? ""),
    WatchdogSec: unit.watchdogUsec === 0 ? "" : formatUsec(unit.watchdogUsec).replaceAll(/(\d) /g, "$1"),
    FileDescriptorStoreMax: unit.fdStoreMax === 0 ? "" : `${unit.fdStoreMax}`,
  };
  return Object.entries(values).flatMap(([name, value]) => (value === "" ? [] : [setting(name, plainValue(value))]));
}
