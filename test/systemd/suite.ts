/** Boots the service managers that this machine can, runs the tests of units on each, and prints who passed what. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Count, runTests, type Tests } from "../support/bun-test.ts";
import { type Booted, boot, QUICK, TARGETS, type Target, whyNot } from "./boot.ts";
import { formatScores, SCORES } from "./scores.ts";

/** Arguments: words of file names, so that not all need run; --target=machine,sid,daemons,containers,host. */
export async function runUnits(args: string[], { quick = false } = {}): Promise<Pick<Tests, "count" | "remarks">> {
  const start = performance.now();
  const wanted = args.flatMap((arg) => (arg.startsWith("--target=") ? arg.slice(9).split(",") : []));
  const files = readdirSync(import.meta.dir).filter((file) => file.endsWith(".units.ts"));
  const words = args.filter((arg) => !arg.startsWith("--"));
  const named = ON_DEMAND.filter((name) => words.some((word) => word.startsWith(name)));
  const usual: readonly string[] = named.length > 0 ? named : ["machine", "sid"];
  const targets = TARGETS.filter((target) => (wanted.length > 0 ? wanted : usual).includes(target));
  const chosen = files.filter((file) =>
    words.length === 0 ? !ON_DEMAND.some((name) => file.startsWith(name)) : words.some((word) => file.includes(word)),
  );
  const unknown = [
    ...words.filter((word) => !files.some((file) => file.includes(word))),
    ...wanted.filter((target) => !(TARGETS as readonly string[]).includes(target)),
  ];
  if (unknown.length > 0) {
    console.error(`no ${unknown.join(", ")} here: there are ${files.join(", ")}, and --target=${TARGETS.join(",")}`);
    return { count: { passed: 0, failed: 1, skipped: 0 }, remarks: [] };
  }

  // Those whose reason not to run is a fact of this machine are skipped; what should run and does not has failed.
  const count: Count = { passed: 0, failed: 0, skipped: 0 };
  const remarks: string[] = [];
  await using machines = new AsyncDisposableStack();
  const managers: Booted[] = [];
  const end = async () => {
    await machines.disposeAsync();
    process.exit(1);
  };
  process.once("SIGINT", end).once("SIGTERM", end).once("SIGHUP", end);
  await Promise.all(
    targets.map(async (target: Target) => {
      const why = whyNot(target);
      if (why !== undefined) {
        count.skipped++;
        console.log(`(skip) units on ${target} (skipped: ${why})`);
        return;
      }
      try {
        managers.push(machines.use(await boot(target)).booted);
      } catch (error) {
        count.failed++;
        remarks.push(`(fail) units on ${target}: ${error instanceof Error ? error.message : error}`);
      }
    }),
  );
  if (managers.length === 0) return { count, remarks };
  managers.sort((a, b) => a.version - b.version);

  const directory = mkdtempSync(join(tmpdir(), "sd-notify-scores-"));
  using _ = { [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
  const scores = join(directory, "scores");
  const options = ["--timeout=60000", ...chosen.map((file) => `./test/systemd/${file}`)];
  const env = { ...(quick && { [QUICK]: "1" }), SD_NOTIFY_TEST_MANAGERS: JSON.stringify(managers), [SCORES]: scores };
  let tests = await runTests(["--concurrent", "--max-concurrency=6", ...options], env);
  const failed = tests.results.filter(({ result }) => result === "fail").map(({ title }) => title);
  if (failed.length > 0 && failed.length <= MAX_AGAIN) {
    for (const line of tests.remarks) console.log(line);
    console.log(`${failed.length} failed: again, alone, in managers that know nothing of the first attempt\n`);
    await machines.disposeAsync();
    await using fresh = new AsyncDisposableStack();
    const booted = await Promise.all(managers.map(async ({ target }) => fresh.use(await boot(target)).booted));
    const only = `--test-name-pattern=^(${failed.map(patternOf).join("|")})$`;
    const second = await runTests([only, ...options], {
      ...env,
      [SCORES]: "",
      SD_NOTIFY_TEST_MANAGERS: JSON.stringify(booted),
    });
    tests = withSecond(tests, second);
  }
  console.log(table(tests, managers));
  const told = formatScores(scores);
  if (told !== undefined) console.log(`\n${told}\n`);
  console.log(
    `Units: ${((performance.now() - start) / 1000).toFixed(0)} s, ${process.env.SD_NOTIFY ?? "dist/sd-notify"}`,
  );
  for (const result of ["passed", "failed", "skipped"] as const) count[result] += tests.count[result];
  return { count, remarks: [...remarks, ...tests.remarks] };
}

// --- internal ---

/** Targets, and files, that only run when they are named: many packages are downloaded for them. */
const ON_DEMAND = ["daemons", "containers"];

/** More failures than these have one cause, which is not chance. */
const MAX_AGAIN = 6;

/** bun test matches titles that are joined by a space, and prints them joined by " > ". */
function patternOf(title: string): string {
  return title.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&").replaceAll(" > ", "(?: > | )");
}

/** What failed and then passed has passed, and is named. */
function withSecond(first: Tests, second: Tests): Tests {
  const passes = (title: string) => second.results.some((test) => test.title === title && test.result === "pass");
  const results = first.results.map((test) =>
    test.result === "fail" && passes(test.title) ? { ...test, result: "pass" as const } : test,
  );
  const saved = first.results.filter(({ result, title }) => result === "fail" && passes(title));
  const { passed, failed, skipped } = first.count;
  return {
    count: { passed: passed + saved.length, failed: failed - saved.length, skipped },
    results,
    remarks: [...second.remarks, ...saved.map(({ title }) => `(passed at the second attempt) ${title}`)],
  };
}

/** Scenario by manager. A reason to skip stands in a title, so it differs from one manager to another. */
function table({ results }: Tests, managers: readonly Booted[]): string {
  const rows = new Map<string, string[]>();
  for (const { result, title } of results) {
    const column = managers.findIndex((manager) => title.startsWith(`${manager.title} > `));
    if (column < 0) continue;
    const scenario = title.slice((managers[column]?.title.length ?? 0) + 3).replace(/ \(skipped: .*\)$/, "");
    const row = rows.get(scenario) ?? managers.map(() => "-");
    row[column] = result;
    rows.set(scenario, row);
  }
  const width = Math.max(...managers.map(({ title }) => title.length));
  const line = (cells: readonly string[], scenario: string) =>
    `${cells.map((cell) => cell.padEnd(width)).join("  ")}  ${scenario}`;
  return [
    line(
      managers.map(({ title }) => title),
      "scenario",
    ),
    ...[...rows].map(([scenario, row]) => line(row, scenario)),
  ].join("\n");
}
