import { expect, test } from "bun:test";
import { BUN, missing, ROOT, run, titled } from "./support/command.ts";

const biome = `${ROOT}node_modules/.bin/biome`;

test("the types are right", async () => {
  const { code, stdout, stderr } = await run([BUN, "check", "--no-script"]);
  expect({ code, output: code === 0 ? "" : stdout + stderr }).toEqual({ code: 0, output: "" });
}, 30_000);

test("the code is formatted, and the linter finds nothing", async () => {
  const { code, stdout, stderr } = await run([biome, "ci", "--colors=off", "--error-on-warnings"]);
  expect({ code, output: code === 0 ? "" : stdout + stderr }).toEqual({ code: 0, output: "" });
}, 30_000);

test("nothing is written but by the functions that make it printable", async () => {
  const writers: string[] = [];
  for await (const file of new Bun.Glob("{src,ffi}/**/*.ts").scan(ROOT)) {
    const text = await Bun.file(`${ROOT}${file}`).text();
    const code = text.replaceAll(/^\s*(\*|\/\/).*$/gm, "");
    if (/\bconsole\.|\bprocess\.(stdout|stderr)\.write|\bwriteSync\(|Bun\.(stdout|stderr)\b/.test(code))
      writers.push(file);
  }
  // All but the console's, the receiver's and the report's write to a memfd, a pipe or a socket; and run's to
  // where CMD would.
  expect(writers.filter((file) => !file.startsWith("src/build/")).sort()).toEqual([
    "src/console/output.ts",
    "src/receiver/receiver.ts",
    "src/report.ts",
    "src/tools/run/output.ts",
    "src/tools/stage.ts",
    "src/tools/start-program.ts",
    "src/transport/passed-socket.ts",
  ]);
});

const noGit =
  missing("git") ?? ((await run(["git", "rev-parse", "--git-dir"])).code === 0 ? undefined : "no git checkout");
test.skipIf(Boolean(noGit))(
  titled("no file names the host of a package registry or a path of one machine", noGit),
  async () => {
    const hosts = ["registry\\.npmjs", "registry\\.yarnpkg", "deb\\.debian\\.org", "npm\\.pkg\\.github"];
    const pattern = [...hosts, "/home/[a-z]", "/root/", "/work/"].join("|");
    const { stdout } = await run(["git", "grep", "-nIE", pattern, "--", ".", ":!test/quality.test.ts"]);
    expect(stdout).toBe("");
  },
);

test("no line of the source is longer than 120 columns", async () => {
  const long: string[] = [];
  for await (const file of new Bun.Glob("{src,ffi}/**/*.ts").scan(ROOT)) {
    const lines = (await Bun.file(`${ROOT}${file}`).text()).split("\n");
    for (const [i, line] of lines.entries()) if (line.length > 120) long.push(`${file}:${i + 1}`);
  }
  expect(long).toEqual([]);
});
