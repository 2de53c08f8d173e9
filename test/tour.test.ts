import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { BUN, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { openTmux } from "./support/terminal.ts";

const noTmux = missing("tmux");
const directory = temporaryDirectory();
const { open, close } = openTmux(directory.path);

afterAll(async () => {
  if (!noTmux) await close();
  directory[Symbol.dispose]();
});

test("npm start is the tour, after a build that is silent unless it fails", async () => {
  const { scripts } = await Bun.file(`${ROOT}package.json`).json();
  expect(scripts).toMatchObject({ start: "sh tour/start.sh" });
  expect(scripts.prestart).toBeUndefined();
  using programs = temporaryDirectory();
  const start = async (status: number) => {
    await Bun.write(`${programs.path}/npm`, `#!/bin/sh\necho "npm $*"; echo "noise $*" >&2; exit ${status}\n`);
    chmodSync(`${programs.path}/npm`, 0o755);
    // A copy, so that a tour is there that ends at once.
    await Bun.write(`${programs.path}/tour/start.sh`, Bun.file(`${ROOT}tour/start.sh`));
    await Bun.write(`${programs.path}/tour/main.ts`, 'console.log("the tour");');
    const env = { PATH: `${programs.path}:${process.env.PATH}:${BUN.replace(/[^/]*$/, "")}` };
    return run(["sh", `${programs.path}/tour/start.sh`], { env });
  };
  expect(await start(0)).toMatchObject({ code: 0, stdout: "the tour\n", stderr: "" });
  const { code, stdout, stderr } = await start(3);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toBe("npm run --silent setup\nnoise run --silent setup\nsd-notify: the build failed, see above\n");
});

test("without a terminal the tour shows a life and a script that nobody hears, and ends with 0", async () => {
  const before = performance.now();
  const { code, stdout, stderr } = await run([BUN, "tour/main.ts"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(performance.now() - before).toBeLessThan(30_000);
  const parts = [
    "sd-notify: what systemd hears",
    "activating → active",
    'says "Hello"',
    "WATCHDOG=1",
    "RELOADING=1",
    "reloading → active",
    'says "Hello again"',
    "STATUS=Stopping: 1 request in flight",
    "0 ignored in part or whole; stopped",
    'the request was answered: "Hello again"',
    "tour/unheard.sh",
    "ignored, because process",
    "cure: NotifyAccess=all",
    // Two messages, unless the machine is so busy that the second one comes too late.
    " ignored in part or whole; ready has not come in time",
    "--notify-access=all",
    "activating → active",
    "That was the tour.",
  ];
  let index = 0;
  for (const part of parts) {
    expect(stdout.slice(index)).toContain(part);
    index = stdout.indexOf(part, index) + part.length;
  }
  // The health check's requests are not the visitors'.
  expect(stdout).not.toMatch(/STATUS=\d+ requests?$/m);
  expect(stdout).not.toContain("\x1b");
}, 40_000);

describe.skipIf(Boolean(noTmux))(titled("on a terminal the tour", noTmux), () => {
  test.each([
    [60, "q", 0],
    [100, "C-\\", 131],
  ])(
    "stays with a server to try, in %d columns, until %s, and ends with %d",
    async (columns, key, status) => {
      const terminal = await open(`${BUN} tour/main.ts; echo "tour ended with $?"; cat`, columns);
      const longUntil = async (text: string | RegExp) => {
        await terminal.until(/▸/);
        return terminal.until(text).catch(() => terminal.until(text));
      };
      const screen = await longUntil(/Your turn[\s\S]*── active since[\s\S]*q quit/);
      const [url = ""] = /http:\S+\//.exec(screen) ?? [];
      expect(screen).toContain(`curl ${url}`);
      expect(await (await fetch(url)).text()).toBe("Hello\n");
      await terminal.press("r");
      // One request, and those of the health check.
      expect(await terminal.until(/Listening on \S+ 1 request\n/)).toContain("active → reloading");
      await terminal.press(key);
      expect(await terminal.until(`tour ended with ${status}\n`)).toContain("timeline, ");
      expect((await terminal.region()).trim()).toBe("0 49 50");
      await expect(fetch(url)).rejects.toThrow();
    },
    60_000,
  );

  test.each([
    ["Ctrl-C", "C-c", 130],
    ["Ctrl-\\", "C-\\", 131],
  ])(
    "ends at %s, and leaves neither a server nor a foot behind",
    async (_, key, status) => {
      const terminal = await open(`trap : INT QUIT; ${BUN} tour/main.ts; echo "tour ended with $?"; cat`);
      const screen = await terminal.until(/says "Hello"/);
      const [url = ""] = /http:\S+\//.exec(screen) ?? [];
      await terminal.press(key);
      await terminal.until(`tour ended with ${status}\n`);
      expect((await terminal.region()).trim()).toBe("0 49 50");
      await expect(fetch(url)).rejects.toThrow();
    },
    30_000,
  );
});
