/** The monitor's endings: whatever others do, and whatever goes wrong, it ends with its command and leaves nothing. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, closeSync, copyFileSync, existsSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { compileHostile, noCompiler } from "./support/c.ts";
import { isRoot, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { select, startMonitor } from "./support/monitor.ts";

const WAIT = "trap 'exit 0' TERM; while :; do sleep 100 & wait $!; done";
const NOBODY = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
const noHostile = noCompiler ?? (isRoot ? missing("setpriv") : undefined);

const directory = temporaryDirectory();
let hostile = "";

beforeAll(async () => {
  if (!noCompiler) hostile = await compileHostile(directory.path);
});

afterAll(() => directory[Symbol.dispose]());

/** Whether a process with this text in its command line runs. */
function runs(text: string): boolean {
  return readdirSync("/proc").some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(text);
    } catch {
      return false;
    }
  });
}

test("a stopped command takes the signal of a stop", async () => {
  const { child, until, end } = startMonitor(
    [],
    `trap 'exit 0' TERM; $N --ready; kill -STOP $$; while :; do sleep 0.02; done`,
  );
  const { pid } = await until("started");
  while (!/\) T /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))) await Bun.sleep(5);
  child.kill("SIGTERM");
  const { code, events } = await end();
  expect(code).toBe(0);
  expect(select(events, "signal").map(({ signal }) => signal)).toEqual(["SIGTERM"]);
});

describe("a hostile neighbour", () => {
  test("does not find the monitor's socket", async () => {
    const { child, until, end } = startMonitor([], WAIT);
    const { socket } = await until("started");
    expect(readFileSync("/proc/net/unix", "latin1")).not.toContain(basename(socket));
    child.kill("SIGTERM");
    await end();
    expect(existsSync(dirname(socket))).toBe(false);
  });

  test.skipIf(Boolean(noHostile))(
    titled("that was told it can send whatever it likes: the monitor shows it, and keeps nothing open", noHostile),
    async () => {
      const { child, until, end } = startMonitor([], WAIT);
      const { socket } = await until("started");
      const count = () => readdirSync(`/proc/${child.pid}/fd`).length;
      for (let i = 0; i < 3; i++) expect((await run([...NOBODY, hostile, "fds", socket])).code).toBe(0);
      await run([`${ROOT}dist/sd-notify`, "X_LAST=1"], { env: { NOTIFY_SOCKET: socket } });
      await until("message", ({ text }) => text === "X_LAST=1");
      expect(count()).toBeLessThan(60);
      child.kill("SIGTERM");
      const { code, events, stderr } = await end();
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const kinds = new Set(select(events, "message").flatMap(({ fds }) => fds.map(({ kind }) => kind)));
      expect([...kinds].sort()).toEqual(["device", "directory", "fifo", "file", "memfd", "other", "socket"]);
      expect(events.at(-1)).toMatchObject({ event: "end", why: "stopped" });
    },
    30_000,
  );

  test.skipIf(Boolean(noHostile)).each(["SIGTERM", "SIGINT"] as const)(
    titled("that floods it does not keep it from ending by %s", noHostile),
    async (signal) => {
      const { child, until, end } = startMonitor([], WAIT);
      const { socket, pid } = await until("started");
      const flooders = Array.from({ length: 3 }, () => Bun.spawn([...NOBODY, hostile, "flood", socket]));
      await until("message");
      await Bun.sleep(300);
      const start = performance.now();
      child.kill(signal);
      const { code, events } = await end();
      for (const flooder of flooders) flooder.kill("SIGKILL");
      expect(code).toBe(0);
      expect(events.at(-1)).toMatchObject({ event: "end", why: "stopped" });
      expect(performance.now() - start).toBeLessThan(10_000);
      expect(existsSync(`/proc/${pid}`)).toBe(false);
      expect(existsSync(dirname(socket))).toBe(false);
    },
    30_000,
  );

  test.skipIf(Boolean(noCompiler))(
    titled("that the command has left behind is ended too", noCompiler),
    async () => {
      const { until, end } = startMonitor(
        ["--timeout-stop=1"],
        ["sh", "-c", `$N --ready; trap "" TERM; ${hostile} flood "$NOTIFY_SOCKET" & sleep 0.3`],
      );
      const { socket } = await until("started");
      const { code, events } = await end();
      expect(code).toBe(0);
      expect(events.at(-1)).toMatchObject({ event: "end", why: "ended" });
      expect(runs(socket)).toBe(false);
    },
    30_000,
  );
});

describe("the monitor ends", () => {
  test("at once when it was told to stop while it ended what the command had left", async () => {
    const { child, until, end } = startMonitor([], `$N --ready; (trap "" TERM; while :; do sleep 1; done) & sleep 0.3`);
    await until("signal", ({ why }) => why === "left over");
    child.kill("SIGTERM");
    const start = performance.now();
    expect((await end()).code).toBe(0);
    expect(performance.now() - start).toBeLessThan(8000);
  }, 20_000);

  test.each(["as text", "as JSON"])(
    "when nobody reads what it prints, which is more than a pipe holds, %s",
    async (form) => {
      using place = temporaryDirectory();
      const sender = `const { notifyRaw } = require(${JSON.stringify(`${ROOT}dist/index.js`)});
      for (let i = 0; i < 300; i++) notifyRaw("STATUS=" + "x".repeat(4000));
      require("node:fs").writeFileSync(process.argv[1], "");
      setInterval(() => {}, 1000);`;
      const sent = join(place.path, "sent");
      const fifo = join(place.path, "fifo");
      await run(["mkfifo", fifo]);
      const unread = openSync(fifo, "r+");
      const child = Bun.spawn(
        [
          `${ROOT}dist/sd-notify`,
          "monitor",
          ...(form === "as JSON" ? ["--json"] : []),
          "--",
          process.execPath,
          "-e",
          sender,
          sent,
        ],
        { stdio: ["ignore", unread, "inherit"], cwd: ROOT },
      );
      closeSync(unread);
      const reader = openSync(fifo, "r+");
      while (!existsSync(sent)) await Bun.sleep(5);
      await Bun.sleep(200);
      child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
      closeSync(reader);
      expect(runs(sent)).toBe(false);
    },
    20_000,
  );

  test("soon when the command is suspended: SIGCONT follows SIGTERM, as in systemd", async () => {
    const { child, until, end } = startMonitor([], `trap 'exit 0' TERM; $N --ready; kill -STOP $$; ${WAIT}`);
    const { pid } = await until("started");
    await until("phase", ({ to }) => to === "active");
    while (!/\) T/.test(readFileSync(`/proc/${pid}/stat`, "latin1"))) await Bun.sleep(5);
    child.kill("SIGTERM");
    const { events } = await end();
    expect(select(events, "exit")).toMatchObject([{ code: 0 }]);
    expect(select(events, "signal").map(({ signal }) => signal)).not.toContain("SIGKILL");
  });

  test("when the command ends while it is stopped a second time", async () => {
    const { child, until, end } = startMonitor([], `trap 'exit 7' TERM; $N --ready; while :; do sleep 0.01; done`);
    await until("phase", ({ to }) => to === "active");
    for (let i = 0; i < 5; i++) child.kill("SIGTERM");
    const { events } = await end();
    expect(events.at(-1)).toMatchObject({ event: "end", why: "stopped" });
  });

  const noPrlimit = missing("prlimit");
  test.skipIf(Boolean(noPrlimit))(
    titled("with one line when it can't see what to stop, and the command with it", noPrlimit),
    async () => {
      const { child, until, end } = startMonitor([], `$N --ready; ${WAIT}`);
      const { pid, socket } = await until("started");
      await until("barrier");
      // Nothing more can be opened until something is closed: neither can what Bun closes again at any time.
      const lists: number[][] = [];
      for (let i = 0; i < 20; i++) {
        lists.push(readdirSync(`/proc/${child.pid}/fd`).map(Number));
        await Bun.sleep(5);
      }
      let limit = 0;
      while (lists.every((open) => open.includes(limit))) limit++;
      await run(["prlimit", `--pid=${child.pid}`, `--nofile=${limit}`]);
      child.kill("SIGTERM");
      const { code, stderr } = await end();
      expect(code).toBe(1);
      // The shell has a word too.
      const lines = stderr.split("\n").filter((line) => line.startsWith("sd-notify: "));
      expect(lines).toEqual([expect.stringMatching(/^sd-notify: monitor: EMFILE: /)]);
      while (existsSync(`/proc/${pid}`)) await Bun.sleep(1);
      expect(existsSync(socket)).toBe(false);
    },
  );

  test("with one line when it can't start the command again", async () => {
    using place = temporaryDirectory();
    chmodSync(place.path, 0o755);
    const binary = join(place.path, "sd-notify");
    copyFileSync(`${ROOT}dist/sd-notify`, binary);
    const script = `$N --ready; while [ -x "$0" ]; do sleep 0.01; done`;
    const { until, end } = startMonitor(["--restart"], ["sh", "-c", script, binary], ["", [binary]]);
    const { socket } = await until("started");
    await until("phase", ({ to }) => to === "active");
    chmodSync(binary, 0o600);
    const { code, stderr } = await end();
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^sd-notify: monitor: EACCES.*\n$/) });
    expect(existsSync(dirname(socket))).toBe(false);
  });

  test("not when its file is gone, or another by then: it starts the command again", async () => {
    using place = temporaryDirectory();
    chmodSync(place.path, 0o755);
    const binary = join(place.path, "sd-notify");
    copyFileSync(`${ROOT}dist/sd-notify`, binary);
    const script = `$N --ready; while [ -e "$0" ]; do sleep 0.01; done; exec sleep 1000`;
    const { child, until, end } = startMonitor(["--restart"], ["sh", "-c", script, binary], ["", [binary]]);
    const { pid } = await until("started");
    await until("phase", ({ to }) => to === "active");
    rmSync(binary);
    process.kill(pid, "SIGKILL");
    await until("started", ({ pid: other }) => other !== pid);
    child.kill("SIGTERM");
    await end();
  });
});
