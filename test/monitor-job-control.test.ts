/** The monitor under a shell with job control: what it does with a terminal that is not always its own. */

import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { missing, ROOT, temporaryDirectory, titled } from "./support/command.ts";
import { openTmux } from "./support/terminal.ts";

const noShell = missing("tmux") ?? missing("bash");
const directory = temporaryDirectory();
const { open, close } = openTmux(directory.path);

afterAll(async () => {
  if (!noShell) await close();
  directory[Symbol.dispose]();
});

let shells = 0;

/** An interactive shell, in which `monitor` runs the monitor with a program that reloads. */
async function openShell({ options = "", columns = 100, rows = 30, isPlain = false } = {}) {
  const base = `${directory.path}/s${++shells}`;
  const pid = `${base}.pid`;
  const program = `N=${ROOT}dist/sd-notify; exec 2>/dev/null
    trap '$N --reloading; $N --ready' HUP; trap 'exit 0' TERM
    $N --ready; echo "$PPID $$" >${pid}.new; mv ${pid}.new ${pid}; while :; do sleep 1000 & wait $!; done`;
  await Bun.write(`${base}.sh`, program);
  const command = `${ROOT}dist/sd-notify monitor --notify-access=all ${options} -- sh ${base}.sh`;
  await Bun.write(
    `${base}.rc`,
    `PS1='$ '\nalias detached='setsid '\nalias session='setsid --wait '\nalias monitor='${command}'\n`,
  );
  // A plain shell sets no modes itself.
  const shell = isPlain ? `ENV=${base}.rc exec sh -i` : `exec bash --noprofile --rcfile ${base}.rc`;
  const terminal = await open(shell, columns, rows);
  const type = (text: string) => terminal.press("-l", text);
  const enter = async (line: string) => {
    await type(line);
    await terminal.press("Enter");
  };
  const pids = () =>
    until(() => existsSync(pid) && (readFileSync(pid, "utf8").split(" ").map(Number) as [number, number]));
  let files = 0;
  await terminal.until("$");
  return {
    ...terminal,
    type,
    enter,
    /** Enters a line that starts the monitor. Returns its pid when the command is ready. */
    async start(line: string): Promise<number> {
      await enter(line);
      return (await pids())[0];
    },
    /** The pid of the program. */
    program: async () => (await pids())[1],
    /** The modes of the terminal as a program sees them that the shell starts now. */
    async modes(): Promise<string> {
      const file = `${base}.modes${++files}`;
      await enter(`stty -a >${file}.new; mv ${file}.new ${file}`);
      return until(() => existsSync(file) && readFileSync(file, "utf8"));
    },
    /** Waits until the rows down to this one scroll, counted from 0. */
    scrollsTo: (last: number) => until(async () => (await terminal.region()).startsWith(`0 ${last} `)),
  };
}

async function until<T>(look: () => T | Promise<T>): Promise<Exclude<T, false | undefined>> {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; await Bun.sleep(20)) {
    const seen = await look();
    if (seen !== false && seen !== undefined) return seen as Exclude<T, false | undefined>;
  }
  throw new Error("it has not come to that in 10 s");
}

/** R: running, S: sleeping, T: stopped, proc_pid_stat(5). */
const stateOf = (pid: number) => /\) (.)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1];
const untilStopped = (pid: number) => until(() => stateOf(pid) === "T");

const FOOT = /── active since[\s\S]*q quit/;

describe.skipIf(Boolean(noShell))(titled("under a shell with job control the monitor", noShell), () => {
  test("runs in the background, changes nothing about the terminal there, and takes keys after fg", async () => {
    const shell = await openShell();
    const before = await shell.modes();
    const pid = await shell.start("monitor &");
    await shell.until("activating → active");
    expect(stateOf(pid)).not.toBe("T");
    expect(await shell.modes()).toBe(before);
    // The shell gets what is typed.
    await shell.enter("echo r$((1))");
    await shell.until(/^r1$/m);
    expect(stateOf(pid)).not.toBe("T");
    expect(await shell.screen()).not.toContain("──");
    await shell.scrollsTo(29);
    await shell.enter("fg");
    await shell.until(FOOT);
    await shell.scrollsTo(27);
    await shell.press("r");
    await shell.until("reloading → active");
    await shell.press("q");
    await shell.until("timeline");
    expect(await shell.modes()).toBe(before);
    await shell.scrollsTo(29);
  }, 30_000);

  test("ends in the background, and leaves the modes of the program in the foreground alone", async () => {
    const shell = await openShell();
    const pid = await shell.start("monitor");
    await shell.until(FOOT);
    await shell.press("C-z");
    await untilStopped(pid);
    await shell.enter("bg");
    await until(() => stateOf(pid) !== "T");
    const file = `${directory.path}/raw`;
    await shell.enter(`stty raw -echo; stty -a >${file}; kill %1; wait -f %1; stty -a >${file}.after; stty sane`);
    await until(() => existsSync(`${file}.after`) && readFileSync(`${file}.after`, "utf8") !== "");
    expect(readFileSync(`${file}.after`, "utf8")).toBe(readFileSync(file, "utf8"));
    await shell.until("timeline");
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  }, 30_000);

  test("keeps the modes that it found when it came to the foreground, not those of its start", async () => {
    const shell = await openShell({ isPlain: true });
    await shell.start("monitor &");
    await shell.enter("stty -echo susp undef");
    const before = await shell.modes();
    expect(before).toContain(" -echo ");
    await shell.enter("fg");
    await shell.until(FOOT);
    await shell.press("q");
    await shell.until("timeline");
    expect(await shell.modes()).toBe(before);
  }, 30_000);

  test.each(["C-z", "SIGTSTP", "SIGSTOP"] as const)(
    "has its keys, its modes and its foot again after %s and fg",
    async (how) => {
      const shell = await openShell();
      const before = await shell.modes();
      const pid = await shell.start("monitor");
      await shell.until(FOOT);
      for (let i = 1; i <= 2; i++) {
        if (how === "C-z") await shell.press("C-z");
        else process.kill(pid, how);
        await untilStopped(pid);
        await shell.until(/Stopped/);
        // The shell, or a program like it, sets the modes.
        expect(await shell.modes()).toBe(before);
        if (how !== "SIGSTOP") await shell.scrollsTo(29);
        await shell.enter("clear");
        await shell.enter("fg");
        await shell.until(FOOT);
        await shell.scrollsTo(27);
        await shell.press("r");
        await shell.until("reloading → active");
      }
      await shell.press("q");
      await shell.until("timeline");
      expect(await shell.modes()).toBe(before);
      await shell.scrollsTo(29);
    },
    30_000,
  );

  test.each(["C-z", "SIGSTOP"] as const)(
    "leaves the terminal to the shell when it goes on in the background after %s",
    async (how) => {
      const shell = await openShell();
      const before = await shell.modes();
      const pid = await shell.start("monitor");
      await shell.until(FOOT);
      if (how === "C-z") await shell.press("C-z");
      else process.kill(pid, how);
      await untilStopped(pid);
      await shell.until(/Stopped/);
      await shell.enter("bg");
      await until(() => stateOf(pid) !== "T");
      await shell.scrollsTo(29);
      await shell.enter("clear");
      process.kill(await shell.program(), "SIGHUP");
      await shell.until("reloading → active");
      await shell.enter("echo r$((1))");
      expect(await shell.until(/r1$/m)).not.toContain("──");
      expect(stateOf(pid)).not.toBe("T");
      expect(await shell.modes()).toBe(before);
      process.kill(pid, "SIGTERM");
      await shell.until("timeline");
      expect(await shell.modes()).toBe(before);
    },
    30_000,
  );

  test("draws its foot at the right rows when the terminal changed its size meanwhile", async () => {
    const shell = await openShell();
    const pid = await shell.start("monitor");
    await shell.until(FOOT);
    await shell.press("C-z");
    await untilStopped(pid);
    await shell.resize(120, 20);
    await shell.enter("fg");
    await shell.scrollsTo(17);
    const screen = await shell.until(FOOT);
    const foot = screen.split("\n").findIndex((line) => line.startsWith("── active"));
    expect(foot).toBe(18);
    expect(screen.split("\n")[foot]).toHaveLength(120);
    await shell.press("q");
    await shell.until("timeline");
    await shell.scrollsTo(19);
  }, 30_000);

  test("wraps what it prints in the background to the size that the terminal has then", async () => {
    const shell = await openShell({ options: "--watchdog=1" });
    await shell.start("monitor &");
    await shell.until("activating → active");
    await shell.resize(60, 30);
    await shell.enter("clear");
    const screen = await shell.until(/no ping for 1 s[\s\S]*no ping for 1 s/);
    expect(screen).toMatch(/ +[\d.]+ s {2}no ping for 1 s: systemd would abort the unit\n {13}\S/m);
    await shell.enter("kill %1");
    await shell.until("timeline");
  }, 30_000);
});

const noSetsid = noShell ?? missing("setsid");
describe.skipIf(Boolean(noSetsid))(titled("in a session without a terminal, such as that of su -c,", noSetsid), () => {
  test("the monitor has its keys and its foot while the parent of the session is in the foreground", async () => {
    const shell = await openShell();
    const before = await shell.modes();
    await shell.start("session monitor");
    await shell.until(FOOT);
    await shell.press("C-z");
    await shell.scrollsTo(29);
    await shell.scrollsTo(27);
    await shell.press("r");
    await shell.until("reloading → active");
    await shell.press("q");
    await shell.until("timeline");
    expect(await shell.modes()).toBe(before);
    await shell.scrollsTo(29);
  }, 30_000);

  test.each(["session monitor &", "detached monitor"])(
    "%s changes nothing about the terminal",
    async (line) => {
      const shell = await openShell();
      const before = await shell.modes();
      const pid = await shell.start(line);
      await shell.until("activating → active");
      expect(await shell.modes()).toBe(before);
      expect(await shell.screen()).not.toContain("──");
      process.kill(pid, "SIGTERM");
      await shell.until("timeline");
      await until(() => !existsSync(`/proc/${pid}`));
      expect(await shell.modes()).toBe(before);
    },
    30_000,
  );
});

test.skipIf(Boolean(noShell))(
  titled("without a shell that could continue it, Ctrl-Z does not stop the monitor", noShell),
  async () => {
    const command = `exec ${ROOT}dist/sd-notify monitor --notify-access=all -- sh -c`;
    const terminal = await open(`${command} '${ROOT}dist/sd-notify --ready; exec sleep 1000'`, 100, 30);
    await terminal.until(FOOT);
    await terminal.press("C-z");
    // The foot goes, and comes back.
    await until(async () => (await terminal.region()).startsWith("0 29 "));
    await until(async () => (await terminal.region()).startsWith("0 27 "));
    await terminal.press("?");
    await terminal.until(/show this[\s\S]*── active/);
    await terminal.press("q");
  },
  30_000,
);
