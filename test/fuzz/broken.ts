/** Targets with mistakes: the fuzzer is to find them. Started as run.ts is. */

import { openSync } from "node:fs";
import { fuzzed } from "./fuzz.ts";
import { main } from "./main.ts";
import type { Random } from "./random.ts";
import { assert } from "./target.ts";

const make = (random: Random) => random.below(100);
const breaking = (mistake: (input: number) => void) =>
  fuzzed({
    make,
    open: () => ({
      check(input: number) {
        if (input === 7) mistake(input);
      },
    }),
  });
const leak: unknown[] = [];
let sevens = 0;

await main(
  process.argv.slice(2),
  {
    throws: breaking((input) => assert(input !== 7, "there is a seven", input)),
    crashes: breaking(() => process.kill(process.pid, "SIGSEGV")),
    hangs: breaking(() => {
      for (;;);
    }),
    dawdles: breaking(() => {
      const start = process.cpuUsage();
      for (let ms = 0; ms < 120; ) {
        const { user, system } = process.cpuUsage(start);
        ms = (user + system) / 1000;
      }
    }),
    tires: breaking(() => assert(++sevens < 3, "three sevens")),
    opens: breaking(() => openSync("/dev/null", "r")),
    grows: breaking(() => leak.push(new Uint8Array(10_000_000).fill(1))),
  },
  2000,
);
