/** What the state of a unit says about its messages. Pure. */

import type { Process, Unit } from "./facts.ts";

export function isNotify({ type }: Pick<Unit, "type">): boolean {
  return type.startsWith("notify");
}

/** Whether the manager takes messages from it at all. If not, something that blocks them is not a fault. */
export function listens({ notifyAccess }: Pick<Unit, "notifyAccess">): boolean {
  return notifyAccess !== "none";
}

/** Whether READY=1 has arrived. If so, nothing blocked it. */
export function hasSpoken(unit: Unit): boolean {
  return isNotify(unit) && (unit.activeState === "active" || unit.activeState === "reloading");
}

/** Whether it waits, or has waited, for READY=1. Only then can something that blocks READY=1 be the cause. */
export function isWaiting(unit: Unit): boolean {
  return isNotify(unit) && !hasSpoken(unit);
}

/** The processes of a unit that a signal, or a debugger, has stopped: proc_pid_stat(5). */
export function stoppedOf({ processes }: Unit): Process[] {
  return "value" in processes ? processes.value.filter(({ state }) => state === "T" || state === "t") : [];
}
