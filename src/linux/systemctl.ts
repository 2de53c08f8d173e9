/** Asking the service manager about a unit by systemctl(1). */

import type { UnitId } from "./cgroup.ts";
import { findProgram } from "./find-program.ts";

/**
 * Returns the command that prints these properties of a unit, a `Name=value` line each; undefined when there
 * is no systemctl here.
 */
export function showCommand({ id, uid }: UnitId, properties: readonly string[]): string[] | undefined {
  const systemctl = findProgram("systemctl");
  if (systemctl === undefined) return undefined;
  // One -p for each: with a list, systemctl has an order of its own.
  const names = properties.flatMap((name) => ["-p", name]);
  return [systemctl, ...(uid === undefined ? [] : ["--user"]), "show", ...names, "--", id];
}
