/** The bridge: the manager's end of the protocol, by real processes and sockets. */

import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { BINARY, endBridges, startBridge, WAIT } from "./support/bridge.ts";
import { BUN, COMMANDS, isRoot, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";

afterEach(endBridges);

describe.each(COMMANDS)("the bridge of %s", (_, command) => {
  test("answers by what its command says, from the start to the end", async () => {
    const script = `echo up; read -r x <"$1"; $N --ready --status='Listening "here'; echo ready; read -r x <"$1"
      $N --reloading; echo reloading; read -r x <"$1"; $N --ready --stopping; echo stopping; read -r x <"$1"; exit 3`;
    using directory = temporaryDirectory();
    const fifo = join(directory.path, "fifo");
    await run(["mkfifo", fifo]);
    // It waits for whoever reads.
    const go = () => run(["sh", "-c", 'echo >"$1"', "sh", fifo]);
    const bridge = startBridge([], ["sh", "-c", script, "sh", fifo], { command });
    const statuses = async () =>
      Promise.all(["/livez", "/readyz", "/startupz"].map(async (path) => (await bridge.get(path)).status));
    expect(await bridge.line()).toBe("up");
    expect(await statuses()).toEqual([200, 503, 503]);
    expect((await bridge.get("/readyz")).text).toMatch(/^not ready: activating for [\d.]+ m?s$/);
    await go();
    expect(await bridge.line()).toBe("ready");
    expect(await statuses()).toEqual([200, 200, 200]);
    expect((await bridge.get("/readyz")).text).toMatch(/^ready: active for [\d.]+ m?s: Listening "here$/);
    await go();
    expect(await bridge.line()).toBe("reloading");
    expect(await statuses()).toEqual([200, 200, 200]);
    await go();
    expect(await bridge.line()).toBe("stopping");
    expect(await statuses()).toEqual([200, 503, 200]);
    await go();
    expect(await bridge.end()).toEqual({ code: 3, signal: null, stderr: "sd-notify: bridge: exit status 3\n" });
  }, 30_000);

  test("ends as its command does", async () => {
    for (const [script, expected] of [
      ["exit 0", { code: 0, signal: null }],
      ["exit 77", { code: 77, signal: null }],
      ["kill -TERM $$", { signal: "SIGTERM" }],
      ["kill -SEGV $$", { signal: "SIGSEGV" }],
      ["kill -KILL $$", { signal: "SIGKILL" }],
    ] as const) {
      expect(await startBridge([], script, { command }).end()).toMatchObject(expected);
    }
    const { code, stderr } = await startBridge([], ["nosuch-program"], { command }).end();
    expect(code).toBe(203);
    expect(stderr).toBe("sd-notify: execve nosuch-program: No such file or directory\n");
  }, 30_000);
});

test("gives its command a socket, a watchdog and nothing of its own", async () => {
  const env = { NOTIFY_SOCKET: "/nowhere", WATCHDOG_USEC: "1", X: "1" };
  const look = `env | grep -E 'NOTIFY_SOCKET|WATCHDOG|LISTEN|SD_NOTIFY|^X=' | sed "s/=$$$/=own/" | sort; echo end`;
  const bridge = startBridge(["--watchdog=2"], look, { env });
  expect(await bridge.line()).toMatch(/^NOTIFY_SOCKET=\/.*sd-notify\.\w{6}\/[\w-]{22}$/);
  expect(await bridge.line()).toBe("WATCHDOG_PID=own");
  expect(await bridge.line()).toBe("WATCHDOG_USEC=2000000");
  expect(await bridge.line()).toBe("X=1");
  expect(await bridge.line()).toBe("end");
});

describe("a stop", () => {
  test("makes it unready at once; the command is told when the delay is over", async () => {
    const script = `trap 'echo told; exit 4' TERM; $N --ready; echo up; ${WAIT}`;
    const bridge = startBridge(["--drain-delay=2"], script);
    expect(await bridge.line()).toBe("up");
    const start = performance.now();
    bridge.child.kill("SIGTERM");
    const { text } = await bridge.until("/readyz", ({ status }) => status === 503);
    expect(text).toMatch(/^not ready: active for .*, to stop by SIGTERM$/);
    expect(performance.now() - start).toBeLessThan(1900);
    expect((await bridge.get("/livez")).status).toBe(200);
    expect(await bridge.line()).toBe("told");
    expect(performance.now() - start).toBeGreaterThan(1990);
    expect(await bridge.end()).toMatchObject({ code: 4 });
  }, 20_000);

  test("of what was never ready is not delayed", async () => {
    const bridge = startBridge(["--drain-delay=1h"], `trap 'exit 3' TERM; echo up; ${WAIT}`);
    await bridge.line();
    bridge.child.kill("SIGTERM");
    expect(await bridge.end()).toMatchObject({ code: 3 });
  });

  test("is not delayed any more by a second signal", async () => {
    const script = `trap 'exit 4' TERM; trap 'exit 5' INT; $N --ready; echo up; ${WAIT}`;
    const bridge = startBridge(["--drain-delay=1h"], script);
    await bridge.line();
    bridge.child.kill("SIGTERM");
    await bridge.until("/readyz", ({ status }) => status === 503);
    bridge.child.kill("SIGINT");
    expect(await bridge.end()).toMatchObject({ code: 5 });
  });

  test("passes on what comes after it, too", async () => {
    const script = `trap 'echo one' TERM; trap 'exit 6' QUIT; $N --ready; echo up; ${WAIT}`;
    const bridge = startBridge([], script);
    await bridge.line();
    bridge.child.kill("SIGTERM");
    expect(await bridge.line()).toBe("one");
    bridge.child.kill("SIGTERM");
    expect(await bridge.line()).toBe("one");
    bridge.child.kill("SIGQUIT");
    expect(await bridge.end()).toMatchObject({ code: 6 });
  });

  test("is SIGKILL when its time is over, which EXTEND_TIMEOUT_USEC= can make longer", async () => {
    const script = (more: string) => `trap '${more} echo told' TERM; $N --ready; echo up; ${WAIT}`;
    for (const [more, min] of [
      ["", 2000],
      ["$N EXTEND_TIMEOUT_USEC=4000000;", 4000],
    ] as const) {
      const bridge = startBridge(["--timeout-stop=2"], script(more));
      await bridge.line();
      const start = performance.now();
      bridge.child.kill("SIGTERM");
      const { signal, stderr } = await bridge.end();
      expect(signal).toBe("SIGKILL");
      expect(performance.now() - start).toBeGreaterThan(min);
      expect(stderr).toContain("sh is killed: the time of TimeoutStopSec= is over");
    }
  });

  test("before the command was executed reaches it", async () => {
    const bridge = startBridge([], "sleep 100");
    bridge.child.kill("SIGCONT");
    await bridge.until("/livez", () => true).catch(() => {});
    bridge.child.kill("SIGTERM");
    expect(await bridge.end()).toMatchObject({ signal: "SIGTERM" });
  });
});

describe("the watchdog", () => {
  test("ends by SIGABRT what does not ping, and counts the margin of what does", async () => {
    const script = `$N --ready; $N WATCHDOG=1; echo up; read -r x`;
    const bridge = startBridge(["--watchdog=3"], script, { prefix: ["sh", "-c", 'sleep 100 | "$@"', "sh"] });
    await bridge.line();
    const { watchdog } = await bridge.status();
    expect(watchdog).toMatchObject({ timeoutSeconds: 3, pings: 1 });
    expect(watchdog.smallestMarginSeconds).toBeGreaterThan(0);
    expect(watchdog.smallestMarginSeconds).toBeLessThan(3);
    const start = performance.now();
    while (existsSync(bridge.http)) await Bun.sleep(10);
    expect(performance.now() - start).toBeLessThan(10_000);
    bridge.child.kill("SIGKILL");
  }, 20_000);

  test("says why, kills what survives SIGABRT, and never ends with 0", async () => {
    for (const [trap, expected, stop] of [
      ["", { signal: "SIGABRT" }, "10"],
      ["trap '' ABRT;", { signal: "SIGKILL" }, "100ms"],
      ["trap 'exit 0' ABRT;", { code: 1, signal: null }, "10"],
      ["trap 'exit 9' ABRT;", { code: 9, signal: null }, "10"],
    ] as const) {
      const bridge = startBridge(["--watchdog=100ms", `--timeout-stop=${stop}`], `${trap} $N --ready; ${WAIT}`);
      const { stderr, ...end } = await bridge.end();
      expect(end).toMatchObject(expected);
      expect(stderr).toContain("no ping of the watchdog within 100 ms: sh gets SIGABRT");
    }
  }, 30_000);

  test("is over at once by WATCHDOG=trigger, and it is not live meanwhile", async () => {
    const bridge = startBridge(["--watchdog=1h"], `trap '' ABRT; $N --ready; $N WATCHDOG=trigger; echo up; ${WAIT}`);
    expect(await bridge.line()).toBe("up");
    expect(await bridge.get("/livez")).toMatchObject({
      status: 503,
      text: "not live: WATCHDOG=trigger: sh gets SIGABRT",
    });
    bridge.child.kill("SIGKILL");
  });

  test("has the time that WATCHDOG_USEC= says", async () => {
    const bridge = startBridge([], `$N --ready; $N WATCHDOG_USEC=100000; ${WAIT}`);
    expect(await bridge.end()).toMatchObject({ signal: "SIGABRT" });
  });
});

describe("the start", () => {
  test("that takes too long ends badly, however the command ends by that", async () => {
    for (const trap of ["", "trap 'exit 0' TERM;"]) {
      const bridge = startBridge(["--timeout-start=300ms"], `${trap} ${WAIT}`);
      const { code, stderr } = await bridge.end();
      expect(code).toBe(1);
      expect(stderr).toBe("sd-notify: bridge: no READY=1 within the time of TimeoutStartSec=\n");
    }
  });

  test("may take longer by EXTEND_TIMEOUT_USEC=", async () => {
    const script = `$N EXTEND_TIMEOUT_USEC=20000000; sleep 2.1; $N --ready; echo up; ${WAIT}`;
    const bridge = startBridge(["--timeout-start=2"], script);
    expect(await bridge.line()).toBe("up");
    expect(await bridge.status()).toMatchObject({ ready: true, phase: "active" });
  });
});

describe("a reload", () => {
  test("of Type=notify-reload begins with SIGHUP, and ends with READY=1", async () => {
    const script = `trap 'echo got; read -r x <"$1"; $N --reloading; $N --ready; echo done' HUP; $N --ready; echo up; ${WAIT}`;
    using directory = temporaryDirectory();
    const fifo = join(directory.path, "fifo");
    await run(["mkfifo", fifo]);
    const bridge = startBridge(["--type=notify-reload"], ["sh", "-c", script, "sh", fifo]);
    await bridge.line();
    bridge.child.kill("SIGHUP");
    expect(await bridge.line()).toBe("got");
    expect(await bridge.status()).toMatchObject({ phase: "reloading", ready: true, ignored: [] });
    await run(["sh", "-c", 'echo >"$1"', "sh", fifo]);
    expect(await bridge.line()).toBe("done");
    expect(await bridge.status()).toMatchObject({ phase: "active", ignored: [] });
  });

  test("does not end a command that has no handler", async () => {
    const bridge = startBridge([], `$N --ready; echo up; exec sleep 100`);
    await bridge.line();
    bridge.child.kill("SIGHUP");
    bridge.child.kill("SIGUSR1");
    const { stderr, signal } = await bridge.end();
    expect(signal).toBe("SIGUSR1");
    expect(stderr).toContain("not reloaded: sh has no handler for SIGHUP");
  });
});

describe("messages", () => {
  test("that are ignored are told once, and counted by reason", async () => {
    const script = `$N --ready; for i in 1 2 3; do $N WATCHDOG=1; $N "A$i=1"; done; $N X_FINE=1; echo up; ${WAIT}`;
    const bridge = startBridge([], script);
    await bridge.line();
    const { text, headers } = await bridge.get("/metrics");
    expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text).toContain(`sd_notify_ignored_total{what="WATCHDOG",reason="the unit has no watchdog"} 3\n`);
    expect(text).toContain("\nsd_notify_messages_total 8\n");
    expect(text).toContain('\nsd_notify_phase{phase="active"} 1\n');
    bridge.child.kill("SIGTERM");
    const { stderr } = await bridge.end();
    expect(stderr.match(/ignored WATCHDOG=1: the unit has no watchdog \(--watchdog=30\)/g)).toHaveLength(1);
  });

  test("of a hostile command can't make the metrics long, or break their lines", async () => {
    const program = `const { notifyRaw } = require(${JSON.stringify(`${ROOT}dist/index.js`)});
      for (let i = 0; i < 300; i++) notifyRaw('A' + i + '"\\\\\\\\{}\\x1b=1');
      notifyRaw("READY=1"); notifyRaw("STATUS=a\\x1b[31mb"); require("sd-notify");`;
    using directory = temporaryDirectory();
    const file = join(directory.path, "p.js");
    await Bun.write(file, program.replace(' require("sd-notify");', ' console.log("up"); setInterval(() => {}, 1e6);'));
    const bridge = startBridge([], [BUN, file]);
    expect(await bridge.line()).toBe("up");
    const { text } = await bridge.until("/metrics", ({ text }) => text.includes('phase="active"} 1'));
    expect(text.length).toBeLessThan(20_000);
    for (const line of text.split("\n")) {
      expect(line).toMatch(
        /^(#.*|sd_notify_\w+(\{\w+="(?:[^"\\\n]|\\[\\"n])*"(,\w+="(?:[^"\\\n]|\\[\\"n])*")*\})? [\d.e+-]+)$/,
      );
    }
    expect(text).toContain('sd_notify_ignored_total{what="other",reason="other"}');
    await bridge.until("/readyz", ({ text }) => text.includes("a\\x1b[31mb"));
  });

  test("before the end of the command count, however soon that comes", async () => {
    const bridge = startBridge([], `$N --ready --no-block; $N WATCHDOG=1 --no-block; exit 5`);
    const { code, stderr } = await bridge.end();
    expect(code).toBe(5);
    expect(stderr).toContain("the unit has no watchdog");
  });

  test("of another PID namespace name no process here", async () => {
    const skipped = isRoot ? missing("unshare") : "not root";
    if (skipped) return;
    const script = `unshare --pid --fork $N --ready MAINPID=1 --no-block; unshare --pid --fork $N MAINPID=2; echo up; ${WAIT}`;
    const bridge = startBridge([], script);
    await bridge.line();
    const { mainPid } = await bridge.status();
    bridge.child.kill("SIGTERM");
    const { stderr } = await bridge.end();
    expect(mainPid).toBeGreaterThan(2);
    expect(stderr).toContain("it is a number of another PID namespace");
  });
});

test("MAINPID= names another process, which is told and waited for", async () => {
  const script = `sh -c 'trap "echo told; exit 8" TERM; ${WAIT}' & $N --ready MAINPID=$!; exit 0`;
  const bridge = startBridge([], script);
  await bridge.until("/readyz", ({ status }) => status === 200);
  await Bun.sleep(100);
  expect(await bridge.status()).toMatchObject({ live: true, phase: "active" });
  bridge.child.kill("SIGTERM");
  expect(await bridge.line()).toBe("told");
  expect(await bridge.end()).toMatchObject({ code: 8 });
});

describe("with --restart", () => {
  test("the command is started again, with the fds that it has stored", async () => {
    const script = `echo "start $LISTEN_FDS $LISTEN_FDNAMES"; $N --ready; $N --fd=0 --fdname=input FDSTORE=1
      [ -n "$LISTEN_FDS" ] && { echo up; ${WAIT}; }; exit 1`;
    const bridge = startBridge(["--restart", "--fdstore=1"], script);
    expect(await bridge.line()).toBe("start  ");
    expect(await bridge.line()).toBe("start 1 input");
    expect(await bridge.line()).toBe("up");
    expect(await bridge.status()).toMatchObject({ restarts: 1, ready: true, failure: null });
    bridge.child.kill("SIGTERM");
    expect(await bridge.end()).toMatchObject({ signal: "SIGTERM" });
  });

  test("an expired watchdog starts it again, and it stays live", async () => {
    const script = `trap "sleep 0.3; kill -KILL $$" ABRT; $N --ready; echo up; ${WAIT}`;
    const bridge = startBridge(["--restart", "--watchdog=2"], script);
    await bridge.line();
    const { text } = await bridge.until("/livez", ({ text }) => text.includes("watchdog"));
    expect(text).toBe("live: starting again: no ping of the watchdog within 2 s: sh gets SIGABRT");
    expect(await bridge.line()).toBe("up");
  });

  test("it is given up when it has to be started again and again", async () => {
    const bridge = startBridge(["--restart"], "echo start; exit 6");
    const { code, stderr } = await bridge.end();
    expect(code).toBe(6);
    for (let i = 0; i < 5; i++) expect(await bridge.line()).toBe("start");
    expect(await bridge.line()).toBeUndefined();
    expect(stderr).toEndWith("sd-notify: bridge: not started again: that was 4 times in 10 s\n");
  });

  test("a stop while it is being ended for its watchdog is final, too", async () => {
    const script = `trap 'echo aborted' ABRT; $N --ready; echo up; ${WAIT}`;
    const bridge = startBridge(["--restart", "--watchdog=2", "--timeout-stop=2"], script);
    expect(await bridge.line()).toBe("up");
    expect(await bridge.line()).toBe("aborted");
    bridge.child.kill("SIGTERM");
    expect(await bridge.end()).toMatchObject({ signal: "SIGKILL" });
  });

  test("a stop is final", async () => {
    const bridge = startBridge(
      ["--restart", "--drain-delay=300ms"],
      `trap 'exit 2' USR1; $N --ready; echo up; ${WAIT}`,
    );
    await bridge.line();
    bridge.child.kill("SIGTERM");
    await bridge.until("/readyz", ({ status }) => status === 503);
    bridge.child.kill("SIGUSR1");
    expect(await bridge.end()).toMatchObject({ code: 2 });
  });
});

test("MAINPID= can't make the bridge its own main process", async () => {
  const bridge = startBridge([], `trap 'exit 3' TERM; $N --ready MAINPID=$PPID; echo up; ${WAIT}`);
  await bridge.line();
  bridge.child.kill("SIGTERM");
  expect(await bridge.end()).toMatchObject({ code: 3 });
});

test("a command that sends nonsense without an end does not fill the log", async () => {
  const program = `const { notifyRaw } = require(${JSON.stringify(`${ROOT}dist/index.js`)});
    for (let i = 0; i < 300; i++) { notifyRaw("K" + i + "=1"); notifyRaw("MAINPID=1", { fds: [0] }); }
    for (let i = 0; i < 300; i++) notifyRaw("WATCHDOG=trigger" + i + "\\nMAINPID=" + process.pid);
    notifyRaw("READY=1"); console.log("up"); setInterval(() => {}, 1e6);`;
  const bridge = startBridge([], [BUN, "-e", program]);
  await bridge.line();
  await bridge.until("/readyz", ({ status }) => status === 200);
  bridge.child.kill("SIGTERM");
  const { stderr } = await bridge.end();
  expect(stderr.split("\n").length).toBeGreaterThan(30);
  expect(stderr.split("\n").length).toBeLessThanOrEqual(102);
});

test("killed, it takes its command with it", async () => {
  const bridge = startBridge([], `echo $$; ${WAIT}`);
  const pid = Number(await bridge.line());
  bridge.child.kill("SIGKILL");
  await bridge.child.exited;
  for (const deadline = performance.now() + 5000; existsSync(`/proc/${pid}/fd/0`); await Bun.sleep(2)) {
    expect(performance.now()).toBeLessThan(deadline);
  }
});

test("nobody who reads its errors is waited for", async () => {
  const script = `for i in $(seq 30); do $N "A$i=1" BARRIER=1 --no-block; done; $N --ready; echo up; ${WAIT}`;
  const [, command = []] = COMMANDS[0] ?? [];
  const child = Bun.spawn([...command, "bridge", "--notify-access=all", "--", "sh", "-c", script], {
    env: { PATH: process.env.PATH ?? "", N: BINARY },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // Standard error is not read.
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("up\n");
  child.kill("SIGTERM");
  await child.exited;
});

describe("--socket=", () => {
  test("has the permissions that its directory leaves room for", async () => {
    using directory = temporaryDirectory();
    const path = (name: string) => join(directory.path, name, "notify");
    mkdirSync(join(directory.path, "open"), { mode: 0o755 });
    mkdirSync(join(directory.path, "closed"), { mode: 0o700 });
    for (const [name, options, mode] of [
      ["open", [], 0o600],
      ["closed", [], 0o666],
      ["made", [], 0o666],
      ["open", ["--socket-mode=660"], 0o660],
    ] as const) {
      const bridge = startBridge([`--socket=${path(name)}`, ...options], `echo "$NOTIFY_SOCKET"; ${WAIT}`);
      expect(await bridge.line()).toBe(path(name));
      expect(statSync(path(name)).mode & 0o777).toBe(mode);
      bridge.child.kill("SIGTERM");
      await bridge.end();
      expect(existsSync(path(name))).toBe(false);
    }
    expect(statSync(join(directory.path, "made")).mode & 0o777).toBe(0o700);
  });

  test("replaces the socket of one that was killed, and none that lives", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "notify");
    const first = startBridge([`--socket=${path}`], `echo up; ${WAIT}`);
    await first.line();
    const { code, stderr } = await startBridge([`--socket=${path}`], "exit 0").end();
    expect(code).toBe(1);
    expect(stderr).toBe(`sd-notify: bridge: bind ${path}: Address already in use\n`);
    first.child.kill("SIGKILL");
    await first.child.exited;
    expect(existsSync(path)).toBe(true);
    expect(await startBridge([`--socket=${path}`], "exit 0").end()).toMatchObject({ code: 0 });
  });

  const skipped = isRoot ? missing("unshare") : "not root";
  test.skipIf(Boolean(skipped))(
    titled("hears whoever can send to it, of whatever PID namespace", skipped),
    async () => {
      using directory = temporaryDirectory();
      const path = join(directory.path, "notify");
      const bridge = startBridge([`--socket=${path}`, "--notify-access=main"], `echo up; ${WAIT}`);
      await bridge.line();
      const env = { NOTIFY_SOCKET: path };
      await run(["unshare", "--pid", "--fork", BINARY, "--ready", "--status=from inside", "MAINPID=1"], { env });
      expect(await bridge.status()).toMatchObject({ ready: true, status: "from inside" });
      expect((await bridge.status()).mainPid).toBeGreaterThan(1);
    },
  );
});

describe("a mistake in the arguments is told, and nothing is started:", () => {
  test.each([
    [["--http=70000"], "--http=70000: it must be PORT, HOST:PORT, [IPV6]:PORT or unix:/PATH"],
    [["--http=unix:x"], "--http=unix:x: it must be PORT, HOST:PORT, [IPV6]:PORT or unix:/PATH"],
    [["--socket-mode=666", "--socket=x"], "--socket=x: a path has to begin with /"],
    [["--forward"], "--forward: $NOTIFY_SOCKET is not set, so there is nobody to pass messages on to"],
    [["--socket=x"], "--socket=x: a path has to begin with /"],
    [["--socket-mode=666"], "--socket-mode= belongs to --socket="],
    [["--socket=/x", "--socket-mode=9"], "--socket-mode=9: it must be three octal digits"],
    [["--watchdog=soon"], "--watchdog=soon is no time: give seconds, or a number with ms, s, min or h"],
    [["--http=203.0.113.1:1"], "cannot listen on 203.0.113.1 port 1: this machine has no such address"],
  ])("%p", async (options, message) => {
    const { code, stdout, stderr } = await run([BINARY, "bridge", ...options, "--", "echo", "started"]);
    expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: "", stderr: `sd-notify: bridge: ${message}\n` });
  });
});

test("it leaves nothing behind", async () => {
  const bridge = startBridge([], `echo "$NOTIFY_SOCKET"; exit 0`);
  const path = (await bridge.line()) ?? "";
  await bridge.end();
  expect([existsSync(path), existsSync(bridge.http)]).toEqual([false, false]);
  expect(readFileSync("/proc/net/unix", "latin1")).not.toContain(path);
});
