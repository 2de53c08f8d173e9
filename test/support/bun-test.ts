/** Runs `bun test`, and counts its tests. With --retry=1, one that passes at its second attempt only is named. */

export interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

export interface Tests {
  count: Count;
  /** Each test, with the titles of the groups it is in before its own. */
  results: { result: "pass" | "fail" | "skip" | "todo"; title: string }[];
  /** What the last lines should say: the tests that failed, with their errors, and those that needed two attempts. */
  remarks: string[];
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
  // At its end, bun test lists once more what it has skipped and what has failed.
  const [told = ""] = output.split(/^\d+ tests? (?:skipped|todo|failed):$/m);
  for (const [line] of told.matchAll(/^\((skip|todo)\) .*$/gm)) console.log(line);
  const number = (word: string) => Number(new RegExp(`^\\s*(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  const count = { passed: number("pass"), failed: number("fail"), skipped: number("skip") + number("todo") };
  // A file that can't be loaded, or a test that ends the process, is a failure that bun test does not count.
  if (code !== 0 && count.failed === 0) count.failed = 1;
  const results = [...told.matchAll(RESULT)].map(([, result, title = ""]) => ({
    result: result as Tests["results"][number]["result"],
    title: title.replace(ATTEMPT, ""),
  }));
  return { count, results, remarks: remarks(told) };
}

// --- internal ---

const RESULT = /^\((pass|fail|skip|todo)\) (.*?)(?: \[[\d.]+ms\])?$/gm;
const ATTEMPT = / \(attempt \d+\)$/;
/** Lines of an error that are repeated at the end. The whole of it stands above, where the test ran. */
const LINES = 25;

function remarks(output: string): string[] {
  const remarks: string[] = [];
  let end = 0;
  for (const match of output.matchAll(RESULT)) {
    const [line, result, title = ""] = match;
    const error = output.slice(end, match.index).trimEnd().split("\n").slice(-LINES);
    end = match.index + line.length;
    if (result === "fail") remarks.push(...error, line);
    else if (result === "pass" && ATTEMPT.test(title))
      remarks.push(...error, `(passed at the second attempt) ${title}`);
  }
  return remarks;
}
