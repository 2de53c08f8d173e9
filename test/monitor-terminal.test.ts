import { afterAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { openTmux } from "./support/terminal.ts";

const noTmux = missing("tmux");
const directory = temporaryDirectory();
const { open, close } = openTmux(directory.path);

afterAll(async () => {
  await close();
  directory[Symbol.dispose]();
});

/** A program that reloads at SIGHUP and stops at SIGTERM. */
const PROGRAM = `
exec 2>/dev/null # the shell's word on each sleep that is killed
trap '$N --reloading; $N --ready --status=reloaded' HUP
trap '$N --stopping; exit 0' TERM
$N --ready --status=started
while :; do sleep 1000 & wait $!; done`;

let windows = 0;

/** The monitor in a terminal of its own. */
async function openTerminal(options: string, columns = 100, environment = "", program = PROGRAM) {
  const script = `${directory.path}/w${++windows}.sh`;
  await Bun.write(script, `N=${ROOT}dist/sd-notify\n${program}\n`);
  const command = `stty -a > ${script}.before; ${environment} ${ROOT}dist/sd-notify monitor --notify-access=all ${options} -- sh ${script}; echo "status $?"; stty -a > ${script}.after; echo restored; cat`;
  return { ...(await open(command, columns)), script };
}

describe.skipIf(Boolean(noTmux))(titled("monitor on a terminal", noTmux), () => {
  test("r reloads, R restarts, t stops, and the terminal is as it was", async () => {
    const terminal = await openTerminal("");
    await terminal.until("inactive → activating");
    await terminal.until("activating → active");
    await terminal.press("r");
    await terminal.until("SIGHUP to process");
    await terminal.until("active → reloading");
    await terminal.until("reloading → active");
    await terminal.press("x");
    await terminal.press("R");
    await terminal.until("deactivating → inactive");
    await terminal.until(/activating → active[\s\S]*inactive → activating after[\s\S]*activating → active/);
    await terminal.press("t");
    const screen = await terminal.until("restored");
    expect(screen).toContain("status 0");
    expect(screen).toContain("timeline");
    const [before, after] = await Promise.all(
      ["before", "after"].map((file) => Bun.file(`${terminal.script}.${file}`).text()),
    );
    expect(after).toBe(before as string);
  }, 30_000);

  test.each([
    ["q", "key q"],
    ["C-c", "Ctrl-C"],
  ])(
    "%s ends it",
    async (key, why) => {
      const terminal = await openTerminal("");
      await terminal.until("activating → active");
      await terminal.press(key);
      expect(await terminal.until("status 0")).toMatch(new RegExp(`SIGTERM to process(es)? [\\d, ]+: ${why}`));
    },
    30_000,
  );

  test("q while it restarts ends it", async () => {
    const terminal = await openTerminal(
      "--timeout-stop=2",
      100,
      "",
      "trap '' TERM; $N --ready; while :; do sleep 1; done",
    );
    await terminal.until("activating → active");
    await terminal.press("R");
    await terminal.until("SIGTERM to process");
    await terminal.press("q");
    const screen = await terminal.until("status 0");
    expect(screen.match(/activating → active/g)).toHaveLength(1);
  }, 30_000);

  test("Type=notify-reload: the reload is answered", async () => {
    const terminal = await openTerminal("--type=notify-reload");
    await terminal.until("activating → active");
    await terminal.press("r");
    const screen = await terminal.until("reloading → active");
    expect(screen).toContain(" 0 ignored ");
    await terminal.press("q");
    await terminal.until("status 0");
  }, 30_000);

  test("in 60 columns no line is cut or broken by the terminal", async () => {
    const terminal = await openTerminal("--until=ready", 60);
    const screen = await terminal.until("restored");
    const lines = screen.split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    // A line that the terminal itself broke would begin at its first column.
    expect(lines.filter((line) => /^\S/.test(line))).toEqual(["status 0", "restored"]);
  }, 30_000);

  test("is in colour, and not with NO_COLOR", async () => {
    const coloured = await openTerminal("--until=ready");
    expect(await coloured.until("status 0", true)).toContain("\x1b[32mactive");
    const plain = await openTerminal("--until=ready", 100, "NO_COLOR=1");
    expect(await plain.until("status 0", true)).not.toContain("\x1b[3");
  }, 30_000);
});

/** Pings three times, twice with something ignored before, and does not stop pinging by itself. */
const PINGING = `
trap '$N --stopping; exit 0' TERM
$N --ready --status="serving"
$N WATCHDOG=1; $N WATCHDOG=1; $N WATCHDOG=1
$N REDY=1
echo "what it prints" >&2
$N --status="served 7" WATCHDOG=1
while :; do sleep 1000 & wait $!; done`;

/** Two lines at 100 columns. */
const footOf = (screen: string) => screen.trimEnd().split("\n").slice(-2).join("\n");

describe.skipIf(Boolean(noTmux))(titled("the foot of the monitor's terminal", noTmux), () => {
  test("tells what the unit is at, its pings, what was ignored, the status and the keys", async () => {
    const terminal = await openTerminal("--watchdog=60", 100, "", PINGING);
    const screen = await terminal.until(/served 7 +r reload/);
    expect(footOf(screen)).toMatch(
      /^── active since \d\d:\d\d:\d\d ─+ 4 pings, smallest margin (5\d\.\d|60) s · 1 ignored ─\nserved 7 +r reload {3}R restart {3}t stop {3}q quit {3}\? keys$/,
    );
    await terminal.press("q");
    expect(await terminal.until("restored")).not.toContain("r reload");
  }, 30_000);

  test("stays where it is, below what the command prints, in every size", async () => {
    const terminal = await openTerminal("--watchdog=60", 100, "", PINGING);
    await terminal.until(/served 7 +r reload/);
    // Too low for a foot, and back.
    await terminal.resize(100, 6);
    while ((await terminal.region()).trim() !== "0 5 6" || (await terminal.screen()).includes("r reload"))
      await Bun.sleep(20);
    for (const [columns, rows] of [
      [60, 30],
      [200, 50],
      [100, 24],
      [60, 12],
    ] as const) {
      await terminal.resize(columns, rows);
      const height = columns < 100 ? 3 : 2;
      for (const expected = `0 ${rows - height - 1} ${rows}`; ; await Bun.sleep(20)) {
        if ((await terminal.region()).trim() === expected) break;
      }
      await terminal.press("?");
      const screen = await terminal.until(/show this[\s\S]*── active/);
      expect(screen.match(/── active since/g)).toHaveLength(1);
      expect(screen.match(/r reload {3}R restart {3}t stop {3}q quit {3}\? keys/g)).toHaveLength(1);
      // The terminal's last rows.
      expect(screen.split("\n").findIndex((line) => line.startsWith("── active"))).toBe(rows - height);
    }
    await terminal.press("q");
    await terminal.until("restored");
    expect((await terminal.region()).trim()).toBe("0 11 12");
  }, 30_000);

  test("is not there where the terminal has few rows, or knows no sequences", async () => {
    const low = await openTerminal("--until=ready", 100, "stty rows 6; ");
    expect(await low.until("restored")).toContain("activating → active");
    const dumb = await openTerminal("", 100, "TERM=dumb");
    expect(await dumb.until("activating → active")).not.toContain("──");
    await dumb.press("q");
    await dumb.until("restored");
  }, 30_000);

  test("shows a hostile status as text", async () => {
    const status = "$(printf 'a\\033[2J\\033]0;t\\007\\342\\200\\256b')";
    const terminal = await openTerminal("", 100, "", `$N --ready --status="${status}"; exec sleep 1000`);
    const screen = await terminal.until(/r reload/);
    expect(footOf(await terminal.until(/202eb +r reload/))).toContain("a\\x1b[2J\\x1b]0;t\\x07\\u202eb ");
    expect(screen).toContain("inactive → activating");
    await terminal.press("q");
    await terminal.until("restored");
  }, 30_000);

  test("goes when the monitor is told to end", async () => {
    const terminal = await openTerminal("", 100, "", "$N --ready; exec sleep 1000");
    await terminal.until(/── active since[\s\S]*q quit/);
    const { stdout } = await run(["pgrep", "-f", `monitor --notify-access=all .*-- sh ${terminal.script}$`]);
    process.kill(Number(stdout.split("\n")[0]), "SIGTERM");
    expect(await terminal.until("restored")).not.toContain("q quit");
    expect((await terminal.region()).trim()).toBe("0 49 50");
  }, 30_000);
});

describe.skipIf(Boolean(noTmux))(titled("on a terminal the monitor", noTmux), () => {
  test("tells a status once, and makes one line of a run of pings", async () => {
    const terminal = await openTerminal("--watchdog=60", 100, "", PINGING);
    const screen = await terminal.until(/served 7 +r reload/);
    expect(screen.match(/served 7/g)).toHaveLength(2);
    expect(screen).not.toContain("the status is");
    expect(screen).toMatch(/WATCHDOG=1 × 3, every [\d.]+ ms, smallest margin (5\d\.\d|60) s\n/);
    expect(screen.match(/WATCHDOG=1/g)).toHaveLength(2);
    await terminal.press("q");
    await terminal.until("restored");
  }, 30_000);

  test.each([60, 100, 200])(
    "draws the timeline at the end, in %d columns",
    async (columns) => {
      const program = `${PROGRAM.replace("while", "$N WATCHDOG=1 REDY=1; while")}`;
      const terminal = await openTerminal("--type=notify-reload --watchdog=0.3", columns, "", program);
      await terminal.until(/no ping for 300/);
      await terminal.press("r");
      await terminal.until("reloading → active");
      await terminal.press("q");
      const screen = await terminal.until("restored");
      const picture = screen.slice(screen.indexOf("timeline, "));
      expect(picture).toMatch(/^timeline, [\d.]+ (ms|s)\n/);
      const bars = ["activating", "active", "reloading", "deactivating"];
      for (const phase of bars) expect(picture).toMatch(new RegExp(`^ {13}${phase} +█+ .* (s|ms|us)$`, "m"));
      expect(picture).toMatch(/^ {13}pings +· +1$/m);
      expect(picture).toMatch(/^ {13}missed pings +✗[ ✗]* +\d+$/m);
      expect(picture).toMatch(/^ {13}reloads +▲ +1$/m);
      expect(picture).toMatch(/^ {13}ignored +! +1$/m);
      const width = Math.max(...screen.split("\n").map((line) => line.length));
      expect(width).toBeLessThanOrEqual(columns);
      expect(width).toBeGreaterThan(columns * 0.8);
    },
    30_000,
  );
});

test.skipIf(Boolean(noTmux))(
  titled("a terminal that is closed ends the command, its children too", noTmux),
  async () => {
    const pid = `${directory.path}/pid`;
    const program = `export N; sh -c 'trap "" HUP; echo $$ >${pid}; $N --ready; exec sleep 1000'; true`;
    const terminal = await openTerminal("", 100, "", program);
    await terminal.until("activating → active");
    await terminal.closeWindow();
    const child = (await Bun.file(pid).text()).trim();
    for (const deadline = performance.now() + 10_000; existsSync(`/proc/${child}`); await Bun.sleep(20)) {
      if (performance.now() > deadline) throw new Error(`process ${child} is left`);
    }
  },
  30_000,
);

const noStrace = noTmux ?? missing("strace");
test.skipIf(Boolean(noStrace))(
  titled("each update of the terminal is one write, which leaves the cursor where text goes on", noStrace),
  async () => {
    const trace = `${directory.path}/trace`;
    const terminal = await openTerminal("--watchdog=60", 100, `strace -f -s 9999 -e trace=write -o ${trace}`, PINGING);
    await terminal.until(/served 7 +r reload/);
    await terminal.press("q");
    await terminal.until("restored");
    const writes = (await Bun.file(trace).text())
      .split("\n")
      .filter((line) => / write\(1, /.test(line) && line.includes(" since "));
    expect(writes.length).toBeGreaterThan(2);
    const count = (text: string, part: string) => text.split(part).length - 1;
    // ESC 7 keeps the cursor, ESC 8 takes it back: strace(1) writes them in octal.
    for (const write of writes) expect(count(write, "\\0337")).toBe(count(write, "\\338"));
  },
  60_000,
);

test("in a pipe there is neither colour nor width", async () => {
  const { stdout, code } = await run([
    `${ROOT}dist/sd-notify`,
    "monitor",
    "--until=ready",
    "--notify-access=all",
    "--",
    "sh",
    "-c",
    `${ROOT}dist/sd-notify --ready --status="$(printf '%0300d' 1)"; exec sleep 1000`,
  ]);
  expect(code).toBe(0);
  expect(stdout).not.toContain("\x1b");
  expect(stdout).toContain(`STATUS=${"0".repeat(299)}1\n`);
});
