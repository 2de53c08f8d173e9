/** The monitor on terminals of every kind: small ones, dumb ones, and those that are only its input or its output. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { missing, ROOT, temporaryDirectory, titled } from "./support/command.ts";
import { openTmux } from "./support/terminal.ts";

const noTmux = missing("tmux");
const noScript = noTmux ?? missing("script");
const directory = temporaryDirectory();
const { open, close } = openTmux(directory.path);

setDefaultTimeout(30_000);

afterAll(async () => {
  if (!noTmux) await close();
  directory[Symbol.dispose]();
});

const MONITOR = `${ROOT}dist/sd-notify monitor --notify-access=all -- sh ${directory.path}/program`;
const PROGRAM = `N=${ROOT}dist/sd-notify; exec 2>/dev/null
trap '$N --reloading; $N --ready' HUP; trap 'exit 0' TERM
$N --ready; : >"\${READY:-/dev/null}"; while :; do sleep 1000 & wait $!; done`;
await Bun.write(`${directory.path}/program`, PROGRAM);

describe.skipIf(Boolean(noTmux))(titled("the monitor", noTmux), () => {
  test.each([
    [60, 8, true],
    [100, 8, true],
    [100, 7, true],
    [60, 7, false],
    [100, 6, false],
    [60, 4, false],
    [20, 2, false],
    [10, 1, false],
    [1, 1, false],
  ])(
    "in %d columns and %d rows has a foot: %p",
    async (columns, rows, hasFoot) => {
      const [ready, ended] = [
        `${directory.path}/ready-${columns}-${rows}`,
        `${directory.path}/ended-${columns}-${rows}`,
      ];
      const terminal = await open(`READY=${ready} ${MONITOR}; : >${ended}; cat`, columns, rows);
      const until = async (isSo: () => boolean | Promise<boolean>) => {
        while (!(await isSo())) await Bun.sleep(20);
      };
      const untilScrolls = (last: number) =>
        until(async () => (await terminal.region()).trim() === `0 ${last} ${rows}`);
      const height = !hasFoot ? 0 : columns < 100 ? 3 : 2;
      await until(() => existsSync(ready));
      if (hasFoot) {
        const screen = await terminal.until(/── active since/);
        expect(screen.split("\n").findIndex((line) => line.startsWith("──"))).toBe(rows - height);
      }
      await untilScrolls(rows - height - 1);
      if (!hasFoot) expect(await terminal.screen()).not.toContain("──");
      await terminal.press("q");
      await until(() => existsSync(ended));
      await untilScrolls(rows - 1);
    },
    20_000,
  );

  test("on a dumb terminal writes no sequence at all", async () => {
    const terminal = await open(`TERM=dumb ${MONITOR}; echo "status $?"; cat`);
    await terminal.until("activating → active");
    await terminal.press("r");
    await terminal.until("reloading → active");
    await terminal.press("q");
    const screen = await terminal.until("status 0", true);
    expect(screen).not.toContain("\x1b");
    expect((await terminal.region()).trim()).toBe("0 49 50");
  });

  test.each(["NO_COLOR=1", "NO_COLOR=0"])("with %s has a foot, and nothing is in colour", async (environment) => {
    const terminal = await open(`${environment} ${MONITOR}; echo "status $?"; cat`);
    const screen = await terminal.until(/── active[\s\S]*quit/, true);
    expect(screen).not.toContain("\x1b");
    await terminal.press("q");
    expect(await terminal.until("status 0", true)).not.toContain("\x1b");
  });

  test("whose input is no terminal has a foot without keys, and what is typed does nothing", async () => {
    const terminal = await open(`trap : QUIT; ${MONITOR} </dev/null; echo "status $?"; cat`);
    expect(await terminal.until(/── active since/)).not.toContain("reload");
    await terminal.press("R", "q", "Enter");
    await terminal.press("C-\\");
    const screen = await terminal.until("status 131");
    expect(screen).toMatch(/SIGTERM to processes [\d, ]+: SIGQUIT|killed by SIGQUIT/);
    expect((await terminal.region()).trim()).toBe("0 49 50");
  });

  test("whose output is no terminal takes keys, and leaves the terminal as it was", async () => {
    const [before, after] = [`${directory.path}/before`, `${directory.path}/after`];
    const terminal = await open(`stty -a >${before}; ${MONITOR} | cat; stty -a >${after}; echo done; cat`);
    await terminal.until("activating → active");
    await terminal.press("r");
    await terminal.until("reloading → active");
    await terminal.press("q");
    const screen = await terminal.until("done", true);
    expect(screen).not.toContain("\x1b");
    expect(await Bun.file(after).text()).toBe(await Bun.file(before).text());
  });
});

test.skipIf(Boolean(noScript))(
  titled("on a terminal whose size nobody knows the monitor has no foot", noScript),
  async () => {
    const typescript = `${directory.path}/typescript`;
    const terminal = await open(`stty rows 0 cols 0; script -q -f -c '${MONITOR}' ${typescript}; stty rows 50; cat`);
    const read = () => Bun.file(typescript).text();
    while (!(await read().catch(() => "")).includes("BARRIER=1")) await Bun.sleep(20);
    await terminal.press("q");
    while (!(await read()).includes("timeline")) await Bun.sleep(20);
    // DECSTBM, the region that scrolls.
    expect((await read()).split("\x1b[").filter((sequence) => /^[\d;]*r/.test(sequence))).toEqual([]);
  },
);
