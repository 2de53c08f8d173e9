/**
 * Runs the tests: `bun test` with the arguments given. With --systemd as the first of them, those that need a
 * real service manager; with --install, those that install the package in every way; with --release, those that make
 * a release and try its files; with --all, everything but that.
 * The last line counts them, the skipped ones too, whose titles say why; each is named again before.
 */

import { runRelease } from "./release/suite.ts";
import { type Count, runTests } from "./support/bun-test.ts";
import { runUnits } from "./systemd/suite.ts";

const [suite, ...rest] = process.argv.slice(2);
const only = ["--systemd", "--install", "--release"].find((name) => name === suite);
const counts: Count[] = [];
if (!only) {
  const words = suite === "--all" ? rest : process.argv.slice(2);
  // Of two busy processors, one may be somebody else's for seconds.
  counts.push((await runTests(["--timeout=20000", ...words])).count);
}
if (only === "--install" || suite === "--all") {
  counts.push((await runTests(["--timeout=120000", "./test/install/ways.ts", ...rest])).count);
}
if (only === "--release") counts.push(await runRelease(rest));
if (only === "--systemd" || suite === "--all") counts.push(await runUnits(rest));

const sum = (what: keyof Count) => counts.reduce((total, count) => total + count[what], 0);
const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
