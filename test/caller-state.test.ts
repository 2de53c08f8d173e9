import { expect, test } from "bun:test";
import { join } from "node:path";
import { BUN, ROOT, run, temporaryDirectory } from "./support/command.ts";
import { openReceiver } from "./support/receiver.ts";

/** Stands in for the manager's tool, and keeps what it was asked. */
const SYSTEMCTL = `#!/bin/sh
echo "$@" > "$ASKED"
printf 'LimitNOFILESoft=77\\nIgnoreSIGPIPE=no\\n'`;

test("the source asks the manager of a unit for what Bun has changed", async () => {
  await using receiver = await openReceiver();
  using directory = temporaryDirectory();
  await Bun.write(join(directory.path, "systemctl"), SYSTEMCTL);
  await run(["chmod", "+x", join(directory.path, "systemctl")]);
  const cgroup = await Bun.file("/proc/self/cgroup").text();
  const inUnit = /^0::.*\/[^/\n]+\.(service|scope|socket|mount|swap)/m.test(cgroup);
  const asked = join(directory.path, "asked");
  const env = {
    PATH: `${directory.path}:${process.env.PATH}`,
    ASKED: asked,
    NOTIFY_SOCKET: receiver.address,
    // This process is taken for the service manager of a user.
    MANAGERPID: `${process.pid}`,
  };
  const look = "ulimit -Sn; grep SigIgn /proc/$$/status";
  const command = [BUN, join(ROOT, "src/cli/from-source.ts"), "--exec", "A=1", ";", "--", "sh", "-c", look];
  const { stdout } = await run(command, { env });
  if (inUnit) {
    expect(stdout).toBe("77\nSigIgn:\t0000000000000000\n");
    expect(await Bun.file(asked).text()).toMatch(/^--user show -p IgnoreSIGPIPE -p LimitNOFILESoft -- \S+\.\w+\n$/);
  } else {
    // In no unit there is nothing to ask for: SIGPIPE is ignored, as units have it by default.
    expect(stdout).toMatch(/^\d+\nSigIgn:\t0000000000001000\n$/);
    expect(await Bun.file(asked).exists()).toBe(false);
  }
});
