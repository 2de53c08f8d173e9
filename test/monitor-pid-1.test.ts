/** The monitor does as PID 1 does: states, signals and processes, in real ones. */

import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync } from "node:fs";
import { basename, join } from "node:path";
import { compileProgram, noCompiler } from "./support/c.ts";
import { isRoot, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { monitor, select, startMonitor } from "./support/monitor.ts";

const WAIT = "trap 'exit 0' TERM; while :; do sleep 100 & wait $!; done";
const phases = (events: Parameters<typeof select>[0]) => select(events, "phase").map(({ to }) => to);

describe("while the unit is activating", () => {
  test("RELOADING=1 does not end the start: READY=1 does, and --until=ready ends there", async () => {
    const script = `$N RELOADING=1; $N --ready; ${WAIT}`;
    const { code, events } = await monitor(["--until=ready", "--timeout=10"], script);
    expect(phases(events)).toEqual(["activating", "active", "deactivating", "inactive"]);
    expect(events.at(-1)).toMatchObject({ why: "ready", ignored: 0 });
    expect(code).toBe(0);
    const [reloading] = select(events, "message");
    expect(reloading?.verdict).toEqual({
      effects: ["nothing yet: the unit is activating until READY=1"],
      problems: [],
    });
  });

  test("RELOADING=1 of Type=notify-reload needs no time, as PID 1 has asked for nothing", async () => {
    const script = `trap : HUP; $N RELOADING=1; $N --ready; ${WAIT}`;
    const { code, events } = await monitor(["--type=notify-reload", "--until=ready", "--strict"], script);
    expect(events.at(-1)).toMatchObject({ why: "ready", ignored: 0 });
    expect(code).toBe(0);
  });

  test("the time for the start runs on after RELOADING=1", async () => {
    const { code, events } = await monitor(["--timeout-start=300ms"], `$N RELOADING=1; ${WAIT}`);
    expect(events.at(-1)).toMatchObject({ why: "no READY=1 within the time of TimeoutStartSec=" });
    expect(code).toBe(4);
  });

  test("STOPPING=1 is not the stop, but takes away READY=1, and the end is none of success", async () => {
    const { code, events } = await monitor([], "$N --stopping; $N --ready");
    expect(phases(events)).toEqual(["activating", "failed"]);
    const [stopping, ready] = select(events, "message");
    expect(stopping?.verdict.effects[0]).toMatch(/^the unit is still activating/);
    expect(ready?.verdict.problems).toEqual([
      { what: "READY=1", why: "the unit is stopping, and STOPPING=1 is final" },
    ]);
    expect(events.at(-1)).toMatchObject({ why: "it ended before READY=1 (Result=protocol)" });
    expect(code).toBe(3);
  });

  test("EXTEND_TIMEOUT_USEC= does not shorten its time", async () => {
    const script = "$N EXTEND_TIMEOUT_USEC=1000; sleep 0.2; $N --ready";
    const { code } = await monitor(["--timeout-start=30s", "--until=ready"], script);
    expect(code).toBe(0);
  });
});

describe("Type=notify-reload takes a start of a program that", () => {
  const python = missing("python3");
  const SEND = `import os, signal, socket, sys
def send(text):
    path = os.environ["NOTIFY_SOCKET"]
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(text.encode(), "\\0" + path[1:] if path[0] == "@" else path)
`;
  test.skipIf(Boolean(python)).each([
    ["catches", "signal.signal(signal.SIGHUP, lambda *_: None)"],
    ["blocks", "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])"],
    ["ignores", "signal.signal(signal.SIGHUP, signal.SIG_IGN)"],
  ])(titled("%s the signal", python), async (_, how) => {
    const program = `${SEND}${how}\nsend("READY=1")\nsignal.sigwait([signal.SIGTERM])`;
    const { code, events } = await monitor(
      ["--type=notify-reload", "--until=ready", "--strict", "--timeout=10"],
      ["python3", "-c", program],
    );
    expect(select(events, "message")[0]?.verdict).toMatchObject({ effects: ["the unit is active"], problems: [] });
    expect(code).toBe(0);
  });
});

/** A process whose first thread exits, and whose other one lives on. */
const THREAD = `
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *live(void *path) { fclose(fopen(path, "w")); for (;;) pause(); return path; }
int main(int argc, char **argv) {
  pthread_t thread;
  if (argc < 2) return 1;
  pthread_create(&thread, NULL, live, argv[1]);
  pthread_exit(NULL);
}`;

describe("an adopted process whose first thread has exited", () => {
  test.skipIf(Boolean(noCompiler))(
    titled("keeps nobody waiting, and is ended with the rest", noCompiler),
    async () => {
      using directory = temporaryDirectory();
      const program = await compileProgram(directory.path, "thread", THREAD);
      const up = join(directory.path, "up");
      const script = `(setsid ${program} ${up} &); while [ ! -e ${up} ]; do sleep 0.01; done; $N --ready; ${WAIT}`;
      const { child, until, end } = startMonitor(["--timeout-stop=5"], script);
      await until("phase", ({ to }) => to === "active");
      const start = performance.now();
      child.kill("SIGTERM");
      const { code, events } = await end();
      expect(code).toBe(0);
      expect(performance.now() - start).toBeLessThan(4000);
      const [term] = select(events, "signal");
      // The shell and the program; sleep(1) may not have been started yet.
      expect(term?.pids.length).toBeGreaterThanOrEqual(2);
      for (const pid of term?.pids ?? []) expect(existsSync(`/proc/${pid}`)).toBe(false);
    },
    20_000,
  );

  test.skipIf(Boolean(noCompiler))(
    titled("can be the main process, by MAINPID=", noCompiler),
    async () => {
      using directory = temporaryDirectory();
      const program = await compileProgram(directory.path, "thread", THREAD);
      const up = join(directory.path, "up");
      const script = `${program} ${up} & while [ ! -e ${up} ]; do sleep 0.01; done; $N --ready MAINPID=$!; exit 0`;
      const { child, until, end } = startMonitor([], script);
      await until("exit");
      const start = performance.now();
      child.kill("SIGTERM");
      const { code, events } = await end();
      expect({ code, took: performance.now() - start < 4000 }).toEqual({ code: 0, took: true });
      expect(select(events, "exit")[1]).toMatchObject({ signal: "SIGTERM" });
    },
    20_000,
  );
});

/** A program that becomes another user, whose processes the caller may not end. */
const OTHER_USER = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
  if (argc < 2 || setresuid(0, 0, 0) != 0) return 1;
  fclose(fopen(argv[1], "w"));
  alarm(60);
  for (;;) pause();
}`;

const noOtherUser = noCompiler ?? (isRoot ? missing("setpriv") : "it takes root");

test.skipIf(Boolean(noOtherUser))(
  titled("a process that the monitor may not end is told and counted, and does not keep it", noOtherUser),
  async () => {
    using directory = temporaryDirectory();
    const program = await compileProgram(directory.path, "other", OTHER_USER);
    chmodSync(program, 0o4755);
    await run(["cp", `${ROOT}dist/sd-notify`, join(directory.path, "sd-notify")]);
    const up = join(directory.path, "up");
    const command = [join(directory.path, "sd-notify")];
    const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ...command];
    const { child, events, until, end } = startMonitor(["--timeout-stop=100ms"], [program, up], ["", nobody]);
    const { pid } = await until("started");
    while (!existsSync(up)) await Bun.sleep(5);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(3);
    // It has standard error open.
    process.kill(pid, "SIGKILL");
    await end();
    expect(select(events, "signal")).toMatchObject([
      { signal: "SIGTERM", pids: [], refused: [pid], why: "SIGTERM" },
      { signal: "SIGKILL", pids: [], refused: [pid], why: "the time of TimeoutStopSec= is over" },
    ]);
    expect(events.at(-1)).toMatchObject({ event: "end", refused: 2, why: "a process of it can't be killed" });
  },
  30_000,
);

/** TASK_COMM_LEN of the kernel's: 15 characters. */
const BUN_NAME = basename(process.execPath).slice(0, 15);

describe("the monitor shows", () => {
  test("a barrier without a file descriptor as refused, and not as answered", async () => {
    const { events } = await monitor([], "$N BARRIER=1 --no-block; $N --ready");
    const [refused, answered] = select(events, "barrier");
    expect(refused).not.toHaveProperty("answeredUsec");
    expect(refused?.verdict.problems[0]?.why).toContain("exactly one fd, not with 0");
    expect(answered?.answeredUsec).toBeGreaterThan(0);
    const { stdout } = await run([`${ROOT}dist/sd-notify`, "monitor", "--", "sh", "-c", "$N BARRIER=1 --no-block"], {
      env: { N: `${ROOT}dist/sd-notify` },
    });
    expect(stdout).toMatch(/BARRIER=1\n/);
    expect(stdout).not.toContain("answered");
  });

  test("the name of a sender that has ended, where it was seen before", async () => {
    const { child, until, end } = startMonitor([], WAIT);
    const { socket } = await until("started");
    const program = `const { notifyRaw, barrierSync } = require(${JSON.stringify(`${ROOT}dist/index.js`)});
      notifyRaw("X_SEEN=1"); barrierSync(); process.kill(${child.pid}, "SIGSTOP"); notifyRaw("X_LAST=1"); process.exit();`;
    await run([process.execPath, "-e", program], { env: { NOTIFY_SOCKET: socket } });
    child.kill("SIGCONT");
    const { sender } = await until("message", ({ text }) => text === "X_LAST=1");
    expect(sender).toMatchObject({ role: "gone", name: BUN_NAME });
    child.kill("SIGTERM");
    await end();
  });

  test("the name of a main process that ends with its only message", async () => {
    const { child, until, end } = startMonitor(
      [],
      [
        process.execPath,
        "-e",
        `const { notifyRaw } = require(${JSON.stringify(`${ROOT}dist/index.js`)});
      process.kill(process.ppid, "SIGSTOP"); notifyRaw("READY=1"); process.exit();`,
      ],
    );
    while (!/^State:\s+T/m.test(await Bun.file(`/proc/${child.pid}/status`).text())) await Bun.sleep(5);
    child.kill("SIGCONT");
    const { sender } = await until("message");
    expect(sender).toMatchObject({ role: "main", name: BUN_NAME });
    await end();
  });

  test("fds whose FDNAME= is no name as stored by the name of those without", async () => {
    const script = "$N --ready FDSTORE=1 --fd=0 --fdname=a 2>/dev/null; $N 'FDNAME=a:b' FDSTORE=1 --fd=0";
    const { events } = await monitor(["--fdstore=2"], script);
    const stored = select(events, "fd").map(({ name }) => name);
    expect(stored.at(-1)).toBe("stored");
  });
});
