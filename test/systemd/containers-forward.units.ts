/** `sd-notify bridge --forward` around a container: what is in there is heard as if it were in the unit. */

import { beforeAll, expect, test } from "bun:test";
import { titled } from "../support/command.ts";
import { makeImages, messagesOf, noEngines, run, started, tryService } from "./engines.ts";
import { describeEach, exec } from "./machine.ts";

describeEach("containers, bridge --forward", (machine) => {
  const why = noEngines(machine);
  if (!why) beforeAll(() => makeImages(machine), 120_000);

  test.skipIf(Boolean(why))(
    titled("READY=1, STATUS=, WATCHDOG=1, EXTEND_TIMEOUT_USEC= and a stored fd reach systemd, and it comes back", why),
    async () => {
      const script = `
        sd-notify --ready --status=ready
        sd-notify WATCHDOG=1 EXTEND_TIMEOUT_USEC=5000000
        if [ "$LISTEN_FDNAMES" = kept ]; then
          sd-notify --status="back: $(cat <&3)"
        else
          echo words >/tmp/kept
          exec 9</tmp/kept
          sd-notify --fd=9 --fdname=kept FDSTORE=1
          sd-notify --pid=1 --status=stored
        fi
        exec sleep infinity`;
      const podman = ["/usr/bin/podman", "run", "--rm", "--init", "--sdnotify=ignore", "--name=forward"];
      const socket = "/run/sdnotifytest-forward/notify";
      const unit = machine.service({
        Type: "notify",
        RuntimeDirectory: "sdnotifytest-forward",
        RuntimeDirectoryMode: "0700",
        Delegate: "yes",
        KillMode: "mixed",
        WatchdogSec: 60,
        FileDescriptorStoreMax: 5,
        FileDescriptorStorePreserve: "yes",
        ExecStart: exec(
          ...[`${machine.checkout}/dist/sd-notify`, "bridge", "--forward", `--socket=${socket}`, "--"],
          ...[...podman, `--volume=${socket}:/run/notify`, "--env=NOTIFY_SOCKET=/run/notify", "localhost/greeter:1"],
          ...["sh", "-c", script],
        ),
      });
      await started(unit);
      await unit.until({ StatusText: "stored", NFileDescriptorStore: "1" });
      const messages = await messagesOf(unit);
      expect(messages).toContain("READY=1, STATUS=ready");
      expect(messages).toContain("WATCHDOG=1, EXTEND_TIMEOUT_USEC=5000000");
      // What names a process of the container means nothing out here.
      expect(messages.some((text) => text.includes("MAINPID"))).toBe(false);
      const { stdout } = await machine.run(["systemd-analyze", "fdstore", unit.name]);
      expect(stdout).toMatch(/^kept /m);
      // The file itself is gone with the first container.
      expect((await machine.systemctl("restart", unit.name)).code).toBe(0);
      await unit.until({ StatusText: "back: words" });
      expect((await unit.stop()).code).toBe(0);
      expect(await run(machine, "podman ps --all --quiet --filter=name=^forward$")).toBe("");
    },
  );

  test.skipIf(Boolean(why))(
    titled("greeter-podman.service answers, reloads, drains, and is started again when the server hangs", why),
    () => tryService(machine, "podman", 3010, "localhost/greeter:1"),
    120_000,
  );
});
