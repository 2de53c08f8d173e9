/** Asks the service manager about a unit, by systemctl(1). */

import type { UnitId } from "./cgroup.ts";
import { findProgram } from "./find-program.ts";

/**
 * Returns the command that prints these properties of a unit, each as a line `Name=value`; undefined if there is no
 * systemctl here.
 */
export function showCommand({ id, uid }: UnitId, properties: readonly string[]): string[] | undefined {
  const systemctl = findProgram("systemctl");
  if (systemctl === undefined) return undefined;
  // One -p for each property: for a list, systemctl uses its own order.
  const names = properties.flatMap((name) => ["-p", name]);
  return [systemctl, ...(uid === undefined ? [] : ["--user"]), "show", ...names, "--", id];
}
