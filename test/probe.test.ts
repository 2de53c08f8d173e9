/** `sd-notify probe`, and whom it believes. */

import { afterEach, expect, test } from "bun:test";
import { chmodSync, copyFileSync } from "node:fs";
import { join } from "node:path";
import { namesIn, newName } from "../src/tools/probe/address.ts";
import { BINARY, endBridges, startBridge, WAIT } from "./support/bridge.ts";
import { BUN, COMMANDS, isRoot, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";

afterEach(endBridges);

const pidOf = ({ child }: { child: Bun.Subprocess }) => `--pid=${child.pid}`;

test.each(COMMANDS)("%s prints why, and exits with 0 for yes and 1 for no", async (_, command) => {
  const bridge = startBridge([], `trap '$N --ready --status=fine; echo ready' USR1; echo up; ${WAIT}`);
  await bridge.line();
  const probe = async (question: string) => {
    const { code, stdout, stderr } = await run([...command, "probe", question, pidOf(bridge)]);
    expect(stderr).toBe("");
    return [code, stdout];
  };
  expect(await probe("live")).toEqual([0, expect.stringMatching(/^live: activating for .*\n$/)]);
  expect(await probe("ready")).toEqual([1, expect.stringMatching(/^not ready: activating for .*\n$/)]);
  expect(await probe("started")).toEqual([1, expect.stringMatching(/^not started: activating for .*\n$/)]);
  bridge.child.kill("SIGUSR1");
  expect(await bridge.line()).toBe("ready");
  for (const question of ["live", "ready", "started"]) {
    expect(await probe(question)).toEqual([
      0,
      expect.stringMatching(new RegExp(`^${question}: active for .*: fine\n$`)),
    ]);
  }
});

test("asks the one bridge of this user and mount namespace, and says which there are when there are several", async () => {
  const bridges = [startBridge([], `echo up; ${WAIT}`), startBridge([], `echo up; ${WAIT}`)];
  for (const bridge of bridges) await bridge.line();
  const pids = bridges.map(({ child }) => child.pid).sort((a, b) => a - b);
  const { code, stderr } = await run([BINARY, "probe"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^sd-notify: probe: several bridges run here, processes [\d, ]+: --pid= says which\n$/);
  for (const pid of pids) expect(stderr).toMatch(new RegExp(`\\b${pid}\\b`));
});

test("does not wait for a bridge that does not answer", async () => {
  const bridge = startBridge([], `echo up; ${WAIT}`);
  await bridge.line();
  bridge.child.kill("SIGSTOP");
  const { code, stderr } = await run([BINARY, "probe", pidOf(bridge), "--timeout=100ms"]);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `sd-notify: probe: the bridge, process ${bridge.child.pid}, has not answered in time\n`,
  });
});

test.each([
  [["nonsense"], "nonsense: it must be one of live, ready, started"],
  [["live", "ready"], "live ready: it must be one of live, ready, started"],
  [["--pid=1x"], "--pid=1x is no number from 1 on"],
  [["--pid=1"], "process 1 is no bridge"],
])("%p is an error in one line", async (args, message) => {
  const { code, stdout, stderr } = await run([BINARY, "probe", ...args]);
  expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: "", stderr: `sd-notify: probe: ${message}\n` });
});

const noUsers = isRoot ? missing("setpriv", "unshare") : "not root";
const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

test.skipIf(Boolean(noUsers))(
  titled("does not believe another user's process, and is not answered as one", noUsers),
  async () => {
    using directory = temporaryDirectory();
    chmodSync(directory.path, 0o755);
    const binary = join(directory.path, "sd-notify");
    copyFileSync(BINARY, binary);
    chmodSync(binary, 0o755);
    const isolated = ["unshare", "--mount", "--net"];
    // A liar of another user, who has the name of a bridge of this container.
    const script = `
      import { newName } from "${ROOT}src/tools/probe/address.ts";
      import { bind, socket, send, setPayload } from "${ROOT}ffi/syscalls.ts";
      import { accept, listen } from "${ROOT}ffi/process.ts";
      const fd = socket(1, 5 | 0o4000);
      bind(fd, { family: "unix", path: Buffer.from("\\0" + newName()) });
      listen(fd);
      console.log("up");
      const lie = () => { const client = accept(fd); if (client) send(client, setPayload("ready 1 lie"), 0x4000); };
      // Nobody listens to it.
      setInterval(() => { try { lie(); } catch {} }, 5);`;
    const fifo = join(directory.path, "fifo");
    await run(["mkfifo", fifo]);
    const all = `${NOBODY.join(" ")} "$1" -e "$2" >"$4" & read -r up <"$4"; "$3" probe; echo "$up $?"; kill $!`;
    const bun = join(directory.path, "bun");
    copyFileSync(BUN, bun);
    chmodSync(bun, 0o755);
    const { stdout, stderr } = await run([...isolated, "sh", "-c", all, "sh", bun, script, binary, fifo]);
    expect({ stdout, stderr }).toEqual({
      stdout: "up 1\n",
      stderr: "sd-notify: probe: no bridge runs here: start the command of the container by sd-notify bridge -- CMD\n",
    });
    // And a bridge of root's tells nobody else.
    const bridge = startBridge([], `echo up; ${WAIT}`);
    await bridge.line();
    const asked = await run([...NOBODY, binary, "probe", pidOf(bridge)]);
    expect(asked).toMatchObject({
      code: 1,
      stderr: `sd-notify: probe: the bridge, process ${bridge.child.pid}, does not answer this user\n`,
    });
  },
  30_000,
);

test("a name that no bridge has made is nobody's", () => {
  const name = newName();
  const [start = ""] = /^sd-notify-bridge\.\d+\./.exec(name) ?? [];
  const row = (path: string) => `0000000000000000: 00000002 00000000 00010000 0005 01 12345 @${path}\n`;
  expect(namesIn(row(`${start}${"\ufffd".repeat(70)}`) + row(name) + row(`${name}x`), false)).toEqual([name]);
});
