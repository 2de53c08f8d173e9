/** The terminal after the monitor: as it was before, however the monitor ends. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { openTmux } from "./support/terminal.ts";

const noTmux = missing("tmux");
const directory = temporaryDirectory();
const { open, close } = openTmux(directory.path);

setDefaultTimeout(30_000);

afterAll(async () => {
  if (!noTmux) await close();
  directory[Symbol.dispose]();
});

let windows = 0;

/** The monitor with a program, in a terminal of its own. */
async function openMonitor(program: string, options = "") {
  const base = `${directory.path}/w${++windows}`;
  await Bun.write(`${base}.sh`, `N=${ROOT}dist/sd-notify; exec 2>/dev/null\necho $PPID >${base}.pid\n${program}\n`);
  const command = `${ROOT}dist/sd-notify monitor --notify-access=all ${options} -- sh ${base}.sh`;
  const terminal = await open(
    `trap : QUIT; stty -a >${base}.before; ${command}; echo "status $?"; stty -a >${base}.after; echo restored; cat`,
    100,
    30,
  );
  await terminal.until(/── active since[\s\S]*q quit/);
  const read = (what: string) => readFileSync(`${base}.${what}`, "utf8");
  return {
    ...terminal,
    base,
    kill: (signal: NodeJS.Signals) => process.kill(Number(read("pid")), signal),
    /** Waits for the end. Returns the screen. */
    async end(): Promise<string> {
      const screen = await terminal.until("restored");
      expect(read("after")).toBe(read("before"));
      expect((await terminal.region()).trim()).toBe("0 29 30");
      expect(screen).not.toContain("q quit");
      return screen;
    },
  };
}

/** The number of write(2) in /proc/PID/syscall. */
const SYS_WRITE = process.arch === "x64" ? 1 : 64;

const WAIT = "trap 'exit 0' TERM; $N --ready; while :; do sleep 1000 & wait $!; done";

describe.skipIf(Boolean(noTmux))(titled("the terminal is as it was before", noTmux), () => {
  test.each([
    ["SIGINT", 0],
    ["SIGTERM", 0],
    ["SIGHUP", 0],
    ["SIGQUIT", 131],
    ["SIGUSR1", 138],
    ["SIGUSR2", 140],
    ["SIGALRM", 142],
    ["SIGXCPU", 152],
  ] as const)("after %s, and the exit status is %d", async (signal, status) => {
    const terminal = await openMonitor(WAIT);
    terminal.kill(signal);
    const screen = await terminal.end();
    expect(screen).toContain(`${signal}\n`);
    expect(screen).toContain(`; stopped\n`);
    expect(screen).toContain(`status ${status}\n`);
  });

  test("after Ctrl-\\, which is a key and no signal", async () => {
    const terminal = await openMonitor(WAIT);
    await terminal.press("C-\\");
    const screen = await terminal.end();
    expect(screen).toMatch(/SIGTERM to process(es)? [\d, ]+: Ctrl-\\\n/);
    expect(screen).toContain("status 131\n");
  });

  test.each(["SIGTERM", "SIGQUIT"] as const)("after %s twice, for a program that ignores SIGTERM", async (signal) => {
    const terminal = await openMonitor("trap '' TERM; $N --ready; while :; do sleep 1; done");
    terminal.kill(signal);
    await terminal.until("SIGTERM to process");
    terminal.kill(signal);
    expect(await terminal.end()).toContain(`${signal}, once more\n`);
  });

  test("after the end of the program, however it ends", async () => {
    const well = await openMonitor(`$N --ready; until [ -e ${directory.path}/go ]; do sleep 0.05; done`);
    const badly = await openMonitor(`$N --ready; until [ -e ${directory.path}/go ]; do sleep 0.05; done; kill -9 $$`);
    await Bun.write(`${directory.path}/go`, "");
    expect(await well.end()).toContain("status 0\n");
    expect(await badly.end()).toContain("status 3\n");
  });

  test("after an error of the monitor itself", async () => {
    const terminal = await openMonitor(WAIT, "--report=/dev/full");
    await terminal.press("q");
    expect(await terminal.end()).toContain("status 1\n");
  });

  test("and SIGPIPE changes nothing", async () => {
    const terminal = await openMonitor(WAIT);
    terminal.kill("SIGPIPE");
    await terminal.press("?");
    await terminal.until("show this");
    await terminal.press("q");
    expect(await terminal.end()).toContain("status 0\n");
  });
});

function hasEnded(pid: number): boolean {
  try {
    return /\) Z/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    // It has been waited for in the meantime.
    return true;
  }
}

const noScript = missing("script");
test.skipIf(Boolean(noScript))(
  titled("a terminal that takes no more output does not keep the monitor from ending", noScript),
  async () => {
    const [fifo, pid] = ["fifo", "pid"].map((name) => `${directory.path}/${name}-${crypto.randomUUID()}`) as [
      string,
      string,
    ];
    const program = `echo $PPID >${pid}.new; mv ${pid}.new ${pid}
      i=0; while :; do ${ROOT}dist/sd-notify --no-block STATUS=$i$(printf %0900d 1); i=$((i+1)); done 2>/dev/null`;
    await Bun.write(`${pid}.sh`, program);
    await run(["mkfifo", fifo]);
    const unread = openSync(fifo, "r+");
    const command = `${ROOT}dist/sd-notify monitor --notify-access=all -- sh ${pid}.sh`;
    const script = Bun.spawn(["script", "-q", "-c", command, "/dev/null"], { stdio: ["pipe", unread, "ignore"] });
    while (!existsSync(pid)) await Bun.sleep(10);
    const monitor = Number(readFileSync(pid, "utf8"));
    // The pipe and the terminal are full when a thread of the monitor waits.
    const isStalled = () =>
      readdirSync(`/proc/${monitor}/task`).some((task) =>
        readFileSync(`/proc/${monitor}/task/${task}/syscall`, "utf8").startsWith(`${SYS_WRITE} 0x1 `),
      );
    while (!isStalled()) await Bun.sleep(20);
    await Bun.sleep(200);
    process.kill(monitor, "SIGTERM");
    // script(1) may wait for it only when it has written everything.
    while (!hasEnded(monitor)) await Bun.sleep(20);
    closeSync(unread);
    script.kill("SIGKILL");
    await script.exited;
  },
  20_000,
);

test.skipIf(Boolean(noTmux))(
  titled("a monitor for which SIGQUIT is ignored ignores it, and so does its command", noTmux),
  async () => {
    const ignored = `${directory.path}/ignored`;
    const program = `${ROOT}dist/sd-notify --ready; kill -QUIT $PPID; kill -QUIT $$; echo $PPID >${ignored}`;
    await Bun.write(`${ignored}.sh`, `${program}; exec sleep 1000`);
    const command = `exec ${ROOT}dist/sd-notify monitor --notify-access=all -- sh ${ignored}.sh`;
    const terminal = await open(`trap '' QUIT; ${command}`);
    await terminal.until(/── active/);
    while (!existsSync(ignored)) await Bun.sleep(10);
    await terminal.press("?");
    expect(await terminal.until("show this")).not.toContain("SIGTERM to process");
    await terminal.press("q");
  },
);
