import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { BUN, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { oldBun } from "./support/old-bun.ts";

// The built package, as a dependency of a project.
const directory = temporaryDirectory();
const project = directory.path;
const COMMAND = join(project, "node_modules/.bin/sd-notify");
const IMPORT = 'import { notify } from "sd-notify"; console.log(notify({ ready: true }));';
const IMPORT_TESTING = 'import { openReceiver } from "sd-notify/testing"; console.log(typeof openReceiver);';

beforeAll(async () => {
  mkdirSync(join(project, "node_modules/.bin"), { recursive: true });
  symlinkSync(ROOT, join(project, "node_modules/sd-notify"));
  symlinkSync("../sd-notify/dist/cli/main.js", COMMAND);
  await Bun.write(join(project, "notify.mjs"), IMPORT);
  await Bun.write(join(project, "testing.mjs"), IMPORT_TESTING);
});
afterAll(() => directory[Symbol.dispose]());

const versions = ["1.2.23", "1.3.5"];
const olds = await Promise.all(versions.map(async (version) => ({ version, ...(await oldBun(version)) })));
describe.each(olds)("Bun $version", ({ version, program = "", why }) => {
  const needs = `needs Bun 1.4 or newer, this is ${version}`;

  test.skipIf(Boolean(why))(titled("is too old for the command, which says so", why), async () => {
    const bin = join(project, version);
    mkdirSync(bin);
    symlinkSync(program, join(bin, "bun"));
    expect(existsSync(join(ROOT, "dist/cli/main.js.jsc"))).toBe(true);
    for (const command of [
      [COMMAND],
      [program, COMMAND],
      [program, join(ROOT, "dist/cli/main.js")],
      [program, "x", "sd-notify"],
    ]) {
      for (const args of [["--ready"], ["--version"], ["monitor", "--", "true"]]) {
        const result = await run([...command, ...args], { cwd: project, env: { PATH: `${bin}:${process.env.PATH}` } });
        expect(result).toMatchObject({ code: 1, stdout: "", stderr: `sd-notify: ${needs}\n` });
      }
    }
  });

  test.skipIf(Boolean(why)).each(["notify.mjs", "testing.mjs"])(
    titled("is too old for the library, which says so: %s", why),
    async (file) => {
      const { code, stdout, stderr } = await run([program, file], { cwd: project });
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(new RegExp(`^error: sd-notify ${needs}$`, "m"));
    },
  );
});

describe.each(olds)("Bun $version", ({ version, program = "", why }) => {
  test.skipIf(Boolean(why))(
    titled("is too old for sd-notify/register, which says so where there is a service manager", why),
    async () => {
      await Bun.write(join(project, "program.mjs"), "console.log(1);");
      const command = [program, "--preload", "sd-notify/register", "program.mjs"];
      expect(await run(command, { cwd: project })).toMatchObject({ code: 0, stdout: "1\n", stderr: "" });
      const { code, stderr } = await run(command, { cwd: project, env: { NOTIFY_SOCKET: "/run/nobody" } });
      expect(code).toBe(1);
      expect(stderr).toContain(`sd-notify needs Bun 1.4 or newer, this is ${version}`);
    },
  );
});

const noNode = missing("node");
describe("Node.js", () => {
  test.skipIf(Boolean(noNode))(titled("is told that the command needs Bun", noNode), async () => {
    const { code, stdout, stderr } = await run(["node", COMMAND, "--ready"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^sd-notify: needs Bun 1\.4 or newer, this is Node\.js [\d.]+\n$/);
  });

  test.skipIf(Boolean(noNode)).each(["notify.mjs", "testing.mjs"])(
    titled("is told that the library needs Bun: %s", noNode),
    async (file) => {
      const { code, stdout, stderr } = await run(["node", file], { cwd: project });
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(/^Error: sd-notify needs Bun 1\.4 or newer, this is Node\.js [\d.]+$/m);
    },
  );
});

test("a program that was bundled for Node.js is told how to bundle it", async () => {
  const outfile = join(project, "bundled.mjs");
  const command = [BUN, "build", "--target=node", join(project, "notify.mjs"), `--outfile=${outfile}`];
  expect(await run(command, { cwd: project })).toMatchObject({ code: 0 });
  expect((await run([BUN, outfile])).stderr).toMatch(/^error: sd-notify was bundled for Node\.js: bundle for Bun, /m);
});

describe.each(["darwin", "win32"])("on %s", (platform) => {
  const preload = join(project, `${platform}.js`);
  beforeAll(async () => {
    await Bun.write(preload, `Object.defineProperty(process, "platform", { value: "${platform}" });`);
  });

  test("the library is imported, and nobody is notified", async () => {
    const result = await run([BUN, "--preload", preload, "notify.mjs"], { cwd: project });
    expect(result).toMatchObject({ code: 0, stdout: "false\n", stderr: "" });
  });

  test("the library says that systemd runs on Linux when it is to notify", async () => {
    const env = { NOTIFY_SOCKET: "/run/systemd/notify" };
    const { code, stderr } = await run([BUN, "--preload", preload, "notify.mjs"], { cwd: project, env });
    expect(code).toBe(1);
    expect(stderr).toContain(`Cannot call libc: systemd runs on Linux, this is ${platform}`);
  });

  test.each(["--ready", "--help", "doctor"])("the command says that it needs Linux: %s", async (arg) => {
    const result = await run([BUN, "--preload", preload, COMMAND, arg], { cwd: project });
    expect(result).toMatchObject({ code: 1, stdout: "", stderr: `sd-notify: needs Linux, this is ${platform}\n` });
  });
});
