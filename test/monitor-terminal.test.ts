import { afterAll, describe, expect, test } from "bun:test";
import { missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";

const noTmux = missing("tmux");
const directory = temporaryDirectory();
const socket = `${directory.path}/tmux`;
const tmux = async (...args: string[]) =>
  // The user's own shell may be one that lets nobody in.
  (await run(["tmux", "-S", socket, "-f", "/dev/null", ...args], { env: { SHELL: "/bin/sh" } })).stdout;

afterAll(async () => {
  await tmux("kill-server");
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
  const name = `w${++windows}`;
  const script = `${directory.path}/${name}.sh`;
  await Bun.write(script, `N=${ROOT}dist/sd-notify\n${program}\n`);
  const command = `stty -a > ${script}.before; ${environment} ${ROOT}dist/sd-notify monitor --notify-access=all ${options} -- sh ${script}; echo "status $?"; stty -a > ${script}.after; echo restored; cat`;
  await tmux("new-session", "-d", "-s", name, "-x", `${columns}`, "-y", "50", command);
  return { ...reach(name), script };
}

function reach(name: string) {
  /** The screen, colours included when asked for. */
  const screen = (colours = false) => tmux("capture-pane", "-p", "-t", name, ...(colours ? ["-e"] : []));
  return {
    /** Returns the screen in which the text stands. */
    async until(text: string | RegExp, colours = false): Promise<string> {
      for (const deadline = performance.now() + 10_000; performance.now() < deadline; await Bun.sleep(20)) {
        const shown = await screen(colours);
        if (typeof text === "string" ? shown.includes(text) : text.test(shown)) return shown;
      }
      throw new Error(`no ${text} on the screen:\n${await screen()}`);
    },
    press: (...keys: string[]) => tmux("send-keys", "-t", name, ...keys),
  };
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
    expect(screen).not.toContain("ignored");
    await terminal.press("q");
    await terminal.until("status 0");
  }, 30_000);

  test("npm start shows the example server, until q", async () => {
    const { scripts } = await Bun.file(`${ROOT}package.json`).json();
    const name = `w${++windows}`;
    const path = `PATH=${ROOT}node_modules/.bin:$PATH`;
    await tmux(
      "new-session",
      "-d",
      "-s",
      name,
      "-x",
      "100",
      "-y",
      "50",
      `${path} ${scripts.start}; echo "status $?"; cat`,
    );
    const terminal = reach(name);
    await terminal.until("STATUS=Listening on http://localhost:");
    await terminal.press("r");
    await terminal.until("reloading → active");
    await terminal.press("q");
    expect(await terminal.until("status 0")).toContain("STOPPING=1");
  }, 30_000);

  test("in 60 columns no line is cut or broken by the terminal", async () => {
    const terminal = await openTerminal("--until=ready", 60);
    const screen = await terminal.until("restored");
    const lines = screen.split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    // A line that the terminal itself broke would begin at its first column.
    expect(lines.filter((line) => /^\S/.test(line))).toEqual([
      expect.stringMatching(/^Keys: /),
      "status 0",
      "restored",
    ]);
  }, 30_000);

  test("is in colour, and not with NO_COLOR", async () => {
    const coloured = await openTerminal("--until=ready");
    expect(await coloured.until("status 0", true)).toContain("\x1b[32mactive");
    const plain = await openTerminal("--until=ready", 100, "NO_COLOR=1");
    expect(await plain.until("status 0", true)).not.toContain("\x1b[3");
  }, 30_000);
});

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
