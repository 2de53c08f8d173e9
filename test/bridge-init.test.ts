/** The bridge as PID 1 of a container: unshare(1) makes one of processes. */

import { afterEach, describe, expect, test } from "bun:test";
import { BINARY, endBridges, startBridge, WAIT } from "./support/bridge.ts";
import { compileProgram, noCompiler } from "./support/c.ts";
import { COMMANDS, isRoot, missing, run, temporaryDirectory, titled } from "./support/command.ts";

afterEach(endBridges);

const skipped = isRoot ? missing("unshare", "nsenter") : "not root";
const UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];

/** Sends a signal to PID 1, from outside as an engine does. unshare(1) itself passes none on. */
async function signalInit(unshare: number, signal: NodeJS.Signals): Promise<void> {
  const { stdout } = await run(["cat", `/proc/${unshare}/task/${unshare}/children`]);
  process.kill(Number(stdout), signal);
}

describe.skipIf(Boolean(skipped))(titled("as PID 1", skipped), () => {
  test.each([
    ["exit 0", 0],
    ["exit 77", 77],
    ["kill -TERM $$", 143],
    ["kill -KILL $$", 137],
    ["kill -SEGV $$", 139],
  ])("it exits after %p with %d", async (script, expected) => {
    expect(await startBridge([], script, { prefix: UNSHARE }).end()).toMatchObject({ code: expected, signal: null });
  });

  test("it exits with 134 after an expired watchdog, and with 137 where it had to kill", async () => {
    for (const [trap, expected, stop] of [
      ["", 134, "10"],
      ["trap '' ABRT;", 137, "100ms"],
    ] as const) {
      const options = ["--watchdog=100ms", `--timeout-stop=${stop}`];
      const bridge = startBridge(options, `${trap} $N --ready; ${WAIT}`, { prefix: UNSHARE });
      expect(await bridge.end()).toMatchObject({ code: expected });
    }
  });

  test("it passes signals on, and its command's answer to the last is its exit status", async () => {
    const signals = ["USR1", "USR2", "ALRM", "PIPE", "URG", "VTALRM", "PROF", "WINCH", "XCPU", "XFSZ", "CONT", "ABRT"];
    const traps = signals.map((name) => `trap 'echo ${name}' ${name};`).join(" ");
    const script = `${traps} trap 'exit 5' TERM; $N --ready; echo up; ${WAIT}`;
    const bridge = startBridge([], script, { prefix: UNSHARE });
    expect(await bridge.line()).toBe("up");
    for (const name of signals) {
      await signalInit(bridge.child.pid, `SIG${name}` as NodeJS.Signals);
      expect(await bridge.line()).toBe(name);
    }
    await signalInit(bridge.child.pid, "SIGTERM");
    expect(await bridge.end()).toMatchObject({ code: 5 });
  });

  test.skipIf(Boolean(noCompiler))(
    titled("it reaps 1,000 orphans", noCompiler),
    async () => {
      using directory = temporaryDirectory();
      const source = `
        #include <stdio.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(void) {
          for (int i = 0; i < 1000; i++) {
            pid_t child = fork();
            if (child == 0) { if (fork() == 0) { usleep(1000 * (i % 100)); _exit(i % 7); } _exit(0); }
            waitpid(child, NULL, 0);
          }
          puts("made"); fflush(stdout);
          for (;;) pause();
        }`;
      const program = await compileProgram(directory.path, "orphans", source);
      const bridge = startBridge([], [program], { prefix: UNSHARE });
      expect(await bridge.line()).toBe("made");
      const { stdout: children } = await run(["cat", `/proc/${bridge.child.pid}/task/${bridge.child.pid}/children`]);
      const init = Number(children);
      const left = async () =>
        (await run(["cat", `/proc/${init}/task/${init}/children`])).stdout.trim().split(" ").length;
      for (const deadline = performance.now() + 10_000; (await left()) > 1; await Bun.sleep(10)) {
        expect(performance.now()).toBeLessThan(deadline);
      }
      expect((await bridge.get("/livez")).status).toBe(200);
    },
    30_000,
  );

  test("it hears, and answers, whoever comes into the container from outside", async () => {
    const bridge = startBridge([], `echo "$NOTIFY_SOCKET"; ${WAIT}`, { prefix: UNSHARE });
    const address = (await bridge.line()) ?? "";
    const { stdout: init } = await run(["cat", `/proc/${bridge.child.pid}/task/${bridge.child.pid}/children`]);
    const enter = ["nsenter", `--target=${Number(init)}`, "--pid", "--mount", "--", BINARY];
    expect(await run([...enter, "probe"])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^not ready: activating for .*\n$/),
    });
    const sent = await run([...enter, "--ready", "--status=from outside"], { env: { NOTIFY_SOCKET: address } });
    expect(sent).toMatchObject({ code: 0, stderr: "" });
    for (const question of ["ready", "live", "started"]) {
      const { code, stdout } = await run([...enter, "probe", question]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/: active for .*: from outside\n$/) });
    }
    // That is another container.
    const { code, stderr } = await run(["unshare", "--mount", BINARY, "probe"]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "sd-notify: probe: no bridge runs here: start the command of the container by sd-notify bridge -- CMD\n",
    });
  });
});

const [, source] = COMMANDS[1] as (typeof COMMANDS)[0];
test.skipIf(Boolean(skipped))(titled("run by Bun, it is PID 1 as well", skipped), async () => {
  const bridge = startBridge([], "kill -USR1 $$", { prefix: UNSHARE, command: source });
  expect(await bridge.end()).toMatchObject({ code: 138 });
});
