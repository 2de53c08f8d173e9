import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { openReceiver } from "../src/receiver/receiver.ts";
import { decodeLine } from "../src/tools/monitor/decode.ts";
import { show } from "../src/tools/monitor/show.ts";
import { COMMANDS, isRoot, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { monitor, select, startMonitor } from "./support/monitor.ts";

const phases = (events: Parameters<typeof select>[0]) => select(events, "phase").map(({ to }) => to);
const WAIT = "trap 'exit 0' TERM; while :; do sleep 100 & wait $!; done";

describe.each(COMMANDS)("monitor of %s", (...form) => {
  test("shows what a server tells, and ends when it is ready", async () => {
    const { end } = startMonitor(["--until=ready"], [process.execPath, `${ROOT}examples/server.ts`], form);
    const { code, events } = await end();
    expect(code).toBe(0);
    expect(phases(events)).toEqual(["activating", "active", "deactivating", "inactive"]);
    const [ready, stopping] = select(events, "message");
    expect(ready).toMatchObject({ sender: { role: "main" }, verdict: { problems: [] } });
    expect(ready?.text).toMatch(/^READY=1\nSTATUS=Listening on /);
    expect(ready?.verdict.effects[0]).toBe("the unit is active");
    expect(stopping?.text).toMatch(/^STOPPING=1\n/);
    expect(events.at(-1)).toMatchObject({ event: "end", messages: 2, ignored: 0, status: 0, why: "ready" });
  });

  test("is killed, and nothing of it is left", async () => {
    const { child, until } = startMonitor([], `$N --ready; ${WAIT}`, form);
    const { pid } = await until("started");
    await until("phase", ({ to }) => to === "active");
    child.kill("SIGKILL");
    await child.exited;
    while (existsSync(`/proc/${pid}`)) await Bun.sleep(1);
  });
});

describe("a sender is", () => {
  const cases: [string, string, string, string][] = [
    ["the main process", "exec $N --ready --pid=self", "main", ""],
    // Without privilege, the command sends as itself.
    isRoot
      ? ["the shell that is the main process", "$N --ready; exit 0", "main", ""]
      : ["a command of the shell that is the main process", "$N --ready; exit 0", "member", "not the main process"],
    ["a child", `$N X_A=1 --pid=self; $N --ready`, "member", "process \\d+ is not the main process.*NotifyAccess=all"],
    [
      "a process that its parent has left",
      `(setsid sh -c '$N X_A=1 --pid=self; : > "$0"' "$1" &) ; while [ ! -e "$1" ]; do sleep 0.01; done; $N --ready`,
      "member",
      "not the main process",
    ],
  ];
  test.each(cases)("%s", async (_, script, role, why) => {
    using directory = temporaryDirectory();
    const { events } = await monitor(
      ["--notify-access=main", "--timeout=10"],
      ["sh", "-c", script, "sh", `${directory.path}/done`],
    );
    const [first] = select(events, "message");
    expect(first?.sender.role).toBe(role as never);
    const told = first?.verdict.problems.map(({ why, cure }) => `${why} ${cure}`).join() ?? "";
    if (why === "") expect(told).toBe("");
    else expect(told).toMatch(new RegExp(why));
  });

  test("a stranger", async () => {
    const { child, until, end } = startMonitor([], WAIT);
    const { socket } = await until("started");
    await run([`${ROOT}dist/sd-notify`, "--ready", "--pid=self"], { env: { NOTIFY_SOCKET: socket } });
    const { sender, verdict } = await until("message");
    expect(sender.role).toBe("stranger");
    expect(verdict.problems[0]?.why).toMatch(/is not of this unit/);
    child.kill("SIGTERM");
    expect((await end()).code).toBe(0);
  });

  test("gone when it has ended before it was looked at", async () => {
    const { child, until, end } = startMonitor([], WAIT);
    const { socket } = await until("started");
    child.kill("SIGSTOP");
    const env = { NOTIFY_SOCKET: socket };
    await run([`${ROOT}dist/sd-notify`, "--ready", "--no-block", "--pid=self"], { env });
    child.kill("SIGCONT");
    const { sender, verdict } = await until("message");
    expect(sender.role).toBe("gone");
    expect(verdict.problems[0]).toMatchObject({
      why: expect.stringMatching(/^process \d+ had exited before/),
      cure: expect.stringMatching(/^wait for a barrier/),
    });
    child.kill("SIGTERM");
    await end();
  });

  const noNamespace = isRoot ? missing("unshare") : "it takes root";
  test.skipIf(Boolean(noNamespace))(titled("not to be seen from another PID namespace", noNamespace), async () => {
    const command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", `${ROOT}dist/sd-notify`];
    const { child, until } = startMonitor([], WAIT, ["", command]);
    const { socket } = await until("started");
    await run([`${ROOT}dist/sd-notify`, "--ready"], { env: { NOTIFY_SOCKET: socket } });
    expect((await until("message")).verdict.problems[0]?.why).toMatch(/^it carries no credentials/);
    child.kill("SIGKILL");
    await child.exited;
  });

  test("taken from all with --notify-access=all", async () => {
    const { code, events } = await monitor(
      ["--notify-access=all", "--until=ready", "--strict"],
      `$N --ready --pid=self; ${WAIT}`,
    );
    expect(code).toBe(0);
    expect(select(events, "message")[0]).toMatchObject({ sender: { role: "member" }, verdict: { problems: [] } });
  });
});

test("every reason to ignore a message, of a program that gives them all", async () => {
  const program = `
    const { barrierSync, notifyRaw } = require(${JSON.stringify(`${ROOT}dist/index.js`)});
    notifyRaw("STATUS=" + "x".repeat(4090));
    notifyRaw("READY=1\\0\\nSTATUS=x");
    notifyRaw("BARRIER=1\\nREADY=1", { fds: [0] });
    notifyRaw("BARRIER=1");
    notifyRaw("BARRIER=1", { fds: [0, 0] });
    notifyRaw("MAINPID=1");
    notifyRaw("MAINPID=99999999");
    notifyRaw("RELOADING=1");
    notifyRaw("RELOADING=1\\nMONOTONIC_USEC=x");
    notifyRaw(Buffer.from("STATUS=a\\xff", "latin1"));
    notifyRaw("FDSTOREREMOVE=1");
    notifyRaw("FDSTORE=1\\nFDNAME=a:b", { fds: [0] });
    notifyRaw("WATCHDOG=2");
    notifyRaw("X_A=1", { fds: [0] });
    notifyRaw("READY=1");
    barrierSync();`;
  const { code, events } = await monitor(["--type=notify-reload", "--timeout=10"], [process.execPath, "-e", program]);
  const told = events.flatMap((event) => ("verdict" in event ? event.verdict.problems : []));
  expect(told.map(({ what, why }) => `${what.slice(0, 20)}: ${why}`)).toEqual([
    ": it has 4097 bytes, and the service manager reads 4096 at most",
    ": it contains a NUL byte",
    ": BARRIER=1 is to be alone in its message",
    ": BARRIER=1 comes with exactly one fd, not with 0",
    ": BARRIER=1 comes with exactly one fd, not with 2",
    "MAINPID=1: process 1 is the service manager",
    "MAINPID=99999999: there is no process 99999999",
    "MONOTONIC_USEC=x: it is no number",
    "STATUS=a\uFFFD: it is not UTF-8, and the old status is cleared",
    "FDSTOREREMOVE=1: no FDNAME= says which fds",
    "FDSTORE=1: FileDescriptorStoreMax=0: the fds are closed",
    'FDNAME=a:b: use ASCII without control characters and ":": the fds are stored without it',
    "WATCHDOG=2: it is neither 1 nor trigger",
    "fds: no FDSTORE=1 goes with them: they are closed",
    "READY=1: the main process has no handler for SIGHUP, by which Type=notify-reload reloads it: the start fails (systemd 262)",
  ]);
  expect(code).toBe(3);
});

test.each(["monitor", "doctor", "run", "bridge", "probe"])(
  "called as systemd-notify, %s is a message",
  async (word) => {
    using directory = temporaryDirectory();
    using receiver = openReceiver();
    const command = join(directory.path, "systemd-notify");
    symlinkSync(`${ROOT}dist/sd-notify`, command);
    expect(await run([command, word, "READY=1"], { env: receiver.env })).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect((await receiver.next()).text).toBe(`${word}\nREADY=1`);
  },
);

describe("monitor exits with", () => {
  test.each<[string, number, string[], string, string]>([
    ["0 when the command ends well", 0, [], "$N --ready", "ended"],
    ["0 at STOPPING=1", 0, ["--until=stopping"], "$N --ready; $N --stopping; exit 7", "stopping"],
    ["3 when it ends before it is ready", 3, ["--until=ready"], "exit 0", "it ended before READY=1 (Result=protocol)"],
    ["3 when it ends badly", 3, [], "$N --ready; exit 7", "exit status 7"],
    ["3 when it is killed", 3, [], "$N --ready; kill -KILL $$", "killed by SIGKILL"],
    [
      "3 when it ends and what is waited for has not come",
      3,
      ["--until=stopping"],
      "$N --ready",
      "it ended, and stopping has not come",
    ],
    [
      "4 when what is waited for takes too long",
      4,
      ["--until=ready", "--timeout=100ms"],
      WAIT,
      "ready has not come in time",
    ],
    [
      "4 when the start takes too long",
      4,
      ["--timeout-start=100ms"],
      WAIT,
      "no READY=1 within the time of TimeoutStartSec=",
    ],
    [
      "5 when something is ignored, with --strict",
      5,
      ["--strict"],
      "$N --ready REDY=1",
      "ended; --strict, and something was ignored",
    ],
  ])("%s", async (_, status, options, script, why) => {
    const { code, events } = await monitor(options, script);
    expect(events.at(-1)).toMatchObject({ event: "end", status, why });
    expect(code).toBe(status);
  });

  test("3 when the command can't be executed", async () => {
    const { code, events, stderr } = await monitor([], ["/nonexistent/command"]);
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: "sd-notify: execve /nonexistent/command: No such file or directory\n",
    });
    expect(events.at(-1)).toMatchObject({ why: "it can't be executed" });
  });

  test.each([
    [[], "nothing to start: give a command after --, as in sd-notify monitor -- bun server.ts"],
    [["--"], "nothing to start"],
    [["true"], "true is no option: give the command after --"],
    [["--bogus", "--", "true"], "unknown option --bogus: see sd-notify monitor --help"],
    [["--notify-access=x", "--", "true"], "--notify-access=x: it must be none, main, exec, all"],
    [["--type=simple", "--", "true"], "--type=simple: it must be notify, notify-reload"],
    [["--watchdog=soon", "--", "true"], "--watchdog=soon is no time: give seconds, or a number with ms, s, min or h"],
    [["--fdstore=x", "--", "true"], "--fdstore=x is no number from 0 on"],
    [["--until=never", "--", "true"], "--until=never: it must be ready, stopping, exit"],
    [["--json=1", "--", "true"], "see sd-notify monitor --help"],
  ])("1 for %j", async (args, message) => {
    const { code, stdout, stderr } = await run([`${ROOT}dist/sd-notify`, "monitor", ...args]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toStartWith("sd-notify: monitor: ");
    expect(stderr).toContain(message);
    expect(stderr.split("\n")).toHaveLength(2);
  });
});

test("--help of the monitor names every value of --notify-access, and none takes no message", async () => {
  const { stdout } = await run([`${ROOT}dist/sd-notify`, "monitor", "--help"]);
  expect(stdout).toMatch(/--notify-access=<WHO> +NotifyAccess=: none, main \[default\], exec or all$/m);
  const { code, events } = await monitor(["--notify-access=none"], "$N --ready");
  expect(code).toBe(3);
  const [message] = select(events, "message");
  expect(message?.verdict).toMatchObject({
    effects: [],
    problems: [{ what: "", why: "NotifyAccess=none: the unit takes no messages", cure: "NotifyAccess=main" }],
  });
});

test.each(COMMANDS)("monitor of %s stops the command when nobody reads what it prints", async (_, command) => {
  using directory = temporaryDirectory();
  const stopped = join(directory.path, "stopped");
  const program = join(directory.path, "program.sh");
  const sender = join(ROOT, "dist/sd-notify");
  await Bun.write(program, `trap ': > ${stopped}; exit' TERM; while :; do ${sender} --ready; done`);
  const { stderr } = await run(["bash", "-c", `${command.join(" ")} monitor -- sh ${program} | sed -n /READY/q`]);
  expect(stderr.replace(/^Terminated\n/, "")).toBe("sd-notify: monitor: EPIPE: broken pipe, write\n");
  expect(existsSync(stopped)).toBe(true);
});

describe("the life of a unit", () => {
  test("SIGTERM to all of its processes, and SIGKILL when the time is over", async () => {
    const script = `trap '' TERM; sh -c 'trap "" TERM; while :; do sleep 1; done' & $N --ready; while :; do sleep 1; done`;
    const { child, until, end } = startMonitor(["--timeout-stop=200ms"], script);
    await until("phase", ({ to }) => to === "active");
    child.kill("SIGINT");
    const { code, events } = await end();
    const [term, kill] = select(events, "signal");
    expect(term).toMatchObject({ signal: "SIGTERM", why: "SIGINT" });
    expect(term?.pids.length).toBeGreaterThanOrEqual(2);
    expect(kill).toMatchObject({ signal: "SIGKILL", why: "the time of TimeoutStopSec= is over" });
    expect(events.at(-1)).toMatchObject({ why: "stopped" });
    expect(code).toBe(0);
    for (const pid of term?.pids ?? []) expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  test("SIGINT a second time kills", async () => {
    const { child, until, end } = startMonitor([], "trap '' TERM; $N --ready; while :; do sleep 1; done");
    await until("phase", ({ to }) => to === "active");
    child.kill("SIGINT");
    await until("signal");
    child.kill("SIGINT");
    const { events } = await end();
    expect(select(events, "signal")[1]).toMatchObject({ signal: "SIGKILL", why: "SIGINT, once more" });
  });

  test("what the main process leaves is stopped", async () => {
    const { events } = await monitor([], "sleep 1000 & $N --ready");
    expect(select(events, "signal")).toMatchObject([{ signal: "SIGTERM", why: "left over" }]);
  });

  test.each<[string, number, string]>([
    ["exit 5", 3, "exit status 5"],
    ["exit 0", 0, "ended"],
    ["kill -KILL $$", 3, "killed by SIGKILL"],
  ])("MAINPID= makes another process the main one, whose end (%s) is the unit's", async (end, status, why) => {
    using directory = temporaryDirectory();
    const fifo = join(directory.path, "fifo");
    await run(["mkfifo", fifo]);
    const script = `sh -c 'read line; ${end}' <>${fifo} & $N --ready MAINPID=$!; exit 9`;
    const { until, end: finish } = startMonitor([], script);
    await until("exit", ({ code }) => code === 9);
    await Bun.write(fifo, "go\n");
    const { code, events } = await finish();
    expect(events.at(-1)).toMatchObject({ event: "end", why });
    expect(code).toBe(status);
    expect(select(events, "exit")).toHaveLength(2);
  });

  test.skipIf(!isRoot)(
    titled("a main process that is somebody else's is left alone", isRoot ? undefined : "it takes root"),
    async () => {
      const other = Bun.spawn(["sleep", "1000"]);
      const { child, until, end } = startMonitor([], `$N --ready MAINPID=${other.pid}`);
      await until("exit");
      child.kill("SIGINT");
      expect((await end()).code).toBe(0);
      expect(other.killed).toBe(false);
      other.kill();
    },
  );

  test("a unit that says STOPPING=1 has the time of TimeoutStopSec= to end", async () => {
    const { events } = await monitor(
      ["--timeout-stop=200ms"],
      "trap '' TERM; $N --ready; $N --stopping; sleep 1000; :",
    );
    expect(select(events, "signal")[0]).toMatchObject({
      signal: "SIGKILL",
      why: "the time of TimeoutStopSec= is over",
    });
  });

  test("EXTEND_TIMEOUT_USEC= gives the start more time", async () => {
    const script = "$N EXTEND_TIMEOUT_USEC=5000000; sleep 0.4; $N --ready";
    const { code, events } = await monitor(["--timeout-start=300ms", "--until=ready"], script);
    expect(select(events, "message")[0]?.verdict.effects).toEqual(["start-up may take 5 s from now"]);
    expect(code).toBe(0);
  });

  test("a watchdog whose time is longer than timers can be is never over", async () => {
    const script = "$N --ready WATCHDOG_USEC=18446744073709551615; $N WATCHDOG=1; sleep 0.1";
    const { code, events, stderr } = await monitor(["--watchdog=10s", "--strict"], script);
    expect({ code, stderr, missed: select(events, "watchdog") }).toEqual({ code: 0, stderr: "", missed: [] });
  });

  test("a time is read as systemd reads it: +0x7a120 is half a second", async () => {
    const script = "$N --ready WATCHDOG_USEC=+0x7a120; $N WATCHDOG=1";
    const { code, events, stderr } = await monitor(["--watchdog=10s"], script);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(select(events, "message").at(-1)?.ping).toMatchObject({ timeoutUsec: 500_000 });
  });

  test("the watchdog: a ping in time, a late one, a missed one", async () => {
    const script =
      "$N --ready; $N WATCHDOG=1; sleep 0.4; $N WATCHDOG=1; sleep 0.7; echo $WATCHDOG_USEC $WATCHDOG_PID $$";
    const { code, events, stderr } = await monitor(["--watchdog=500ms", "--strict"], script);
    const pings = select(events, "message").flatMap(({ ping }) => (ping ? [ping.late] : []));
    expect(pings).toEqual([false, true]);
    expect(select(events, "watchdog")[0]).toMatchObject({ timeoutUsec: 500_000 });
    const [, usec, pid, own] = /^(\d+) (\d+) (\d+)$/m.exec(stderr) ?? [];
    expect(usec).toBe("500000");
    expect(pid).toBe(own as string);
    expect(events.at(-1)).toMatchObject({ why: "ended; --strict, and a ping of the watchdog was missed" });
    expect(code).toBe(5);
  });

  test("fds are kept, and handed back when it is restarted", async () => {
    const server = `
      import { listenFds, notify, storeFds } from "sd-notify";
      const passed = listenFds();
      notify({ ready: true, status: passed.map(({ fd, name, kind }) => [fd, name, kind].join(" ")).join() || "none" });
      if (passed.length > 0) process.exit();
      storeFds([0], { name: "null" });
      process.exit();`;
    const file = `${ROOT}test/monitor-store-${process.pid}.ts`;
    await Bun.write(file, server);
    try {
      const { child, until, end } = startMonitor(["--fdstore=2", "--restart"], [process.execPath, file]);
      const { text } = await until("message", ({ text }) => text.includes("STATUS=3"));
      expect(text).toBe("READY=1\nSTATUS=3 null device");
      expect(await until("fd")).toMatchObject({ name: "null", what: "kept, 1 of 2" });
      child.kill("SIGTERM");
      await end();
    } finally {
      await Bun.file(file).delete();
    }
  });

  test("--restart starts it again when it has ended, after the time of RestartSec=, until it is stopped", async () => {
    const { child, events, until, end } = startMonitor(["--restart"], "exit 3");
    await until("started", ({ timeUsec }) => timeUsec > 150_000);
    child.kill("SIGTERM");
    const { code } = await end();
    expect(code).toBe(0);
    expect(events.at(-1)).toMatchObject({ why: "stopped" });
    const starts = select(events, "started").map(({ timeUsec }) => timeUsec);
    for (const [i, time] of starts.slice(1).entries()) expect(time - (starts[i] ?? 0)).toBeGreaterThan(100_000);
    expect(select(events, "phase")[1]).toMatchObject({ to: "failed", why: "exit status 3" });
  });

  test("SIGHUP handler: READY=1 of Type=notify-reload without one is refused", async () => {
    const { events } = await monitor(["--type=notify-reload"], "$N --ready --pid=parent");
    expect(select(events, "message")[0]?.verdict.problems[0]?.why).toMatch(/no handler for SIGHUP/);
  });
});

describe("monitor survives", () => {
  const sender = (body: string) => [
    process.execPath,
    "-e",
    `const { notifyRaw, barrierSync } = require(${JSON.stringify(`${ROOT}dist/index.js`)}); ${body}; notifyRaw("READY=1"); barrierSync({ timeoutMs: 60000 });`,
  ];

  test("10 MB of random datagrams, shown and as JSON", async () => {
    const garbage = `for (let size = 0; size < 10e6; ) {
      const bytes = crypto.getRandomValues(new Uint8Array(1 + Math.floor(Math.random() * 9000)));
      size += bytes.length; notifyRaw(bytes);
    }`;
    const { code, events } = await monitor(["--until=ready"], sender(garbage));
    const end = select(events, "end")[0];
    expect(code).toBe(0);
    expect(end?.messages).toBeGreaterThan(1000);
    const shown = await run([`${ROOT}dist/sd-notify`, "monitor", "--until=ready", "--", ...sender(garbage)]);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/… and \d+ messages more in this second, \d+ of them ignored/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them is to reach a terminal.
    expect(shown.stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    expect(shown.stdout.split("\n").length).toBeLessThan(10_000);
  }, 60_000);

  test("20,000 messages at once, and misses none", async () => {
    const { code, events } = await monitor(
      ["--until=ready"],
      sender("for (let i = 0; i < 20000; i++) notifyRaw('X_I=' + i)"),
    );
    expect(code).toBe(0);
    expect(select(events, "message").map(({ text }) => text)).toEqual([
      ...Array.from({ length: 20_000 }, (_, i) => `X_I=${i}`),
      "READY=1",
    ]);
  }, 60_000);

  test("fds by the hundred, and closes them", async () => {
    const many = "for (let i = 0; i < 20; i++) notifyRaw('FDSTORE=1', { fds: Array(200).fill(0) })";
    const { child, until, end } = startMonitor(
      [],
      [...sender(`${many}; process.on('SIGTERM', () => process.exit())`), "x"],
    );
    const { fds, verdict } = await until("message");
    expect(fds).toHaveLength(200);
    expect(fds[0]).toEqual({ name: "", kind: "device" });
    expect(verdict.problems[0]).toMatchObject({ cure: "FileDescriptorStoreMax=200" });
    await until("message", ({ text }) => text === "READY=1");
    await until("barrier");
    expect(readdirSync(`/proc/${child.pid}/fd`).length).toBeLessThan(50);
    expect((await end()).code).toBe(0);
  });
});

test.each([
  ["WATCHDOG_USEC=20000000", "20 s"],
  ["EXTEND_TIMEOUT_USEC=1500", "1.5 ms"],
  ["MONOTONIC_USEC=600", "400 us before it came"],
  ["MONOTONIC_USEC=3000", "2 ms after it came"],
  ["ERRNO=2", "ENOENT"],
  ["ERRNO=4000", undefined],
  ["EXIT_STATUS=2", undefined],
  ["STATUS=1000", undefined],
  ["WATCHDOG_USEC=x", undefined],
])("%s means %p", (line, meaning) => {
  expect(decodeLine(line, 1000)).toBe(meaning as string);
});

test("text of somebody else's does nothing to a terminal", () => {
  const event = {
    event: "message",
    timeUsec: 1,
    sender: { pid: 1, uid: 0, role: "main", name: "a\x1b[31mb" },
    text: "STATUS=\x1b]0;title\x07\u2028\r",
    fds: [],
    verdict: { effects: [], problems: [] },
  } as const;
  const text = show(event as never, { columns: undefined, colour: false });
  expect(text).toContain("a\\x1b[31mb[1]");
  expect(text).toContain("STATUS=\\x1b]0;title\\x07\\u2028\\x0d");
});

test.each([40, 60, 120])("lines are no wider than %d columns", (columns) => {
  const event = {
    event: "message",
    timeUsec: 1,
    sender: { pid: 1, uid: 0, role: "stranger", name: "some-program" },
    text: `STATUS=${"wide 字 ".repeat(40)}\nX_${"A".repeat(300)}=1`,
    fds: [],
    verdict: { effects: ["x ".repeat(99)], problems: [{ what: "X", why: "y ".repeat(99), cure: "z ".repeat(99) }] },
  } as const;
  const lines = show(event as never, { columns, colour: true })
    .trimEnd()
    .split("\n");
  expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(columns);
});
