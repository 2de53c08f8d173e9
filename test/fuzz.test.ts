import { describe, expect, test } from "bun:test";
import { Random } from "./fuzz/random.ts";
import { TARGETS } from "./fuzz/targets.ts";
import { BUN, run } from "./support/command.ts";

/** As `npm run fuzz`, which tries a million. */
const fuzz = (...args: string[]) => run([BUN, "test/fuzz/run.ts", ...args]);
const COUNT = 2000;

test.each(Object.keys(TARGETS))(
  `${COUNT} seeded inputs at %s: nothing crashes, hangs, leaks or throws what is not documented`,
  async (name) => {
    const { code, stdout, stderr } = await fuzz("--from=0", `--count=${COUNT}`, name);
    expect({ code, stderr, output: code === 0 ? "" : stdout }).toEqual({ code: 0, stderr: "", output: "" });
  },
  60_000,
);

describe("a failure names its seed, which repeats exactly that input:", () => {
  const broken = (...args: string[]) => run([BUN, "test/fuzz/broken.ts", ...args]);

  test.each([
    ["throws", "Error: there is a seven\n  7"],
    ["crashes", "it ended with SIGSEGV"],
    ["hangs", "it hangs"],
    ["dawdles", "Error: it takes "],
  ])(
    "one that %s",
    async (name, why) => {
      const { code, stdout } = await broken("--from=1000", "--count=1000", name);
      expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining(`${name}: FAILED\n${why}`) });
      const [, seed = ""] = new RegExp(`^Again: npm run fuzz -- --seed=(\\d+) ${name}$`, "m").exec(stdout) ?? [];
      expect(new Random(Number(seed)).below(100)).toBe(7);
      const again = await broken(`--seed=${seed}`, name);
      expect(again.code).toBe(1);
      expect(again.stdout).toStartWith(`${name}: 7\n${name}: FAILED\n${why}`);
    },
    20_000,
  );

  test("one that depends on those before is told of with them", async () => {
    const { stdout } = await broken("--from=1000", "--count=1000", "tires");
    const [, count = ""] = /^Again: npm run fuzz -- --from=1000 --count=(\d+) tires$/m.exec(stdout) ?? [];
    expect((await broken("--from=1000", `--count=${Number(count) - 1}`, "tires")).code).toBe(0);
    expect((await broken("--from=1000", `--count=${count}`, "tires")).code).toBe(1);
  });

  test.each([
    ["opens", /^Error: \d+ file descriptors more are open$/m],
    ["grows", /^Error: \d+ MB more are in use$/m],
  ])("one that %s is told of with the range of seeds", async (name, why) => {
    const { code, stdout } = await broken("--from=1000", "--count=3000", name);
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringMatching(why) });
    expect(stdout).toContain(`Again: npm run fuzz -- --from=1000 --count=3000 ${name}\n`);
  });

  test("an unknown target is refused", async () => {
    const { code, stderr } = await fuzz("nothing");
    expect(code).toBe(1);
    expect(stderr).toContain("no target nothing: there are monitor, receiver");
  });
});
