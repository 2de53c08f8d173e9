import { expect, test } from "bun:test";
import { titled } from "../support/command.ts";
import { describeEach, exec, unitText } from "./machine.ts";

/** What a program can see of what it was given, but for its pid and the time. */
const LOOK = [
  "while read -r line; do case $line in Sig[BI]*|[UG]id*|Groups*|NoNewPrivs*|Cap*) echo $line ;; esac; done </proc/$$/status",
  "while read -r line; do case $line in *files*|*processes*|*stack*) echo $line ;; esac; done </proc/$$/limits",
  "cut -d' ' -f19 /proc/$$/stat",
  "pwd; umask",
  "for fd in /proc/$$/fd/[0-9] /proc/$$/fd/1[0-4]; do [ -e $fd ] && readlink $fd | sed 's/:.*//'; done",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell's.
  'echo "$LISTEN_FDS $LISTEN_FDNAMES ${LISTEN_PID:+$((LISTEN_PID - $$))} $WATCHDOG_USEC ${WATCHDOG_PID:+$((WATCHDOG_PID - $$))} ${NOTIFY_SOCKET:+socket} $CREDENTIALS_DIRECTORY"',
].join("; ");

describeEach("--exec and --fork", (machine) => {
  const noExec = machine.commandVersion < 254 && `systemd-notify ${machine.commandVersion} has no --exec`;
  const noFork = machine.commandVersion < 258 && `systemd-notify ${machine.commandVersion} has no --fork`;

  test.skipIf(Boolean(noExec))(titled("--exec as ExecStart= becomes the main process", noExec), async () => {
    const unit = machine.service({
      Type: "notify",
      ExecStart: exec(
        machine.command,
        "--exec",
        "--ready",
        "--status=handed over",
        ";",
        "--",
        "/bin/sleep",
        "infinity",
      ),
    });
    expect((await unit.start()).code).toBe(0);
    const { MainPID } = await unit.until({ ActiveState: "active", StatusText: "handed over", MainPID: /^[1-9]/ });
    const { stdout } = await machine.run(["sh", "-c", `tr '\\0' ' ' </proc/${MainPID}/cmdline`]);
    expect(stdout).toBe("/bin/sleep infinity ");
  });

  test.skipIf(Boolean(noExec)).each([
    ["with defaults", {}],
    [
      "with limits, signals and a watchdog",
      {
        LimitNOFILE: "200:5000",
        LimitSTACK: "1M:4M",
        IgnoreSIGPIPE: "no",
        Nice: 3,
        UMask: "0027",
        WatchdogSec: 60,
        WorkingDirectory: "/usr",
      },
    ],
    ["unprivileged", { User: "nobody", NoNewPrivileges: "yes", CapabilityBoundingSet: "" }],
  ])(
    `--exec in a socket-activated unit hands on what the unit gives, %s${noExec ? ` (skipped: ${noExec})` : ""}`,
    async (_, section) => {
      const seen: string[] = [];
      const file = `${machine.directory}/seen-${crypto.randomUUID()}`;
      await machine.run(["install", "-m", "666", "/dev/null", file]);
      for (const prefix of [[], [machine.command, "--exec", "A=1", ";", "--"]]) {
        const look = exec(...prefix, "/bin/sh", "-c", `{ ${LOOK}; } >${file}`);
        const unit = machine.service({
          Type: "oneshot",
          NotifyAccess: "all",
          RemainAfterExit: "yes",
          ...section,
          ExecStart: look,
        });
        const socket = unit.name.replace("service", "socket");
        const listen = {
          ListenStream: `${file}.socket`,
          ListenDatagram: `${file}.datagrams`,
          FileDescriptorName: "listening",
        };
        machine.install({ [socket]: unitText({ Socket: listen }) });
        expect((await machine.systemctl("start", socket)).code).toBe(0);
        const { code, stderr } = await unit.start();
        if (code !== 0) throw new Error(`${stderr}${await unit.journal()}`);
        seen.push((await machine.run(["cat", file])).stdout.trimEnd());
        await machine.systemctl("stop", socket, unit.name);
      }
      expect(seen[1]).toBe(seen[0] ?? "");
      expect(seen[0]).toContain("2 listening:listening 0");
    },
  );

  test.skipIf(Boolean(noFork))(
    titled("--fork in a unit waits for its program, which becomes the main process", noFork),
    async () => {
      const script = `pid=$("$N" --fork -- sh -c '"$N" --ready; exec sleep infinity'); "$N" --ready MAINPID=$pid --status="forked $pid"; exec sleep infinity`;
      const unit = machine.service({
        Type: "notify",
        NotifyAccess: "all",
        Environment: `N=${machine.command}`,
        ExecStart: exec("/bin/sh", "-c", script),
      });
      expect((await unit.start()).code).toBe(0);
      const { StatusText = "" } = await unit.until({ ActiveState: "active", StatusText: /^forked \d+$/ });
      await unit.until({ MainPID: StatusText.slice(7) });
    },
  );
});
