/** Checks of a unit's files: whether systemd has read them, and whether it accepts what they say. */

import { isNear } from "../../protocol/near.ts";
import { shorten } from "../../protocol/shorten.ts";
import { inForce, lastOf } from "./assignments.ts";
import { type Complaint, type Configuration, OUTSIDE } from "./configuration-facts.ts";
import type { Check, Unit } from "./facts.ts";
import { parseSpan } from "./parse.ts";
import { shellWord } from "./shell-word.ts";
import { isInTrouble } from "./trouble.ts";
import { inlineComment } from "./unit-file.ts";

/** Whether systemd has read the files as they are now. */
export function checkReloadNeeded(unit: Unit): Check[] {
  const { configuration, manager, id } = unit;
  if (!configuration.needsReload) return [];
  const systemctl = manager === "user" ? "systemctl --user" : "systemctl";
  const changed = changes(unit);
  const what = `the files of ${id} have changed since systemd read them`;
  const why =
    changed.length === 0
      ? "it still goes by what they said before"
      : `${changed.map(({ file, loaded }) => `the file says ${file}, systemd still has ${loaded}`).join("; ")}`;
  const result = changed.length > 0 || isInTrouble(unit) ? "failed" : "note";
  const cure = `${systemctl} daemon-reload, then ${systemctl} restart ${shellWord(id)}`;
  return [{ name: "daemon-reload", result, what, why, cure }];
}

/** What systemd says it ignores, and why it refuses to load the unit. */
export function checkComplaints(unit: Unit): Check[] {
  const { complaints } = unit.configuration;
  const outside = complaints.find(({ text }) => OUTSIDE.test(text));
  return complaints.flatMap((complaint): Check[] => {
    const { text, place } = complaint;
    // One line without a section is told for all of them.
    if (OUTSIDE.test(text) && complaint !== outside) return [];
    // Complaints from before the unit was corrected don't count.
    if (!place) return unit.loadState === "loaded" ? [] : [refused(unit, text)];
    // The check of comments reports this.
    if (isCommented(unit.configuration, place.path, place.line)) return [];
    const name = /^(\w+)=/.exec(place.text)?.[1] ?? "";
    const known = complaint.meant?.name ?? name;
    // A setting that resembles none that this systemd knows is meant for another version.
    const isForeign = /^Unknown key/.test(text) && !complaint.meant;
    const result = !isForeign && (isInTrouble(unit) || RELEVANT.has(known)) ? "failed" : "note";
    const isUnknown = /^Unknown key/.test(text);
    // A lost continuation line of Environment= is an assignment of its own.
    const isHidden = isSecret(name) || isSecret(known) || (isForeign && /^[A-Z0-9_]+$/.test(name));
    const shown = isHidden ? `${name}=…` : shorten(place.text, MAX_SHOWN);
    const { why, cure } =
      isHidden && !isUnknown
        ? { why: "systemd can't read part of it, and ignores that", cure: `${name}="NAME=value" with quotes` }
        : explain(complaint, isHidden ? shown : place.text);
    return [
      {
        name: "ignored",
        result,
        what: `${shown}, line ${place.line} of ${place.path}`,
        why,
        ...(cure !== undefined && { cure }),
      },
    ];
  });
}

/** Whether what systemd wrote about the files says why it has not loaded the unit. */
export function isExplained({ loadState, configuration }: Unit): boolean {
  const { complaints } = configuration;
  return (
    loadState === "bad-setting" && complaints.some(({ text, place }) => !place || !/ignoring|^Unknown/i.test(text))
  );
}

/** A comment after a value is part of the value. */
export function checkComments(unit: Unit): Check[] {
  const found = inForce(unit.configuration).flatMap(({ path, assignment }) => {
    const { name, value, line } = assignment;
    const comment = inlineComment(name, value);
    return comment ? [{ path, line, name, ...comment }] : [];
  });
  return found.map(({ path, line, name, value, comment }): Check => {
    const isIgnored = unit.configuration.complaints.some(({ place }) => place?.path === path && place.line === line);
    const result = isInTrouble(unit) || (isIgnored && RELEVANT.has(name)) ? "failed" : "note";
    const effect = isIgnored
      ? "systemd can't read it so, and ignores the line"
      : /^Exec/.test(name)
        ? "the program gets it as arguments"
        : "it is part of the value";
    const why = `${shorten(comment, MAX_SHOWN)} is no comment, because that needs a line of its own: ${effect}`;
    const shown = isSecret(name) ? "…" : shorten(value, MAX_SHOWN);
    const what = `${name}=${shown} ${shorten(comment, MAX_SHOWN)}, line ${line} of ${path}`;
    const cure = isSecret(name) ? `put ${shorten(comment, MAX_SHOWN)} on a line of its own` : `${name}=${value}`;
    return { name: "comment", result, what, why, cure };
  });
}

/**
 * Adds to the reason of a failed check where its settings come from. A drop-in may have overridden the unit file.
 */
export function nameDropIns(checks: readonly Check[], { configuration }: Unit): Check[] {
  const told = new Set<string>();
  return checks.map((check) => {
    // The check of drop-ins has named the place.
    if (check.result !== "failed" || check.name === "drop-in") return check;
    // The reason is not searched: it may only say how the unit was found.
    const said = `${check.what} ${check.cure ?? ""}`;
    const places = [...new Set([...said.matchAll(/\b([A-Z][A-Za-z]+)=/g)].map(([, name = ""]) => name))]
      .filter((name) => !told.has(name))
      .flatMap((name) => {
        const from = originOf(configuration, name);
        if (from === undefined) return [];
        told.add(name);
        return [from];
      });
    return places.length === 0 ? check : { ...check, why: [check.why, ...places].filter(Boolean).join("; ") };
  });
}

/** A drop-in that keeps a unit from being told of the socket, although the unit's own file asks for it. */
export function checkDropIn({ configuration, type }: Unit): Check[] {
  const [unitFile] = configuration.files;
  const last = lastOf(configuration, "Type");
  const own = unitFile?.assignments.findLast(({ section, name }) => section === "Service" && name === "Type");
  if (!last || !own || !unitFile || last.path === unitFile.path || last.assignment.value !== type) return [];
  if (!own.value.startsWith("notify") || type.startsWith("notify")) return [];
  const what = `Type=${type}, line ${last.assignment.line} of the drop-in ${last.path}`;
  const why = `${unitFile.path} says Type=${own.value}, and the drop-in has the last word`;
  return [{ name: "drop-in", result: "failed", what, why, cure: `Type=${own.value}` }];
}

// --- internal ---

/** Settings that decide what becomes of messages. A mistake in one matters in an active unit too. */
const RELEVANT = new Set([
  ..."Type NotifyAccess WatchdogSec FileDescriptorStoreMax BusName PIDFile OpenFile ReloadSignal".split(" "),
]);

/** What a report must not contain, because somebody may pass it on. */
const SECRET = /^(Environment|SetCredential\w*)$/;

const SECRETS = ["environment", "setcredential", "setcredentialencrypted"];

/** A misspelled name counts too. */
function isSecret(name: string): boolean {
  const lower = name.toLowerCase();
  return SECRET.test(name) || SECRETS.some((one) => one === lower || isNear(one, lower));
}

/** How much of a line is quoted. */
const MAX_SHOWN = 80;

/** Values of systemd.service(5). */
const VALUES: Record<string, readonly string[]> = {
  Type: "simple exec forking oneshot dbus notify notify-reload idle".split(" "),
  NotifyAccess: "none main exec all".split(" "),
  Restart: "no always on-success on-failure on-abnormal on-abort on-watchdog".split(" "),
  KillMode: "control-group process mixed none".split(" "),
};

/** What the files say now, if systemd has something else. */
function changes({ configuration, type, notifyAccess, watchdogUsec, user, group }: Unit) {
  const said = (name: string) => lastOf(configuration, name)?.assignment.value;
  const [fileType, access, watchdog] = [said("Type"), said("NotifyAccess"), said("WatchdogSec")];
  const found: { file: string; loaded: string }[] = [];
  const add = (name: string, file: string | undefined, loaded: string) => {
    if (file !== undefined && file !== loaded) found.push({ file: `${name}=${file}`, loaded: `${name}=${loaded}` });
  };
  add(
    "Type",
    VALUES.Type?.find((value) => value === fileType),
    type,
  );
  add(
    "NotifyAccess",
    VALUES.NotifyAccess?.find((value) => value === access),
    notifyAccess,
  );
  const span = watchdog === undefined ? undefined : parseSpan(/^\d+$/.test(watchdog) ? `${watchdog}s` : watchdog);
  if (span !== undefined && span !== watchdogUsec) {
    found.push({ file: `WatchdogSec=${watchdog}`, loaded: `WatchdogSec=${watchdogUsec / 1e6}` });
  }
  // systemd shows a value with its specifiers expanded.
  for (const [name, loaded] of [
    ["User", user],
    ["Group", group],
  ] as const) {
    const file = said(name);
    if (file !== undefined && !file.includes("%")) add(name, file, loaded);
  }
  return found;
}

/** "the drop-in /x.conf says Type=simple, over Type=notify of /x.service"; undefined if no drop-in did it. */
function originOf(configuration: Configuration, name: string): string | undefined {
  const [unitFile] = configuration.files;
  const last = lastOf(configuration, name);
  if (!last || !unitFile || last.path === unitFile.path) return undefined;
  const before = configuration.files
    .flatMap(({ path, assignments }) => assignments.map((assignment) => ({ path, assignment })))
    .findLast(({ path, assignment }) => assignment.name === name && assignment.value !== "" && path !== last.path);
  const { value, line } = last.assignment;
  const shown = (text: string) => (isSecret(name) ? "…" : text);
  const over = before ? `, and ${before.path} says ${name}=${shown(before.assignment.value)}` : "";
  return `the drop-in ${last.path} says ${name}=${shown(value)} in line ${line}${over}`;
}

function isCommented(configuration: Configuration, path: string, line: number): boolean {
  return configuration.files.some(
    (file) =>
      file.path === path &&
      file.assignments.some((one) => one.line === line && inlineComment(one.name, one.value) !== undefined),
  );
}

function explain({ text, meant }: Complaint, line: string): { why: string; cure?: string | undefined } {
  const [, name = "", value = ""] = /^(\w+)=(.*)$/s.exec(line) ?? [];
  if (/^Unknown key/.test(text)) {
    const why = "systemd knows no such setting in this section, and ignores the line";
    return { why, cure: meant && `${meant.name}=${value}${sectionOf(text, meant.section)}` };
  }
  const [, header] = /^Unknown section '(.*?)'/.exec(text) ?? [];
  if (header !== undefined) {
    const near = ["Unit", "Service", "Install", "Socket", "Timer", "Path"].find(
      (known) => known.toLowerCase() === header.toLowerCase() || isNear(known, header),
    );
    return {
      why: "systemd knows no such section, and ignores all of it",
      cure: near === undefined ? undefined : `[${near}]`,
    };
  }
  if (/^Missing '='/.test(text)) {
    return {
      why: "it is no assignment, and systemd ignores the line",
      cure: "a backslash at the end of the line before",
    };
  }
  if (OUTSIDE.test(text)) {
    return {
      why: "it stands above the first section of the file, and systemd ignores such lines",
      cure: "[Service], or the section that it belongs to, above it",
    };
  }
  if (name === "") return { why: `systemd says: ${text}` };
  if (/^Neither a valid executable name nor an absolute path/.test(text))
    return { why: `systemd says: ${text}`, cure: absolute(name, value) };
  const near = nearValue(name, value);
  const isIgnored = /ignoring/i.test(text);
  const why = isIgnored ? `systemd can't read this value, and ignores the line: ${text}` : `systemd says: ${text}`;
  return { why, cure: near === undefined ? undefined : `${name}=${near}` };
}

/** A program without its directory is looked up in systemd's own path; anything else has to be absolute. */
function absolute(name: string, value: string): string {
  const cure = `${name}= with the absolute path of the program`;
  const [, expanded] = /^[-:+!|@]*["']?(~|\$\{?\w+\}?)/.exec(value) ?? [];
  return expanded === undefined ? cure : `${cure}: systemd puts nothing in place of ${expanded} there`;
}

function sectionOf(text: string, section: string): string {
  return new RegExp(`section \\[?'?${section}\\b`).test(text) ? "" : `, in the section [${section}]`;
}

/** A value that may be what was meant: one of a list, or a time. */
function nearValue(name: string, value: string): string | undefined {
  const bare = value
    .replace(/^(["'])(.*)\1$/, "$2")
    .replace(/[;,.]$/, "")
    .trim();
  const known = VALUES[name]?.find((one) => one === bare.toLowerCase() || isNear(one, bare.toLowerCase()));
  if (known !== undefined) return known;
  const [, number, unit = ""] = /Sec$/.test(name) ? (/^(\d+)\s*(ms|us|min|[smhdw])?/i.exec(bare) ?? []) : [];
  return number === undefined ? undefined : `${number}${unit.toLowerCase() === "m" ? "min" : unit.toLowerCase()}`;
}

/** Why the unit was not loaded: service_verify() of systemd's src/core/service.c. */
function refused(unit: Unit, text: string): Check {
  const why = text.replace(/\s*Refusing\.$/, "");
  const dropIn = originOf(unit.configuration, "ExecStart");
  const [, cure] = REFUSALS.find(([pattern]) => pattern.test(text)) ?? [];
  const reload = `systemctl${unit.manager === "user" ? " --user" : ""} daemon-reload`;
  return {
    name: "refused",
    result: "failed",
    what: `systemd refuses to load ${unit.id}`,
    why: dropIn === undefined || !/ExecStart=/.test(text) ? why : `${why} ${dropIn}`,
    cure: `${cure ?? "the line that systemd names"}, then ${reload}`,
  };
}

/** Words of service_verify(), and what helps. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/more than one ExecStart=/, "a line ExecStart= with nothing behind it, before the one that is to count"],
  [/no ExecStart=|lacks both ExecStart=/, "ExecStart= with the absolute path of a program, in the section [Service]"],
  [/type D-Bus but no D-Bus/, "Type=exec, or BusName= with the name that it owns on the bus"],
  [/Restart= (?:setting )?set to/, "Restart=on-failure, or Type=exec"],
];
