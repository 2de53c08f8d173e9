/** Gathers what a unit waits for, or needs, of other units. */

import { ask, type Manager } from "./ask.ts";
import type { Job, Need } from "./facts.ts";
import { parseJobs, parseShow, parseWords } from "./parse.ts";

/** The job of the unit that is under way, if any. */
export async function gatherJob(
  manager: Manager,
  { Id, Job: id }: { Id: string; Job: string },
): Promise<Job | undefined> {
  if (id === "" || id === "0") return undefined;
  const listed = await ask(manager, "systemctl", "list-jobs", "--before", "--full");
  const jobs = parseJobs("value" in listed ? listed.value : "");
  const own = jobs.find(({ unit }) => unit === Id);
  if (own === undefined) return undefined;
  const { type, state } = own;
  if (state === "running") return { type, state, waitsFor: [] };
  // In the end it waits for the jobs that are running.
  const seen = new Set<string>();
  const ends: string[] = [];
  const queue = [...own.waitsFor];
  for (let unit = queue.shift(); unit !== undefined; unit = queue.shift()) {
    if (seen.has(unit)) continue;
    seen.add(unit);
    const next = jobs.find((job) => job.unit === unit);
    if (next?.state === "waiting" && next.waitsFor.length > 0) queue.push(...next.waitsFor);
    else ends.push(unit);
  }
  return {
    type,
    state,
    waitsFor: await askAbout(
      manager,
      ends.map((unit) => [unit, "After"]),
    ),
  };
}

/** Other units matter only if this one does not run. */
export async function gatherNeeds(
  manager: Manager,
  show: Record<"ActiveState" | (typeof NEEDS)[number], string>,
): Promise<Need[]> {
  if (show.ActiveState !== "inactive" && show.ActiveState !== "failed") return [];
  const names = NEEDS.flatMap((by) => parseWords(show[by]).map((unit): [string, string] => [unit, by]));
  return await askAbout(manager, names);
}

// --- internal ---

const NEEDS = ["Requires", "Requisite", "BindsTo"] as const;

/** More than any unit needs: each is asked about. */
const MAX_NEEDS = 200;

async function askAbout(manager: Manager, names: readonly [unit: string, by: string][]): Promise<Need[]> {
  if (names.length === 0) return [];
  const some = names.slice(0, MAX_NEEDS);
  const properties = ["Id", "LoadState", "ActiveState", "SubState", "Type", "Result"] as const;
  const shown = await ask(
    manager,
    "systemctl",
    "show",
    `--property=${properties.join()}`,
    "--",
    ...some.map(([unit]) => unit),
  );
  if ("unknown" in shown) return [];
  const units = shown.value.split("\n\n").map((text) => parseShow(text, properties));
  return units.flatMap((unit, i) => {
    const [name = "", by = ""] = some[i] ?? [];
    if (name === "") return [];
    const { Id = name, LoadState = "", ActiveState = "", SubState = "", Type = "", Result = "" } = unit;
    return [
      { id: Id, by, loadState: LoadState, activeState: ActiveState, subState: SubState, type: Type, result: Result },
    ];
  });
}
