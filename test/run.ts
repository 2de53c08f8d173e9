/**
 * Runs the tests: `bun test` with the arguments given. Its last line counts them, the skipped ones too, whose titles say
 * why; each is named again before.
 */

const child = Bun.spawn([process.execPath, "test", ...process.argv.slice(2)], {
  env: { ...process.env, FORCE_COLOR: "0" },
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
for (const [line] of output.matchAll(/^\((skip|todo|fail)\) .*$/gm)) if (!line.startsWith("(fail)")) console.log(line);
const count = (word: string) => Number(new RegExp(`^\\s*(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
const [passed, failed, skipped] = [count("pass"), count("fail"), count("skip") + count("todo")];
// A file that can't be loaded, or a test that ends the process, is a failure that bun test does not count.
const uncounted = code !== 0 && failed === 0 ? 1 : 0;
console.log(`${passed} passed, ${failed + uncounted} failed, ${skipped} skipped`);
process.exitCode = code === 0 && passed === 0 ? 1 : code;
