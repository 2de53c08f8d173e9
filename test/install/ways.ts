/** `npm run test:install`: each way to install the package that README names, by the package managers themselves. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readlinkSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import { version } from "../../package.json";
import { BUN, missing, type Result, ROOT, run, temporaryDirectory, titled } from "../support/command.ts";
import { type Built, buildElsewhere, copyCheckout } from "../support/package.ts";
import { openReceiver } from "../support/receiver.ts";

const PNPM = "12.21.0";
const directory = temporaryDirectory();
const bin = join(directory.path, "bin");
/** Without a Bun of this machine's or this project's. */
const WITHOUT_BUN = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((path) => Bun.which("bun", { PATH: path }) === null)
  .join(delimiter);
const PATH = `${bin}:${process.env.PATH}`;
let built: Built;

beforeAll(async () => {
  mkdirSync(bin);
  symlinkSync(BUN, join(bin, "bun"));
  built = await buildElsewhere(join(directory.path, "built"));
}, 120_000);
afterAll(() => directory[Symbol.dispose]());

/**
 * Runs a command, which has to succeed, with what the environment tells package managers of the way to the
 * registry.
 */
async function succeed(command: string[], cwd: string, env: Record<string, string> = {}): Promise<Result> {
  const result = await run(command, { cwd, env: { ...(process.env as Record<string, string>), PATH, ...env } });
  if (result.code !== 0)
    throw new Error(`${command.join(" ")} ended with ${result.code}: ${result.stdout}${result.stderr}`);
  return result;
}

async function newProject(name: string): Promise<string> {
  const project = join(directory.path, name);
  await Bun.write(join(project, "package.json"), JSON.stringify({ name }));
  return project;
}

/** Everything of the package, as the project has it. */
async function use(project: string): Promise<void> {
  await using receiver = await openReceiver();
  const env = { PATH, NOTIFY_SOCKET: receiver.address };
  const command = join(project, "node_modules/.bin/sd-notify");
  expect(await run([command, "--status=installed"], { cwd: project, env })).toMatchObject({ code: 0, stderr: "" });
  expect((await receiver.next()).text).toBe("STATUS=installed");
  for (const tool of ["monitor", "doctor", "run"]) {
    expect((await succeed([command, tool, "--help"], project)).stdout).toContain(`sd-notify ${tool}`);
  }
  await Bun.write(
    join(project, "use.ts"),
    `import { notify } from "sd-notify";
     import { openReceiver } from "sd-notify/testing";
     using receiver = openReceiver();
     notify({ ready: true }, { socket: receiver.address });
     console.log((await receiver.waitFor({ ready: true })).text);`,
  );
  expect((await succeed(["bun", "use.ts"], project)).stdout).toBe("READY=1\n");
}

const noNpm = missing("npm");
const noGit = missing("git", "npm");
const notWithoutBun =
  noGit ??
  (["npm", "node", "git"].every((name) => Bun.which(name, { PATH: WITHOUT_BUN }) !== null)
    ? undefined
    : "npm, Node.js or git is in the directory of a Bun");

describe("the tarball", () => {
  test("by bun", async () => {
    const project = await newProject("tarball-bun");
    await succeed(["bun", "add", built.tarball], project);
    await use(project);
  });

  test.skipIf(Boolean(noNpm))(titled("by npm", noNpm), async () => {
    const project = await newProject("tarball-npm");
    const { stderr } = await succeed(["npm", "install", built.tarball], project);
    expect(stderr).not.toMatch(/EBADENGINE|install-scripts/);
    await use(project);
  });

  test.skipIf(Boolean(noNpm))(titled("by npm for all of the machine, with the man pages", noNpm), async () => {
    const prefix = join(directory.path, "prefix");
    await succeed(["npm", "install", "--global", "--prefix", prefix, built.tarball], directory.path);
    expect((await succeed([join(prefix, "bin/sd-notify"), "--version"], "/")).stdout).toBe(`sd-notify ${version}\n`);
    expect((await succeed([join(prefix, "bin/sd-notify"), "run", "--help"], "/")).stdout).toContain("sd-notify run");
    for (const page of ["sd-notify.1", "sd-notify-run.1"]) {
      expect(readlinkSync(join(prefix, "share/man/man1", page))).toEndWith(`sd-notify/man/${page}`);
    }
  });

  test.skipIf(Boolean(noNpm))(titled("by pnpm", noNpm), async () => {
    const tools = await newProject("pnpm");
    await succeed(["npm", "install", `pnpm@${PNPM}`], tools);
    const project = await newProject("tarball-pnpm");
    await succeed(["node", join(tools, "node_modules/pnpm/bin/pnpm.mjs"), "add", built.tarball], project);
    await use(project);
  });
});

describe("git", () => {
  const repository = join(directory.path, "repository");
  beforeAll(async () => {
    if (noGit) return;
    mkdirSync(repository);
    copyCheckout(repository);
    const git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
    for (const args of [
      ["init", "-q"],
      ["add", "-A"],
      ["commit", "-qm", "all"],
    ]) {
      await succeed([...git, ...args], repository);
    }
  });

  test.skipIf(Boolean(notWithoutBun))(titled("by npm, on a machine that has no Bun yet", notWithoutBun), async () => {
    const project = await newProject("git-npm");
    await succeed(["npm", "install", `git+file://${repository}`], project, { PATH: WITHOUT_BUN });
    await use(project);
  });

  // When this fails, README can name one way more.
  test.skipIf(Boolean(noGit))(titled("by bun leaves nothing that works, trusted or not", noGit), async () => {
    const project = await newProject("git-bun");
    await succeed(["bun", "add", `git+file://${repository}`], project);
    const trusted = await run(["bun", "pm", "trust", "sd-notify"], { cwd: project, env: { PATH } });
    expect(trusted.code).not.toBe(0);
    expect(existsSync(join(project, "node_modules/.bin/sd-notify"))).toBe(false);
  });
});

describe("the folder", () => {
  test("by bun", async () => {
    const project = await newProject("folder-bun");
    await succeed(["bun", "add", `file:${ROOT}`], project);
    await use(project);
  });

  test.skipIf(Boolean(noNpm))(titled("by npm", noNpm), async () => {
    const project = await newProject("folder-npm");
    await succeed(["npm", "install", `file:${ROOT}`], project);
    await use(project);
  });
});
