/** Runs `bun test`, and counts its tests. */

export interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

export interface Tests {
  count: Count;
  /** Each test, with the titles of the groups it is in before its own. */
  results: { result: "pass" | "fail" | "skip" | "todo"; title: string }[];
}

export async function runTests(args: string[], env: Record<string, string> = {}): Promise<Tests> {
  const child = Bun.spawn([process.execPath, "test", ...args], {
    env: { ...process.env, ...env, FORCE_COLOR: "0" },
    stdin: "ignore",
    stdout: "inherit",
    stderr: "pipe",
  });
  let output = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) {
    process.stderr.write(chunk);
    output += decoder.decode(chunk, { stream: true });
  }
  const code = await child.exited;
  for (const [line] of output.matchAll(/^\((skip|todo)\) .*$/gm)) console.log(line);
  const number = (word: string) => Number(new RegExp(`^\\s*(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  const count = { passed: number("pass"), failed: number("fail"), skipped: number("skip") + number("todo") };
  // A file that can't be loaded, or a test that ends the process, is a failure that bun test does not count.
  if (code !== 0 && count.failed === 0) count.failed = 1;
  const results = [...output.matchAll(/^\((pass|fail|skip|todo)\) (.*?)(?: \[[\d.]+ms\])?$/gm)].map(
    ([, result, title = ""]) => ({ result: result as Tests["results"][number]["result"], title }),
  );
  return { count, results };
}
