import { expect, test } from "bun:test";
import { join } from "node:path";
import { BUN, ROOT, run, temporaryDirectory } from "./support/command.ts";

test("each test of a run is counted once, although bun test names some twice", async () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, "some.test.ts");
  // Only after so many tests does bun test list the others again.
  await Bun.write(
    file,
    `import { expect, test } from "bun:test";
    test("bad", () => expect(1).toBe(2));
    test.skip("left out (skipped: to be counted)", () => {});
    for (let i = 0; i < 100; i++) test("good " + i, () => {});`,
  );
  // What bun test prints there is not for those who count here.
  const source = `
    import { runTests } from ${JSON.stringify(join(ROOT, "test/support/bun-test.ts"))};
    const { count, results, remarks } = await runTests([${JSON.stringify(file)}]);
    await Bun.write(${JSON.stringify(`${file}.json`)}, JSON.stringify({ count, results, remarks }));`;
  const { stderr } = await run([BUN, "-e", source]);
  expect(stderr.match(/^\(fail\) bad/gm)).toHaveLength(2);
  const { count, results, remarks } = await Bun.file(`${file}.json`).json();
  expect(count).toEqual({ passed: 100, failed: 1, skipped: 1 });
  expect(results).toHaveLength(102);
  expect(results.slice(0, 2)).toEqual([
    { result: "fail", title: "bad" },
    { result: "skip", title: "left out (skipped: to be counted)" },
  ]);
  expect(remarks.filter((line: string) => line.startsWith("(fail)"))).toHaveLength(1);
});
