/** The bridge and MAINPID=: which process gets the signals, and whose end counts. */

import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { BINARY, endBridges, startBridge, WAIT } from "./support/bridge.ts";
import { isRoot, missing, run, temporaryDirectory, titled } from "./support/command.ts";
import { readLines } from "./support/receiver.ts";

const left: number[] = [];
afterEach(async () => {
  await endBridges();
  for (const pid of left.splice(0)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
});

/** The next line, a pid. The process is killed after the test. */
async function pidOf({ line }: Pick<ReturnType<typeof startBridge>, "line">): Promise<number> {
  const pid = Number(await line());
  left.push(pid);
  return pid;
}

/**
 * Starts a process, $w, and prints its pid when it has been executed. It may outlive the bridge, so it must not hold
 * the output open.
 */
const WORKER = `sleep 1000 >/dev/null 2>&1 & w=$!
  until read -r name </proc/$w/comm && [ "$name" = sleep ]; do :; done; echo $w`;

/** Waits until a shell has become sleep(1). Before that, it may wait for its children. */
async function untilAsleep(pid: number): Promise<void> {
  while ((await Bun.file(`/proc/${pid}/comm`).text()) !== "sleep\n") await Bun.sleep(5);
}

const isZombie = async (pid: number) => /\) Z /.test(await Bun.file(`/proc/${pid}/stat`).text());

describe("a main process that has ended before its command", () => {
  test("leaves the signals to the command, which a stop reaches at once", async () => {
    const script = `trap 'exit 6' TERM; trap 'echo one' USR1; trap 'echo reload' HUP
      ${WORKER}; $N --ready MAINPID=$w; kill -KILL $w; wait $w; echo up; ${WAIT}`;
    const bridge = startBridge(["--timeout-stop=2"], script);
    await pidOf(bridge);
    expect(await bridge.line()).toBe("up");
    bridge.child.kill("SIGUSR1");
    expect(await bridge.line()).toBe("one");
    bridge.child.kill("SIGHUP");
    expect(await bridge.line()).toBe("reload");
    bridge.child.kill("SIGTERM");
    expect(await bridge.end()).toMatchObject({ code: 6 });
  }, 20_000);

  test("does so as a zombie, too, and its own end counts", async () => {
    const script = `${WORKER}; $N --ready MAINPID=$w; echo $$; exec sleep 1000`;
    const bridge = startBridge(["--timeout-stop=2"], script);
    const pid = await pidOf(bridge);
    const command = await pidOf(bridge);
    await untilAsleep(command);
    process.kill(pid, "SIGILL");
    while (!(await isZombie(pid))) await Bun.sleep(5);
    bridge.child.kill("SIGTERM");
    expect(await bridge.end()).toMatchObject({ signal: "SIGILL" });
  }, 20_000);

  test("by a stop, has the command told as well", async () => {
    const script = `trap 'exit 6' TERM; ${WORKER}; $N --ready MAINPID=$w; echo up; wait; ${WAIT}`;
    const bridge = startBridge(["--timeout-stop=5"], script);
    await pidOf(bridge);
    expect(await bridge.line()).toBe("up");
    bridge.child.kill("SIGTERM");
    expect(await bridge.end()).toMatchObject({ code: 6 });
  }, 20_000);

  test("by a stop, leaves a command alone that ends by itself", async () => {
    const script = `trap 'echo told' TERM; ${WORKER}; $N --ready MAINPID=$w; echo up; wait $w; exit 8`;
    const bridge = startBridge([], script);
    await pidOf(bridge);
    expect(await bridge.line()).toBe("up");
    bridge.child.kill("SIGTERM");
    expect(await bridge.end()).toMatchObject({ code: 8 });
    expect(await bridge.line()).toBeUndefined();
  });

  test("makes the unit neither live nor ready, until the command names another one", async () => {
    const script = `trap '. "$1"' USR1; . "$1"; $N --ready; wait $w; ${WAIT}`;
    using directory = temporaryDirectory();
    const file = join(directory.path, "worker");
    await Bun.write(file, `${WORKER}; $N MAINPID=$w; echo named`);
    const bridge = startBridge([], ["sh", "-c", script, "sh", file]);
    const pid = await pidOf(bridge);
    expect(await bridge.line()).toBe("named");
    await bridge.until("/readyz", ({ status }) => status === 200);
    process.kill(pid, "SIGKILL");
    const why = `the main process ${pid} has ended, but sh runs on`;
    await bridge.until("/livez", ({ text }) => text === `not live: ${why}`);
    expect(await bridge.get("/readyz")).toMatchObject({ status: 503, text: `not ready: ${why}` });
    expect(await bridge.status()).toMatchObject({ started: true, mainPid: null, failure: why });
    // It is told once.
    await Bun.sleep(2000);
    bridge.child.kill("SIGUSR1");
    const second = await pidOf(bridge);
    expect(await bridge.line()).toBe("named");
    expect(await bridge.get("/readyz")).toMatchObject({ status: 200 });
    expect(await bridge.status()).toMatchObject({ mainPid: second, failure: null });
    bridge.child.kill("SIGKILL");
    const { stderr } = await bridge.end();
    const line = `sd-notify: bridge: ${why}: it is not live until it ends or sends another MAINPID=\n`;
    expect(stderr.split(line)).toHaveLength(2);
  }, 20_000);

  test("and whose end nobody here can know, ends as its command does", async () => {
    const script = `${WORKER}; $N --ready MAINPID=$w; wait $w; exit $?`;
    const bridge = startBridge([], script);
    const pid = await pidOf(bridge);
    await bridge.until("/status", ({ text }) => text.includes(`"mainPid":${pid}`));
    process.kill(pid, "SIGSEGV");
    expect(await bridge.end()).toMatchObject({ code: 139 });
  });

  const skipped = isRoot ? missing("unshare") : "not root";
  test.skipIf(Boolean(skipped))(
    titled("leaves the process alone that has its number now", skipped),
    async () => {
      const script = `trap 'exit 6' TERM; ${WORKER}; $N --ready MAINPID=$w; kill -KILL $w; wait $w
        echo $((w - 1)) >/proc/sys/kernel/ns_last_pid; sh -c 'trap "echo told" TERM; ${WAIT}' &
        [ $! = $w ] && echo same; ${WAIT}`;
      const bridge = startBridge(["--timeout-stop=2"], script, {
        prefix: ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"],
      });
      // Its number in there.
      await bridge.line();
      expect(await bridge.line()).toBe("same");
      const { pid } = bridge.child;
      process.kill(Number((await run(["cat", `/proc/${pid}/task/${pid}/children`])).stdout), "SIGTERM");
      expect(await bridge.end()).toMatchObject({ code: 6 });
      expect(await bridge.line()).toBeUndefined();
    },
    20_000,
  );
});

test("SIGKILL at the end of a stop reaches the main process and its command", async () => {
  const script = `trap '' TERM; ${WORKER}; $N --ready MAINPID=$w; echo up; exec sleep 1000`;
  const bridge = startBridge(["--timeout-stop=300ms"], script);
  await pidOf(bridge);
  expect(await bridge.line()).toBe("up");
  bridge.child.kill("SIGTERM");
  expect(await bridge.end()).toMatchObject({ signal: "SIGKILL" });
}, 20_000);

test("a main process has ended as a zombie, although its parent does not wait for it", async () => {
  using directory = temporaryDirectory();
  const done = join(directory.path, "done");
  const parent = `sleep 1000 & $N --ready MAINPID=$!; echo $$; echo $!; : >"$1"; exec sleep 1000 >/dev/null 2>&1`;
  const script = `sh -c '${parent}' sh "$1" & until [ -e "$1" ]; do sleep 0.02; done; exit 3`;
  const bridge = startBridge([], ["sh", "-c", script, "sh", done]);
  const asleep = await pidOf(bridge);
  const pid = await pidOf(bridge);
  const { mainPid } = await bridge.status();
  expect(mainPid).toBe(pid);
  await untilAsleep(asleep);
  process.kill(pid, "SIGILL");
  expect(await bridge.end()).toMatchObject({ signal: "SIGILL" });
}, 20_000);

const noNetwork = isRoot ? missing("unshare") : "not root";
test.skipIf(Boolean(noNetwork))(
  titled("a main process that names itself again by its last message has its own end", noNetwork),
  async () => {
    using directory = temporaryDirectory();
    const go = join(directory.path, "go");
    // The bridge reads 16 messages before it hears of the end, and the queue has room for them.
    const main = `until [ -e "$1" ]; do sleep 0.02; done
      for i in $(seq 20); do $N --no-block X_I=$i; done; $N --no-block MAINPID=$$; exit 9`;
    const script = `sh -c '${main}' sh "$1" & $N --ready MAINPID=$!; echo $!`;
    const room = 'echo 100 >/proc/sys/net/unix/max_dgram_qlen; exec "$@"';
    const prefix = ["unshare", "--net", "sh", "-c", room, "sh"];
    const bridge = startBridge([], ["sh", "-c", script, "sh", go], { prefix });
    const pid = await pidOf(bridge);
    const isOrphan = async () => (await Bun.file(`/proc/${pid}/stat`).text()).includes(`) S ${bridge.child.pid} `);
    while (!(await isOrphan())) await Bun.sleep(5);
    bridge.child.kill("SIGSTOP");
    await Bun.write(go, "");
    while (!(await isZombie(pid))) await Bun.sleep(5);
    bridge.child.kill("SIGCONT");
    expect(await bridge.end()).toMatchObject({ code: 9 });
  },
);

test("MAINPIDFDID= of another process makes none the main one", async () => {
  const script = `trap 'exit 6' TERM; ${WORKER}; $N --ready MAINPID=$w MAINPIDFDID=4; echo named; ${WAIT}`;
  const bridge = startBridge([], script);
  const pid = await pidOf(bridge);
  expect(await bridge.line()).toBe("named");
  const { mainPid, ignored } = await bridge.status();
  expect(mainPid).not.toBe(pid);
  const reason = "process N is another one than MAINPIDFDID= says (systemd N)";
  expect(ignored).toEqual([{ what: "MAINPID", reason, count: 1 }]);
  bridge.child.kill("SIGTERM");
  expect(await bridge.end()).toMatchObject({ code: 6 });
});

test("a zombie can't become the main process", async () => {
  // A shell would wait for its child, so that one ends when its parent is none any more.
  const child = "until read -r name </proc/\\$PPID/comm && [ \\$name = sleep ]; do :; done";
  const parent = `sh -c "${child}" & echo $! >"$1"; exec sleep 1000 >/dev/null 2>&1`;
  const script = `trap 'exit 6' TERM; sh -c '${parent}' sh "$1" & p=$!
    until [ -s "$1" ] && grep -q ') Z ' /proc/$(cat "$1")/stat; do sleep 0.02; done
    $N --ready MAINPID=$(cat "$1"); echo $p; ${WAIT}`;
  using directory = temporaryDirectory();
  const bridge = startBridge([], ["sh", "-c", script, "sh", join(directory.path, "pid")]);
  await pidOf(bridge);
  const { ignored } = await bridge.status();
  expect(ignored).toMatchObject([{ what: "MAINPID", count: 1 }]);
  bridge.child.kill("SIGTERM");
  expect(await bridge.end()).toMatchObject({ code: 6 });
});

describe("a stopped command", () => {
  test("takes the SIGABRT of the watchdog", async () => {
    const bridge = startBridge(["--watchdog=300ms"], `$N --ready; kill -STOP $$; ${WAIT}`);
    expect(await bridge.end()).toMatchObject({ signal: "SIGABRT" });
  });

  test("takes the signal of a stop", async () => {
    const bridge = startBridge([], `trap 'exit 5' TERM; $N --ready; echo up; kill -STOP $$; ${WAIT}`);
    expect(await bridge.line()).toBe("up");
    bridge.child.kill("SIGTERM");
    expect(await bridge.end()).toMatchObject({ code: 5 });
  });
});

const noOther = isRoot ? missing("setpriv") : "not root";
test.skipIf(Boolean(noOther))(
  titled("a main process that can't be killed is no end with 0", noOther),
  async () => {
    using directory = temporaryDirectory();
    chmodSync(directory.path, 0o777);
    const path = join(directory.path, "notify");
    const go = join(directory.path, "go");
    const main = Bun.spawn(["sleep", "1000"]);
    left.push(main.pid);
    // As another user, who may not send a signal to the main process.
    const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const script = `echo up; until [ -e "$1" ]; do sleep 0.02; done; echo ended; exit 0`;
    const options = [`--socket=${path}`, "--socket-mode=666", "--timeout-stop=100ms"];
    const child = Bun.spawn([...user, BINARY, "bridge", ...options, "--", "sh", "-c", script, "sh", go], {
      cwd: "/",
      stdio: ["ignore", "pipe", "pipe"],
    });
    left.push(child.pid);
    while (!existsSync(path)) await Bun.sleep(5);
    const sent = await run([BINARY, "--ready", `MAINPID=${main.pid}`], { env: { NOTIFY_SOCKET: path } });
    expect(sent).toMatchObject({ code: 0, stderr: "" });
    const lines = readLines(child.stdout);
    expect((await lines.next()).value).toBe("up");
    await Bun.write(go, "");
    expect((await lines.next()).value).toBe("ended");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(1);
    expect(await child.stderr.text()).toContain("a process of it can't be killed");
  },
  30_000,
);
