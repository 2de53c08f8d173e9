/** Which unit a process belongs to: systemd has a cgroup for each unit. */

import { readText } from "./proc.ts";

/** Returns the unit of this process; undefined if it has none of these types. */
export function ownUnit(types?: readonly string[]): UnitId | undefined {
  return unitOfCgroup(parseCgroup(readText("self", "cgroup") ?? ""), types);
}

/** Returns the cgroup that systemd uses: the one of cgroup2, or of the hierarchy "systemd" in version 1. */
export function parseCgroup(text: string): string {
  // With the flag m, "^" and "$" would also match at a carriage return, which a cgroup's name may contain.
  const lines = text.split("\n");
  const pathAfter = (start: RegExp) => lines.find((line) => start.test(line))?.replace(start, "");
  const version1 = pathAfter(/^\d+:name=systemd:/);
  const version2 = pathAfter(/^0::/);
  return [version2, version1].find((path) => path !== undefined && path !== "/") ?? version2 ?? version1 ?? "";
}

/** A unit, and the user whose manager runs it. Without `uid`, the system's manager runs it. */
export interface UnitId {
  id: string;
  uid?: number;
}

/** Returns the unit whose cgroup it is; undefined if it has none of these types. */
export function unitOfCgroup(cgroup: string, types: readonly string[] = ["service"]): UnitId | undefined {
  const [, uid, rest = ""] = /\/user@(\d+)\.service\/(.+)$/.exec(cgroup) ?? [];
  const parts = (uid === undefined ? cgroup : rest).split("/");
  // Anybody who may make cgroups may name one "$(reboot).service". No unit has such a name, systemd.unit(5).
  const isUnit = (part: string) => /^[\w:.\\@-]+$/.test(part) && types.some((type) => part.endsWith(`.${type}`));
  const id = parts.find(isUnit);
  return id === undefined ? undefined : { id, ...(uid !== undefined && { uid: Number(uid) }) };
}
