/** What became of each unit that the doctor was shown: written by the tests, printed by the suite. */

import { appendFileSync, existsSync, readFileSync } from "node:fs";

export interface Score {
  kind: "broken" | "healthy";
  title: string;
  /** "systemd 262" */
  manager: string;
  /** Broken: the doctor names the cause. Healthy: it raises no alarm. */
  right: boolean;
  /** The cause stands in the summary, which is the first line. */
  first?: boolean;
  /** The unit becomes active when the cure has been applied; undefined: no cure can be tried, and why. */
  cured?: boolean | undefined;
  incurable?: string | undefined;
}

/** The file for the scores, in the environment of the tests. */
export const SCORES = "SD_NOTIFY_TEST_SCORES";

export function record(score: Score): void {
  const file = process.env[SCORES];
  if (file) appendFileSync(file, `${JSON.stringify(score)}\n`);
}

/** Returns both tables and a line of scores for each; undefined if no unit was shown to the doctor. */
export function formatScores(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const scores: Score[] = readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const managers = [...new Set(scores.map(({ manager }) => manager))].sort();
  const parts: string[] = [];
  for (const kind of ["broken", "healthy"] as const) {
    const rows = Map.groupBy(
      scores.filter((score) => score.kind === kind),
      ({ title }) => title,
    );
    if (rows.size === 0) continue;
    const lines = [...rows].map(([title, row]) => {
      const cells = managers.map((manager) => cell(row.find((score) => score.manager === manager)));
      const [reason] = row.flatMap(({ incurable }) => incurable ?? []);
      return `${cells.map((text) => text.padEnd(WIDTH)).join("  ")}  ${title}${reason ? ` (not cured: ${reason})` : ""}`;
    });
    const all = [...rows.values()];
    const count = (pick: (score: Score) => boolean | undefined) => all.filter((row) => row.every(pick)).length;
    const curable = all.filter((row) => row.some(({ incurable }) => incurable === undefined)).length;
    const heading = `${managers.map((manager) => manager.padEnd(WIDTH)).join("  ")}  ${kind} unit`;
    const sum =
      kind === "broken"
        ? `broken: ${count(({ right }) => right)} of ${all.length} named, ` +
          `${count(({ first }) => first)} in the first line, ` +
          `${count(({ cured, incurable }) => incurable === undefined && cured)} of ${curable} cured`
        : `healthy: ${count(({ right }) => right)} of ${all.length} without an alarm`;
    parts.push([heading, ...lines, sum].join("\n"));
  }
  return parts.length === 0 ? undefined : parts.join("\n\n");
}

// --- internal ---

const WIDTH = 13;

function cell(score: Score | undefined): string {
  if (score === undefined) return "-";
  const { kind, right, cured, incurable } = score;
  if (kind === "healthy") return right ? "no alarm" : "ALARM";
  if (!right) return "NOT NAMED";
  return incurable !== undefined ? "named" : cured ? "named, cured" : "NOT CURED";
}
