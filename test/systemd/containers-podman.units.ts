/** What podman makes of notifications: each --sdnotify=, and the quadlets of the examples. (`npm run test:systemd -- containers`) */

import { beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, titled } from "../support/command.ts";
import {
  attempt,
  example,
  hang,
  makeImages,
  messagesOf,
  noEngines,
  quadlet,
  run,
  started,
  until,
  untilConnected,
} from "./engines.ts";
import { describeEach, exec, type Machine, type Unit } from "./machine.ts";

const MODES = ["container", "conmon", "healthy", "ignore"] as const;

/** What a program sends, each as a message of its own, and how the table of docs/containers.md calls it. */
const SENT: [key: string, ...arguments_: string[]][] = [
  ["READY=1", "READY=1"],
  ["STATUS=", "STATUS=early"],
  ["RELOADING=1", "--reloading"],
  ["WATCHDOG=1", "WATCHDOG=1"],
  ["WATCHDOG=trigger", "WATCHDOG=trigger"],
  ["WATCHDOG_USEC=", "WATCHDOG_USEC=77000000"],
  ["EXTEND_TIMEOUT_USEC=", "EXTEND_TIMEOUT_USEC=1000000"],
  ["ERRNO=", "ERRNO=5"],
  ["BUSERROR=", "BUSERROR=org.example.Error"],
  ["VARLINKERROR=", "VARLINKERROR=org.example.Error"],
  ["MAINPID=", "MAINPID=1"],
  ["NOTIFYACCESS=", "NOTIFYACCESS=main"],
  ["RESTART_RESET=1", "RESTART_RESET=1"],
  ["FDSTORE=1", "FDSTORE=1", "--fd=9"],
  ["X_…=", "X_PRIVATE=1"],
  ["STOPPING=1", "STOPPING=1"],
];
/** This one ends the unit, so it goes out last. */
const LAST = "WATCHDOG=trigger";

describeEach("containers, podman", (machine) => {
  const why = noEngines(machine);
  if (!why) beforeAll(() => makeImages(machine), 120_000);

  test.skipIf(Boolean(why))(
    titled("what arrives by each --sdnotify= is what docs/containers.md says", why),
    async () => {
      const send = ([, ...args]: (typeof SENT)[number]) => exec("sd-notify", ...args);
      const all = SENT.filter(([key]) => key !== LAST).map(send);
      const script = [
        "exec 9</etc/passwd",
        ...all.map((command) => `${command} || :`),
        "touch /tmp/sent",
        "until test -e /tmp/end; do sleep 0.1; done",
        ...SENT.filter(([key]) => key === LAST).map((one) => `${send(one)} || :`),
      ].join("\n");
      const arrived = await Promise.all(
        MODES.map(async (mode) => {
          const name = `mode-${mode}`;
          const podman = ["/usr/bin/podman", "run", "--rm", "--cgroups=split", `--name=${name}`];
          const health = ["--health-cmd=test -e /tmp/sent", "--health-interval=1s", "--stop-timeout=1"];
          const unit = machine.service({
            Type: "notify",
            NotifyAccess: "all",
            Delegate: "yes",
            KillMode: "mixed",
            WatchdogSec: 60,
            FileDescriptorStoreMax: 5,
            ExecStart: exec(...podman, `--sdnotify=${mode}`, ...health, "localhost/greeter:1", "sh", "-c", script),
            ExecStopPost: exec("/usr/bin/podman", "rm", "--force", "--ignore", "--time=0", name),
          });
          if (mode === "ignore") await unit.start("--no-block");
          else await started(unit);
          await until(machine, `podman exec ${name} test -e /tmp/sent`);
          // The container may end before podman has seen touch end.
          await attempt(machine, `podman exec ${name} touch /tmp/end`);
          await unit.until({ ActiveState: /^(inactive|failed)$/ });
          return messagesOf(unit);
        }),
      );
      const isHeard = (messages: string[], text: string) => messages.some((one) => one.split(", ").includes(text));
      const rows = SENT.map(([key, first = ""]) => {
        const wire = first === "--reloading" ? "RELOADING=1" : first;
        const cells = arrived.map((messages) => {
          // podman says these two itself.
          const own = messages.find((one) => one.startsWith("MAINPID=") && one !== "MAINPID=1");
          if (key === "MAINPID=" && own !== undefined) return "podman's";
          if (key === "READY=1" && messages !== arrived[0] && isHeard(messages, wire)) return "podman's";
          return isHeard(messages, wire) ? "yes" : "";
        });
        return [`\`${key}\``, ...cells];
      });
      const page = readFileSync(join(ROOT, "docs/containers.md"), "utf8");
      const table = /^\| what the program sends .*\n\|[-| ]+\|\n((?:\|.*\n)+)/m.exec(page)?.[1] ?? "";
      const written = table
        .trimEnd()
        .split("\n")
        .map((line) =>
          line
            .slice(1, -1)
            .split("|")
            .map((cell) => cell.trim()),
        );
      expect(written).toEqual(rows);
    },
    120_000,
  );

  test.skipIf(Boolean(why))(
    titled("$NOTIFY_SOCKET is conmon's in the container, and $WATCHDOG_USEC is not handed on", why),
    async () => {
      const echo = 'echo "$NOTIFY_SOCKET,$WATCHDOG_USEC,$WATCHDOG_PID"';
      const environment = async (...options: string[]) => {
        const unit = machine.service({
          Type: "oneshot",
          NotifyAccess: "all",
          WatchdogSec: 60,
          StandardOutput: `truncate:${machine.directory}/environment`,
          ExecStart: exec("/usr/bin/podman", "run", "--rm", ...options, "localhost/greeter:1", "sh", "-c", echo),
        });
        await started(unit);
        return readFileSync(machine.outside(`${machine.directory}/environment`), "utf8").trim();
      };
      expect(await environment()).toBe("/run/notify/notify.sock,,");
      expect(await environment("--env=WATCHDOG_USEC")).toBe("/run/notify/notify.sock,60000000,");
      expect(await environment("--sdnotify=ignore")).toBe(",,");
    },
  );

  test.skipIf(Boolean(why))(
    titled("greeter.container answers, pings, reloads, and is not cut off in a drain of 8 s", why),
    async () => {
      const changes = { "[Container]": "[Container]\nEnvironment=PORT=3001", "WatchdogSec=10": "WatchdogSec=2" };
      const unit = await started(await quadlet(machine, "greeter", example("containers/greeter.container", changes)));
      await unit.until({ ActiveState: "active", StatusText: /:3001/ });
      expect(await run(machine, "curl -sSf http://localhost:3001/")).toBe("Hello");
      expect(await doctorSays(machine, unit)).toEqual([
        expect.stringContaining("STATUS= and WATCHDOG=1 are passed on"),
      ]);
      expect((await machine.systemctl("reload", unit.name)).code).toBe(0);
      await unit.untilJournal("RELOADING=1");
      await unit.until({ ActiveState: "active" });
      const answer = run(machine, "curl -sSf 'http://localhost:3001/?ms=8000'");
      await untilConnected(machine, 3001);
      expect((await unit.stop()).code).toBe(0);
      expect(await answer).toBe("Hello");
      expect((await messagesOf(unit)).filter((text) => text === "WATCHDOG=1").length).toBeGreaterThan(2);
      await unit.until({ ActiveState: "inactive", Result: "success" });
    },
    90_000,
  );

  test.skipIf(Boolean(why))(
    titled("podman cuts a drain off after StopTimeout=, because EXTEND_TIMEOUT_USEC= ends at conmon", why),
    async () => {
      const changes = { "[Container]": "[Container]\nEnvironment=PORT=3005", "StopTimeout=70": "StopTimeout=2" };
      const text = example("containers/greeter.container", changes);
      const unit = await started(await quadlet(machine, "greeter-cut", text));
      const answer = attempt(machine, "curl -sSf 'http://localhost:3005/?ms=8000'");
      await untilConnected(machine, 3005);
      await unit.stop();
      expect((await answer).code).not.toBe(0);
      await unit.until({ ActiveState: "failed", Result: "exit-code", ExecMainStatus: "137" });
    },
    90_000,
  );

  test.skipIf(Boolean(why))(
    titled("greeter.container is started again when the server hangs", why),
    async () => {
      const changes = {
        "[Container]": "[Container]\nEnvironment=PORT=3002",
        "WatchdogSec=10": "WatchdogSec=2",
        "StopTimeout=70": "StopTimeout=2",
      };
      const text = example("containers/greeter.container", changes);
      const unit = await started(await quadlet(machine, "greeter-hangs", text));
      await run(machine, "podman kill --signal=STOP systemd-greeter-hangs");
      await unit.until({ NRestarts: "1", ActiveState: "active" }, { timeoutMs: 40_000 });
      expect(await run(machine, "curl -sSf http://localhost:3002/")).toBe("Hello");
      await unit.stop();
    },
    90_000,
  );

  test.skipIf(Boolean(why))(
    titled("Type=notify-reload does not go with --sdnotify=container: conmon has no handler for SIGHUP", why),
    async () => {
      const unit = machine.service({
        Type: "notify-reload",
        Delegate: "yes",
        KillMode: "mixed",
        ExecStart: exec("/usr/bin/podman", "run", "--rm", "--cgroups=split", "--env=PORT=0", "localhost/greeter:1"),
      });
      expect((await unit.start()).code).not.toBe(0);
      expect(await unit.show("Result")).toEqual({ Result: "protocol" });
    },
  );

  test.skipIf(Boolean(why))(
    titled("greeter-healthy.container is ready when its probe passes, and is started again when the server hangs", why),
    async () => {
      const changes = {
        "[Container]":
          "[Container]\nEnvironment=PORT=3003\nEntrypoint=sd-notify\nExec=" +
          "bridge --watchdog=2 --timeout-stop=2 -- bun /app/server.ts",
      };
      const text = example("containers/greeter-healthy.container", changes);
      const unit = await started(await quadlet(machine, "greeter-healthy", text));
      expect(await messagesOf(unit)).toEqual([expect.stringMatching(/^MAINPID=\d+$/), "READY=1"]);
      expect(await run(machine, "curl -sSf http://localhost:3003/")).toBe("Hello");
      expect(await doctorSays(machine, unit)).toEqual([expect.stringContaining("nothing that the program sends")]);
      await hang(machine, "systemd-greeter-healthy");
      await unit.until({ NRestarts: "1", ActiveState: "active" }, { timeoutMs: 40_000 });
      expect(await run(machine, "curl -sSf http://localhost:3003/")).toBe("Hello");
      expect((await unit.stop()).code).toBe(0);
    },
    90_000,
  );

  test.skipIf(Boolean(why))(
    titled("--health-cmd='sd-notify probe live' says healthy, then unhealthy, and podman restarts the container", why),
    async () => {
      await run(
        machine,
        `podman run -d --name=health --restart=on-failure --env=PORT=3004 --health-cmd='sd-notify probe live' \\
          --health-interval=1s --health-retries=1 --entrypoint='["sd-notify","bridge","--watchdog=2","--timeout-stop=6","--"]' \\
          localhost/greeter-bridged:1 bun /app/server.ts`,
      );
      const state = (wanted: string) =>
        until(
          machine,
          `podman inspect health --format '{{.State.Health.Status}} {{.RestartCount}}' | grep -E '${wanted}'`,
        );
      await state("^healthy 0");
      await hang(machine, "health");
      await state("^unhealthy 0");
      const { code, stdout } = await attempt(machine, "podman exec health sd-notify probe live");
      expect([code, stdout]).toEqual([1, expect.stringContaining("not live")]);
      await state("^healthy 1");
      await run(machine, "podman stop --time=20 health");
      expect(await run(machine, "podman inspect health --format '{{.State.ExitCode}}'")).toBe("0");
      await run(machine, "podman rm health");
    },
    90_000,
  );
});

// --- internal ---

/** What the doctor says of the unit's container; it throws if the doctor finds a fault. */
async function doctorSays(machine: Machine, unit: Unit): Promise<string[]> {
  const { checks } = JSON.parse(await run(machine, `sd-notify doctor --json ${unit.name}`));
  return checks.flatMap(({ name, why }: { name: string; why?: string }) => (name === "container" ? [why] : []));
}
