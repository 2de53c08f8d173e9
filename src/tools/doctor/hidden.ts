/** Settings that keep a service from a path that is there: systemd.exec(5), "Sandboxing". Pure. */

import { inForce, lastOf } from "./assignments.ts";
import type { Unit } from "./facts.ts";
import { coverOf } from "./obstacles.ts";
import { bindPath } from "./unit-syntax.ts";

export interface Hider {
  /** "ProtectHome=yes" */
  setting: string;
  cure: string;
}

/** Why the service can't use a program or directory that is there; undefined if nothing is seen to be in the way. */
export function inTheWay(step: string, wrote: string, unit: Unit): { why: string; cure: string } | undefined {
  const { program, settings } = unit.life;
  const isForbidden = /Permission denied/.test(wrote);
  if (!isForbidden && !/No such file/.test(wrote)) return undefined;
  const isThere = program?.found === "file";
  const directory = settings.WorkingDirectory?.at(-1)?.replace(/^-/, "");
  const paths = step === "CHDIR" ? [directory] : step === "EXEC" && isThere ? [program.path, program.interpreter] : [];
  for (const path of paths) {
    const hider = path === undefined ? undefined : hiderOf(path, unit);
    if (hider) return { why: `${hider.setting} hides ${path} from it`, cure: hider.cure };
  }
  if (step !== "EXEC" || !isThere || !isForbidden) return undefined;
  const { path, closed } = program;
  const forbidden = noExecOf(path, unit);
  if (forbidden !== undefined) {
    const cure = `ExecPaths=${path}, and what else it executes or maps`;
    return { why: `NoExecPaths=${forbidden} forbids to execute ${path}`, cure };
  }
  if (closed === undefined || (unit.user === "" && !unit.dynamicUser)) return undefined;
  const user = unit.user === "" ? "the user of DynamicUser=" : `User=${unit.user}`;
  return {
    why: `not everybody may enter ${closed}, and ${user} has to`,
    cure: `ExecStart= with a program that is not in ${closed}, such as a copy in /usr/local/bin`,
  };
}

/** Returns the setting that hides a path from the service; undefined if none does. */
export function hiderOf(path: string, unit: Unit): Hider | undefined {
  const of = (name: string) => lastOf(unit.configuration, name)?.assignment.value ?? "";
  const [home, temporary] = [of("ProtectHome"), of("PrivateTmp")];
  if (isIn(path, HOMES) && (isYes(home) || home === "tmpfs")) {
    const cure = "ProtectHome=read-only, or ProtectHome=no, if it writes there";
    return { setting: `ProtectHome=${home}`, cure };
  }
  if (isIn(path, TEMPORARY)) {
    const bound = bindPath(path);
    const bind =
      "text" in bound ? `BindReadOnlyPaths=${bound.text}` : `a path that is not in ${TEMPORARY.join(" or ")}`;
    // DynamicUser= does not let PrivateTmp= be switched off.
    if (unit.dynamicUser) return { setting: "DynamicUser=yes", cure: bind };
    if (isYes(temporary) || temporary === "disconnected") {
      return { setting: `PrivateTmp=${temporary}`, cure: `${bind}, or PrivateTmp=no` };
    }
  }
  const cover = coverOf(path, unit);
  return cover === undefined
    ? undefined
    : { setting: `InaccessiblePaths=${cover}`, cure: `InaccessiblePaths= without ${cover}` };
}

/** The value of NoExecPaths= that covers a program which ExecPaths= does not name. */
export function noExecOf(path: string, { configuration }: Unit): string | undefined {
  const covering = (name: string) =>
    inForce(configuration)
      .filter(({ assignment }) => assignment.name === name)
      .flatMap(({ assignment }) => assignment.value.split(/[ \t]+/))
      .filter((one) => isIn(path, [one.replace(/^[-+]*/, "")]));
  const longest = (paths: readonly string[]) => Math.max(...paths.map((one) => one.length), 0);
  const [forbidden, allowed] = [covering("NoExecPaths"), covering("ExecPaths")];
  return longest(forbidden) > longest(allowed) ? forbidden.at(-1) : undefined;
}

// --- internal ---

/** What ProtectHome= hides. */
const HOMES = ["/home", "/root", "/run/user"];

/** What PrivateTmp= replaces. */
const TEMPORARY = ["/tmp", "/var/tmp"];

/** parse_boolean() of systemd's src/basic/parse-util.c. */
function isYes(value: string): boolean {
  return /^(1|yes|y|true|t|on)$/i.test(value);
}

function isIn(path: string, directories: readonly string[]): boolean {
  return directories.some((directory) => {
    const plain = directory.replace(/\/+$/, "");
    return directory !== "" && (path === plain || path.startsWith(`${plain}/`));
  });
}
