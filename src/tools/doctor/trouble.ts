import type { Unit } from "./facts.ts";

/** Whether something keeps the unit from running. Then a finding that is only a note otherwise may be the cause. */
export function isInTrouble({ activeState, loadState, result }: Unit): boolean {
  if (loadState !== "loaded") return true;
  if (activeState === "inactive") return result !== "success";
  return activeState !== "active" && activeState !== "reloading";
}
