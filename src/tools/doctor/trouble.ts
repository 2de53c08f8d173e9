import type { Unit } from "./facts.ts";

/** Whether something keeps the unit from running: what is a note of one that runs may be the cause then. */
export function isInTrouble({ activeState, loadState, result }: Unit): boolean {
  if (loadState !== "loaded") return true;
  if (activeState === "inactive") return result !== "success";
  return activeState !== "active" && activeState !== "reloading";
}
