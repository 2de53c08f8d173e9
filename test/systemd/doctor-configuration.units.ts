import { brokenUnits, dropIn, healthyUnits, type My } from "./trial.ts";

/** A unit whose shell sends READY=1, and becomes its program. */
const READY = '"$N" --ready; exec sleep infinity';
const service = (my: My, lines: string, script = READY) =>
  `[Service]\nTimeoutStartSec=60\n${lines}${lines.endsWith("\n") || lines === "" ? "" : "\n"}ExecStart=${my.sh(script)}\n`;
/** The first line that the shell's script is brought to wait at. */
const STARTING = { ActiveState: "activating", MainPID: /^[1-9]/ };
const FAILED = { ActiveState: "failed" };
const ACTIVE = { ActiveState: "active" };

brokenUnits("doctor: configuration", [
  {
    title: "Type= has a value that there is not",
    files: (my) => ({ [my.unit]: service(my, "Type=notfy") }),
    state: ACTIVE,
    cause: /Type=notfy, line \d+ of .*: systemd can't read this value/,
    cured: { ActiveState: "active", Type: "notify" },
  },
  {
    title: "NotifyAccess= is mistyped, and a child sends",
    files: (my) => ({
      [my.unit]: service(my, "Type=notify\nNotifyAcess=all", 'setpriv --reuid=65534 "$N" --ready; sleep infinity'),
    }),
    state: STARTING,
    cause: /NotifyAcess=all, line \d+ of .*: systemd knows no such setting/,
  },
  {
    title: "NotifyAccess= stands in [Unit]",
    files: (my) => ({
      [my.unit]: `[Unit]\nNotifyAccess=all\n${service(my, "Type=notify", 'setpriv --reuid=65534 "$N" --ready; sleep infinity')}`,
    }),
    state: STARTING,
    cause: /NotifyAccess=all, line 2 of .*: systemd knows no such setting in this section/,
  },
  {
    title: "a comment behind Type=notify",
    files: (my) => ({ [my.unit]: service(my, "Type=notify # it tells when it is ready") }),
    state: ACTIVE,
    cause: /# it tells when it is ready is no comment/,
    cured: { ActiveState: "active", Type: "notify" },
  },
  {
    title: "a comment behind the command",
    files: (my) => ({ [my.unit]: "[Service]\nType=exec\nRestart=no\nExecStart=/bin/sleep infinity # for ever\n" }),
    state: FAILED,
    cause: /# for ever is no comment.*the program gets it as arguments/,
    cure: (said) => ({ lines: ["ExecStart=", said.cause?.cure ?? ""] }),
  },
  {
    title: "a comment behind WorkingDirectory=",
    files: (my) => ({
      [my.unit]: "[Service]\nType=exec\nWorkingDirectory=/tmp ; for its files\nExecStart=/bin/sleep infinity\n",
    }),
    state: FAILED,
    cause: /; for its files is no comment/,
  },
  {
    title: "a section that there is not",
    files: (my) => ({
      [my.unit]: service(my, "Type=exec").replace("[Service]\n", "[Service]\nSlice=sdnotifytest.slice\n[service]\n"),
    }),
    cause: /\[service\], line \d+ of .*: systemd knows no such section/,
    cure: (_, my) => ({ files: { [my.unit]: service(my, "Type=exec") } }),
  },
  {
    title: "a line that is no assignment, because the backslash before it is missing",
    files: (my) => ({
      [my.unit]: "[Service]\nType=exec\nExecStart=/bin/sh -c \\\n  'exec sleep \"$0\"'\n  infinity\n",
    }),
    state: FAILED,
    cause: /infinity, line \d+ of .*: it is no assignment/,
    cure: (_, my) => ({
      files: { [my.unit]: "[Service]\nType=exec\nExecStart=/bin/sh -c \\\n  'exec sleep \"$0\"' \\\n  infinity\n" },
    }),
  },
  {
    title: "a drop-in adds an ExecStart= to that of the unit",
    files: (my) => ({
      [my.unit]: service(my, "Type=exec"),
      [`${my.unit}.d/override.conf`]: dropIn(["ExecStart=/bin/sleep infinity"]),
    }),
    cause: /more than one ExecStart=.*override\.conf says ExecStart=\/bin\/sleep infinity/,
    cure: (_, my) => ({
      files: { [`${my.unit}.d/override.conf`]: dropIn(["ExecStart=", "ExecStart=/bin/sleep infinity"]) },
    }),
  },
  {
    title: "no ExecStart=, because its program is no absolute path",
    files: (my) => ({ [my.unit]: "[Service]\nType=exec\nExecStart=./sleep infinity\n" }),
    cause: /ExecStart=\.\/sleep infinity, line \d+/,
    cure: (_, my) => ({ files: { [my.unit]: "[Service]\nType=exec\nExecStart=/bin/sleep infinity\n" } }),
  },
  {
    title: "a drop-in has Type=simple over Type=notify",
    files: (my) => ({
      [my.unit]: service(my, "Type=notify"),
      [`${my.unit}.d/50-type.conf`]: dropIn(["Type=simple"]),
    }),
    state: ACTIVE,
    cause: /Type=simple, line 2 of the drop-in .*50-type\.conf: .*\.service says Type=notify/,
    cured: { ActiveState: "active", Type: "notify" },
  },
  {
    title: "a drop-in has NotifyAccess=main over NotifyAccess=all",
    files: (my) => ({
      [my.unit]: service(
        my,
        "Type=notify\nNotifyAccess=all",
        'setpriv --reuid=65534 "$N" --ready; setpriv --reuid=65534 sleep infinity; :',
      ),
      [`${my.unit}.d/50-access.conf`]: dropIn(["NotifyAccess=main"]),
    }),
    state: STARTING,
    cause: /not the main process.*the drop-in .*50-access\.conf says NotifyAccess=main/,
  },
  {
    title: "a drop-in takes AF_UNIX away",
    files: (my) => ({
      [my.unit]: service(my, "Type=notify\nRestrictAddressFamilies=AF_UNIX AF_INET"),
      [`${my.unit}.d/hard.conf`]: dropIn(["RestrictAddressFamilies=", "RestrictAddressFamilies=AF_INET"]),
    }),
    state: STARTING,
    cause: /can open no AF_UNIX socket.*the drop-in .*hard\.conf says RestrictAddressFamilies=AF_INET/,
  },
  {
    title: "the file says Type=notify, and systemd has not read it again",
    alone: true,
    files: (my) => ({ [my.unit]: service(my, "Type=simple") }),
    arrive: async (unit, my) => {
      await unit.start();
      my.machine.write(`/run/systemd/system/${my.unit}`, service(my, "Type=notify"));
    },
    state: { NeedDaemonReload: "yes" },
    cause: /the file says Type=notify, systemd still has Type=simple/,
    cured: { ActiveState: "active", Type: "notify" },
  },
  {
    title: "a drop-in that systemd has not read yet would let its child send",
    alone: true,
    files: (my) => ({ [my.unit]: service(my, "Type=notify", 'setpriv --reuid=65534 "$N" --ready; sleep infinity') }),
    arrive: async (unit, my) => {
      await unit.start("--no-block");
      my.machine.install({ [`${my.unit}.d/new.conf`]: dropIn(["NotifyAccess=all"]) });
    },
    state: { ...STARTING, NeedDaemonReload: "yes" },
    cause: /the file says NotifyAccess=all, systemd still has NotifyAccess=main/,
  },
  {
    title: "UnsetEnvironment= takes the socket away",
    files: (my) => ({ [my.unit]: service(my, "Type=notify\nUnsetEnvironment=NOTIFY_SOCKET") }),
    state: STARTING,
    cause: /UnsetEnvironment=NOTIFY_SOCKET: it takes NOTIFY_SOCKET from the service/,
  },
  {
    title: "an EnvironmentFile= that is not there",
    files: (my) => ({ [my.unit]: service(my, `Type=exec\nEnvironmentFile=${my.directory}/env`) }),
    state: FAILED,
    cause: /EnvironmentFile=.*\/env: there is no such file/,
    cure: (_, my) => ({ files: { [`${my.directory}/env`]: "A=b\n" } }),
  },
  {
    title: "an EnvironmentFile= that is not there, and need not be",
    files: (my) => ({ [my.unit]: service(my, `Type=exec\nEnvironmentFile=${my.directory}/env`) }),
    state: FAILED,
    cause: /EnvironmentFile=.*\/env: there is no such file/,
    cure: (said) => ({ lines: ["EnvironmentFile=", said.cause?.cure?.replace(/^.*, or (\S+).*$/, "$1") ?? ""] }),
  },
  {
    title: "an EnvironmentFile= that was filled in after the start",
    files: (my) => ({
      [my.unit]: service(
        my,
        `Type=notify\nEnvironmentFile=${my.directory}/env`,
        '[ "$GO" = yes ] && "$N" --ready; sleep infinity; :',
      ),
      [`${my.directory}/env`]: "GO=no\n",
    }),
    arrive: async (unit, my) => {
      await unit.start("--no-block");
      await unit.until(STARTING);
      await Bun.sleep(50);
      my.machine.write(`${my.directory}/env`, "GO=yes\n");
    },
    cause: /EnvironmentFile=.*: it has changed since the main process was started, which has GO as before/,
  },
  {
    title: "an EnvironmentFile= made for a shell",
    files: (my) => ({
      [my.unit]: service(
        my,
        `Type=notify\nEnvironmentFile=${my.directory}/env`,
        '[ "$GO" = yes ] && "$N" --ready; sleep infinity; :',
      ),
      [`${my.directory}/env`]: "export GO=yes\n",
    }),
    state: STARTING,
    cause: /line 1, export GO, is no assignment to systemd/,
    cure: (_, my) => ({ files: { [`${my.directory}/env`]: "GO=yes\n" } }),
  },
  {
    title: "a comment behind a value of EnvironmentFile=",
    files: (my) => ({
      [my.unit]: service(
        my,
        `Type=notify\nEnvironmentFile=${my.directory}/env`,
        '[ "$GO" = yes ] && "$N" --ready; sleep infinity; :',
      ),
      [`${my.directory}/env`]: "# settings\nGO=yes # really\n",
    }),
    state: STARTING,
    cause: /line 2: what looks like a comment behind the value is part of GO/,
    cure: (_, my) => ({ files: { [`${my.directory}/env`]: "# really\nGO=yes\n" } }),
  },
  {
    title: "an EnvironmentFile= saved from another service has its NOTIFY_SOCKET",
    files: (my) => ({
      [my.unit]: service(my, `Type=notify\nEnvironmentFile=${my.directory}/env`),
      [`${my.directory}/env`]: "A=b\nNOTIFY_SOCKET=/run/other/notify\n",
    }),
    state: STARTING,
    cause: /it sets NOTIFY_SOCKET, in place of what systemd sets/,
    cure: (_, my) => ({ commands: [`sed -i /NOTIFY_SOCKET/d ${my.directory}/env`] }),
  },
]);

healthyUnits("doctor: healthy configurations", [
  {
    title: "a shell that sends READY=1, and becomes its program",
    files: (my) => ({ [my.unit]: service(my, "Type=notify") }),
    arrive: (unit) => unit.start(),
    state: ACTIVE,
  },
  {
    title: "comments of their own lines, also within one that goes on",
    files: (my) => ({
      [my.unit]: service(my, "# a\n  ; b\nType=notify\nEnvironment=A=1 \\\n  # c\n  ; d\n  B=2"),
    }),
    arrive: (unit) => unit.start(),
    state: { ...ACTIVE, Environment: "A=1 B=2" },
  },
  {
    title: "settings that only another systemd knows",
    files: (my) => ({
      [my.unit]: `[Unit]\nX=y\n${service(my, "Type=notify\nProtectEverything=yes\nRestart=sometimes")}[X-Mine]\nA=b\n`,
    }),
    arrive: (unit) => unit.start(),
    state: ACTIVE,
    says: /^note +ProtectEverything=yes, line/m,
  },
  {
    title: "a drop-in that sets what it may",
    files: (my) => ({
      [my.unit]: service(my, "Type=notify\nNotifyAccess=main"),
      [`${my.unit}.d/50.conf`]: dropIn(["NotifyAccess=all", "TimeoutStartSec=90"]),
    }),
    arrive: (unit) => unit.start(),
    state: ACTIVE,
  },
  {
    title: "a description that was changed, and not read again",
    alone: true,
    files: (my) => ({ [my.unit]: `[Unit]\nDescription=a\n${service(my, "Type=notify")}` }),
    arrive: async (unit, my) => {
      await unit.start();
      my.machine.write(`/run/systemd/system/${my.unit}`, `[Unit]\nDescription=b\n${service(my, "Type=notify")}`);
    },
    state: { ...ACTIVE, NeedDaemonReload: "yes" },
    says: /^note .*have changed since systemd read them/m,
  },
  {
    title: "an EnvironmentFile= that changed after the start, and one that need not be there",
    files: (my) => ({
      [my.unit]: service(
        my,
        `Type=notify\nEnvironmentFile=${my.directory}/*.env\nEnvironmentFile=-${my.directory}/none`,
      ),
      [`${my.directory}/1.env`]: "A=b\n",
    }),
    arrive: async (unit, my) => {
      await unit.start();
      my.machine.write(`${my.directory}/1.env`, "A=c\n");
    },
    state: ACTIVE,
  },
  {
    title: "UnsetEnvironment=NOTIFY_SOCKET of Type=exec",
    files: (my) => ({
      [my.unit]:
        "[Service]\nType=exec\nUnsetEnvironment=NOTIFY_SOCKET\nNotifyAccess=main\nExecStart=/bin/sleep infinity\n",
    }),
    arrive: (unit) => unit.start(),
    state: ACTIVE,
  },
  {
    title: "a command with # in quotes, in a word, and behind a backslash",
    files: (my) => ({ [my.unit]: service(my, "Type=notify", `: "# no comment" a#b; ${READY}`) }),
    arrive: (unit) => unit.start(),
    state: ACTIVE,
  },
]);
