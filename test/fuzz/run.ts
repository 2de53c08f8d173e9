/**
 * Fuzzing: throws a million seeded inputs at each target.
 *
 *     npm run fuzz                                  all targets, from a random seed on
 *     npm run fuzz -- --count=10000 message getopt  some of them, with fewer inputs
 *     npm run fuzz -- --seed=123 message            exactly one input, which it shows
 *     npm run fuzz -- --from=1000                   from this seed on
 */

import { main } from "./main.ts";
import { TARGETS } from "./targets.ts";

await main(process.argv.slice(2), TARGETS);
