/**
 * Runs the tests: `bun test` with the arguments given. With --systemd as the first of them, those that need a
 * real service manager; with --install, those that install the package in every way; with --release, those that
 * make a release and try its files; with --all, everything but that.
 * The last line counts them, the skipped ones too, whose titles say why. What failed is repeated before it, and
 * what passed at its second attempt only: under load, a race of the test's own making is not a failure.
 */

import { runRelease } from "./release/suite.ts";
import { type Count, runTests, type Tests } from "./support/bun-test.ts";
import { runUnits } from "./systemd/suite.ts";

const [suite, ...rest] = process.argv.slice(2);
const only = ["--systemd", "--install", "--release"].find((name) => name === suite);
const runs: Pick<Tests, "count" | "remarks">[] = [];
if (!only) {
  const words = suite === "--all" ? rest : process.argv.slice(2);
  // Of two busy processors, one may be somebody else's for seconds. Most tests wait, so two files at a time need half
  // the time of one after the other.
  runs.push(await runTests(["--parallel=2", "--retry=1", "--timeout=20000", ...words]));
}
if (only === "--install" || suite === "--all") {
  runs.push(await runTests(["--retry=1", "--timeout=120000", "./test/install/ways.ts", ...rest]));
}
if (only === "--release") runs.push(await runRelease(rest));
if (only === "--systemd") runs.push(await runUnits(rest));
if (suite === "--all") runs.push(await runUnits(rest, { quick: true }));

for (const line of runs.flatMap(({ remarks }) => remarks)) console.log(line);
const sum = (what: keyof Count) => runs.reduce((total, { count }) => total + count[what], 0);
const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
