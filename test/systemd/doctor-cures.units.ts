import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { exec, type Machine } from "./machine.ts";
import { brokenUnits, healthyUnits, type My, type Said } from "./trial.ts";

// Not tried: "chmod 777 on the socket", because the socket of PID 1 is the one that all tests send to.

/** A unit that waits for READY=1, and long enough for the doctor. */
const notify = (start: string, ...lines: string[]) =>
  `[Service]\nType=notify\nTimeoutStartSec=60\n${lines.map((line) => `${line}\n`).join("")}ExecStart=${start}\n`;
const STARTING = { ActiveState: "activating", MainPID: /^[1-9]/ };
const ACTIVE = { ActiveState: "active" };
const FAILED = { ActiveState: "failed" };

/** Sends by itself, and stays: all that it needs is in perl-base. */
const SENDER = `use Socket; socket(S, AF_UNIX, SOCK_DGRAM, 0);
  if ($ENV{NOTIFY_SOCKET}) { send(S, "READY=1", 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or warn "$!\\n" } sleep 1e6;`;
const inShell = `/usr/bin/perl -e '${SENDER}'`;
const sender = exec("/usr/bin/perl", "-e", SENDER);
/** Says whether it is told of the watchdog. */
const watcher = exec(
  "/usr/bin/perl",
  "-e",
  SENDER.replace('"READY=1"', '"READY=1\\nSTATUS=" . ($ENV{WATCHDOG_USEC} ? "watched" : "unwatched")'),
);
/** A server that knows nothing of systemd. */
const tcpServer = (my: My) =>
  exec(
    "/usr/bin/perl",
    "-MIO::Socket",
    "-e",
    'my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", ReuseAddr => 1, LocalPort => shift) or die; while (my $c = $s->accept) { close $c }',
    `${my.port}`,
  );

/** sudo(8), and what it needs in an empty /etc. */
const noSudo = (machine: Machine) => !existsSync(machine.outside("/usr/bin/sudo")) && "there is no sudo";
function allowSudo({ machine }: My): void {
  mkdirSync(machine.outside("/etc/pam.d"), { recursive: true });
  const pam = ["auth", "account", "session"].map((kind) => `${kind} required pam_permit.so\n`).join("");
  if (!existsSync(machine.outside("/etc/pam.d/sudo"))) machine.write("/etc/pam.d/sudo", pam);
  if (!existsSync(machine.outside("/etc/sudoers")))
    machine.write("/etc/sudoers", "Defaults env_reset\nroot ALL=(ALL:ALL) NOPASSWD: ALL\n");
}
const sudo = (options = "") => `/usr/bin/sudo ${options} -u nobody ${sender}`;

/** A Bun behind a shell, that says whether the watchdog is meant for it. */
const watched = (my: My, way?: "exec" | "unset WATCHDOG_PID") => {
  const code =
    "notify({ ready: true, status: watchdogTimeoutMs() ? 'watched' : 'unwatched' }); startWatchdog(); setInterval(() => {}, 1e6);";
  const before = way === undefined ? "" : way === "exec" ? "exec " : `${way}; `;
  const script = my.bun(code).replaceAll("$$", "$");
  return notify(exec("/bin/sh", "-c", `${before}${script}; exit 0`), "NotifyAccess=all", "WatchdogSec=1h");
};

/** A directory for chroot(8) that has the programs of the machine. */
function makeJail({ machine, directory }: My): void {
  for (const name of ["bin", "lib", "lib64"]) {
    mkdirSync(machine.outside(`${directory}/jail`), { recursive: true });
    if (!existsSync(machine.outside(`${directory}/jail/${name}`)))
      symlinkSync(`usr/${name}`, machine.outside(`${directory}/jail/${name}`));
  }
}
const jailed = (my: My, ...lines: string[]) =>
  notify(
    `/usr/sbin/chroot ${my.directory}/jail ${sender}`,
    `BindReadOnlyPaths=/usr:${my.directory}/jail/usr /dev:${my.directory}/jail/dev`,
    ...lines,
  );

brokenUnits("doctor: messages that PID 1 takes and does not understand", [
  ...(
    [
      ["READY=1 STATUS=up", /READY=1 STATUS=up of process \d+: each assignment needs a line of its own/],
      ["READY=true", /READY=true of process \d+: only 1 means anything/],
      [" READY=1", /" READY=1" of process \d+: the service manager knows no such key/],
      ["Ready=1", /Ready=1 of process \d+: the service manager knows no such key/],
      ["READY", /READY of process \d+: it is no assignment/],
    ] as const
  ).map(([message, cause]) => ({
    title: `the program sends ${JSON.stringify(message)}`,
    files: (my: My) => ({
      [my.unit]: notify(my.sh(`"$N" "${message}" || "$N" X_A=1 "${message}"; exec sleep infinity`)),
    }),
    state: STARTING,
    cause,
    cure: (_: unknown, my: My) => ({
      files: { [my.unit]: notify(my.sh('"$N" READY=1 STATUS=up; exec sleep infinity')) },
    }),
  })),
]);

brokenUnits("doctor: cures that have to help", [
  {
    title: "sudo: User= and the command without it",
    skip: noSudo,
    files: (my) => ({ [my.unit]: notify(sudo()) }),
    arrive: (unit, my) => {
      allowSudo(my);
      return unit.start("--no-block");
    },
    state: STARTING,
    cause: /\$NOTIFY_SOCKET of process \d+ \(perl\) is not set: process \d+ \(sudo\) has it, and does not pass it on/,
  },
  {
    title: "sudo: NotifyAccess=all and --preserve-env=NOTIFY_SOCKET",
    skip: noSudo,
    files: (my) => ({ [my.unit]: notify(sudo(), "NotifyAccess=all") }),
    arrive: (unit, my) => {
      allowSudo(my);
      return unit.start("--no-block");
    },
    state: STARTING,
    cause: /process \d+ \(sudo\) has it, and does not pass it on/,
    cure: (said) => {
      const [, access, option] = /; or (NotifyAccess=all) and sudo (\S+)$/.exec(said.cause?.cure ?? "") ?? [];
      return { lines: [`${access}`, "ExecStart=", `ExecStart=${sudo(option)}`] };
    },
  },
  {
    title: "sudo that passes the socket on: who sends is not the main process",
    skip: noSudo,
    files: (my) => ({ [my.unit]: notify(sudo("--preserve-env=NOTIFY_SOCKET")) }),
    arrive: (unit, my) => {
      allowSudo(my);
      return unit.start("--no-block");
    },
    state: STARTING,
    cause: /messages of process \d+ \(perl\): process \d+ is not the main process/,
  },
  {
    title: "env -i in a script",
    files: (my) => ({ [my.unit]: notify(exec("/bin/sh", "-c", `env -i ${inShell}; :`), "NotifyAccess=all") }),
    state: STARTING,
    cause: /\$NOTIFY_SOCKET of process \d+ \(perl\) is not set: process \d+ \(sh\) has it/,
    cure: (_, my) => ({ files: { [my.unit]: notify(exec("/bin/sh", "-c", `${inShell}; :`), "NotifyAccess=all") } }),
  },
  {
    title: "chroot(8): the socket is not in the new root",
    files: (my) => ({ [my.unit]: jailed(my) }),
    arrive: (unit, my) => {
      makeJail(my);
      return unit.start("--no-block");
    },
    state: STARTING,
    cause: /its root directory is .*\/jail, as after chroot/,
  },
  {
    title: "InaccessiblePaths= of a directory over the socket",
    skip: (machine) =>
      machine.version < 253 && `systemd ${machine.version} can't set it up, because it needs /run/systemd`,
    files: (my) => ({ [my.unit]: notify(sender, "InaccessiblePaths=/run/systemd") }),
    state: STARTING,
    cause: /InaccessiblePaths=\/run\/systemd hides it/,
  },
  {
    title: "InaccessiblePaths= of the socket itself",
    files: (my) => ({ [my.unit]: notify(sender, "InaccessiblePaths=/run/systemd/notify") }),
    state: STARTING,
    cause: /InaccessiblePaths=\/run\/systemd\/notify hides it/,
  },
  {
    title: "TemporaryFileSystem=/run",
    files: (my) => ({ [my.unit]: notify(sender, "TemporaryFileSystem=/run") }),
    state: STARTING,
    cause: /there is no such file in its mount namespace, though there is outside/,
  },
  {
    title: "RestrictAddressFamilies= without AF_UNIX",
    files: (my) => ({ [my.unit]: notify(sender, "RestrictAddressFamilies=AF_INET AF_INET6") }),
    state: STARTING,
    cause: /can open no AF_UNIX socket/,
  },
  {
    title: "RestrictAddressFamilies=~AF_UNIX",
    files: (my) => ({ [my.unit]: notify(sender, "RestrictAddressFamilies=~AF_UNIX AF_NETLINK") }),
    state: STARTING,
    cause: /can open no AF_UNIX socket/,
  },
  {
    title: "SystemCallFilter= that forbids what sending takes",
    files: (my) => ({
      [my.unit]: notify(sender, "SystemCallFilter=~connect sendmsg sendto", "SystemCallErrorNumber=EPERM"),
    }),
    state: STARTING,
    cause: /connect, sendto, sendmsg can't be called/,
  },
  {
    title: "MemoryDenyWriteExecute=yes and Bun",
    files: (my) => ({
      [my.unit]: notify(
        my.bun("try { notify({ ready: true }) } catch {} setInterval(() => {}, 1e6)"),
        "MemoryDenyWriteExecute=yes",
      ),
    }),
    state: STARTING,
    cause: /bun:ffi needs memory that is writable and executable/,
  },
  {
    title: "MemoryDenyWriteExecute=yes and Bun: OpenFile=",
    skip: (machine) => machine.version < 253 && `systemd ${machine.version} does not know OpenFile=`,
    files: (my) => ({
      [my.unit]: notify(
        my.bun("try { notify({ ready: true }) } catch {} setInterval(() => {}, 1e6)"),
        "MemoryDenyWriteExecute=yes",
      ),
    }),
    state: STARTING,
    cause: /bun:ffi needs memory that is writable and executable/,
    cure: (said) => ({ lines: [/OpenFile=\S+/.exec(said.cause?.cure ?? "")?.[0] ?? ""] }),
  },
  {
    title: "Environment= has a NOTIFY_SOCKET",
    files: (my) => ({ [my.unit]: notify(sender, "Environment=NOTIFY_SOCKET=run/notify") }),
    state: STARTING,
    cause: /it must be \/path, @name or vsock:CID:PORT/,
    cure: (said) => ({ lines: [/remove NOTIFY_SOCKET= from (Environment=)/.exec(said.cause?.cure ?? "")?.[1] ?? ""] }),
  },
  {
    title: "a shell is the main process, and its child sends: NotifyAccess=all",
    files: (my) => ({ [my.unit]: notify(exec("/bin/sh", "-c", `${inShell}; :`)) }),
    state: STARTING,
    cause: /messages of process \d+ \(perl\): process \d+ is not the main process/,
  },
  {
    title: "a shell is the main process, and its child sends: exec",
    files: (my) => ({ [my.unit]: notify(exec("/bin/sh", "-c", `${inShell}; :`)) }),
    state: STARTING,
    cause: /messages of process \d+ \(perl\): process \d+ is not the main process/,
    cure: (said, my) => {
      if (!/or exec before the command in the script of sh$/.test(said.cause?.cure ?? "")) throw new Error(said.text);
      return { files: { [my.unit]: notify(exec("/bin/sh", "-c", `exec ${inShell}`)) } };
    },
  },
  {
    title: "Type=notify-reload without a handler for SIGHUP",
    skip: (machine) => machine.version < 253 && `systemd ${machine.version} does not know it`,
    files: (my) => ({
      [my.unit]: notify(exec("/usr/bin/perl", "-e", SENDER.replace("use Socket;", "use Socket; sleep 2;"))).replace(
        "Type=notify",
        "Type=notify-reload",
      ),
    }),
    state: STARTING,
    // Later, READY=1 has ended the start.
    cause: /has no handler for (SIGHUP|the signal of a reload)/,
  },
  {
    title: "an abstract socket in Environment=, and PrivateNetwork=yes",
    files: (my) => ({ [my.unit]: notify(sender, "Environment=NOTIFY_SOCKET=@nobody", "PrivateNetwork=yes") }),
    state: STARTING,
    cause: /nobody listens to this name/,
    cure: (said) => ({ lines: [/remove NOTIFY_SOCKET= from (Environment=)/.exec(said.cause?.cure ?? "")?.[1] ?? ""] }),
  },
  ...(["exec", "unset WATCHDOG_PID"] as const).map((way) => ({
    title: `$WATCHDOG_PID of a shell, and Bun behind it: ${way}`,
    files: (my: My) => ({ [my.unit]: watched(my) }),
    state: { ActiveState: "active", StatusText: "unwatched" },
    cause: /\$WATCHDOG_PID is \d+ \(sh\), so process \d+ \(.*\) takes the watchdog for another's/,
    cure: ({ cause }: Said, my: My) => {
      const words = /^exec before the command in .*; or "unset WATCHDOG_PID" there, with NotifyAccess=all$/;
      if (!words.test(cause?.cure ?? "")) throw new Error(`${cause?.cure}`);
      return { files: { [my.unit]: watched(my, way) } };
    },
    cured: { ActiveState: "active", StatusText: "watched" },
  })),
  {
    title: "env -u WATCHDOG_USEC",
    files: (my) => ({ [my.unit]: notify(`/usr/bin/env -u WATCHDOG_USEC ${watcher}`, "WatchdogSec=1h") }),
    state: { ...ACTIVE, StatusText: "unwatched" },
    cause: /\$WATCHDOG_USEC is not set in process \d+ \(perl\): something between systemd and it has removed it/,
    cure: (said, my) => {
      if (said.cause?.cure !== "ExecStart= without env -i, env -u or the like") throw new Error(said.text);
      return { files: { [my.unit]: notify(watcher, "WatchdogSec=1h") } };
    },
    cured: { ...ACTIVE, StatusText: "watched" },
  },
  {
    title: "UnsetEnvironment=WATCHDOG_USEC",
    files: (my) => ({ [my.unit]: notify(watcher, "WatchdogSec=1h", "UnsetEnvironment=WATCHDOG_USEC") }),
    state: { ...ACTIVE, StatusText: "unwatched" },
    cause: /\$WATCHDOG_USEC is not set in process \d+ \(perl\)/,
    cured: { ...ACTIVE, StatusText: "watched" },
  },
  {
    title: "a masked unit",
    alone: true,
    files: (my) => ({ [my.unit]: notify(sender) }),
    arrive: async (_, my) => {
      symlinkSync("/dev/null", my.machine.outside(`/etc/systemd/system/${my.unit}`));
      await my.machine.systemctl("daemon-reload");
    },
    cause: /its LoadState is masked|is masked/,
  },
]);

brokenUnits("doctor: programs that know nothing of the protocol", [
  {
    title: "a server in a script: sd-notify run --ready-tcp=",
    files: (my) => ({ [my.unit]: notify(tcpServer(my)) }),
    state: STARTING,
    cause: /\(perl\) does not send READY=1 by itself: neither its command line nor its script/,
  },
  {
    title: "a server in a script: Type=exec",
    files: (my) => ({ [my.unit]: notify(tcpServer(my)) }),
    state: STARTING,
    cause: /\(perl\) does not send READY=1 by itself/,
    cure: (said) => ({ lines: [/; or (Type=exec),/.exec(said.cause?.cure ?? "")?.[1] ?? ""] }),
  },
  {
    title: "a server at a Unix socket: sd-notify run --ready-unix=",
    files: (my) => ({
      [my.unit]: notify(
        exec(
          "/usr/bin/perl",
          "-MIO::Socket::UNIX",
          "-e",
          "unlink $ARGV[0]; my $s = IO::Socket::UNIX->new(Listen => 5, Local => $ARGV[0]) or die; while (my $c = $s->accept) { close $c }",
          `/tmp/server-${my.port}.sock`,
        ),
      ),
    }),
    state: STARTING,
    cause: /\(perl\) does not send READY=1 by itself/,
  },
  {
    title: "a program that listens nowhere: Type=exec",
    files: (my) => ({ [my.unit]: notify("/bin/sleep infinity") }),
    state: STARTING,
    cause: /\(sleep\) does not send READY=1 by itself: neither its program nor its libraries mention \$NOTIFY_SOCKET/,
  },
  {
    title: "a program that says when it is ready: sd-notify run --ready-log=",
    files: (my) => ({ [my.unit]: notify(exec("/bin/sh", "-c", "echo listening on 80; exec sleep infinity")) }),
    state: STARTING,
    cause: /\(sleep\) does not send READY=1 by itself/,
    cure: (said) => ({
      lines: [
        "ExecStart=",
        (/; or (ExecStart=.*), if a line/.exec(said.cause?.cure ?? "")?.[1] ?? "").replace("REGEX", "^listening"),
      ],
    }),
  },
  {
    title: "a program that puts itself into the background: Type=forking",
    files: (my) => ({ [my.unit]: notify(exec("/bin/sh", "-c", "sleep infinity & exit 0")) }),
    state: FAILED,
    cause: /the main process has put itself into the background/,
  },
  {
    title: "docker: sd-notify run asks the published port",
    // There is no docker in the trees, nor a daemon of it: a server of that name in its place.
    files: (my) => ({
      [my.unit]: notify(
        `${my.directory}/docker run --publish=127.0.0.1:${my.port}:80/tcp nginx`,
        `WorkingDirectory=${my.directory}`,
      ),
      [`${my.directory}/run`]: `use IO::Socket; my $s = IO::Socket::INET->new(Listen => 5, ReuseAddr => 1, LocalAddr => "127.0.0.1", LocalPort => ${my.port}) or die; while (my $c = $s->accept) { close $c }\n`,
    }),
    arrive: (unit, my) => {
      symlinkSync("/usr/bin/perl", my.machine.outside(`${my.directory}/docker`));
      return unit.start("--no-block");
    },
    state: STARTING,
    cause: /starts a container: its containers are processes of no unit but docker's/,
  },
]);

healthyUnits("doctor: healthy units behind something", [
  {
    title: "sudo that passes the socket on, and NotifyAccess=all",
    skip: noSudo,
    files: (my) => ({ [my.unit]: notify(sudo("--preserve-env=NOTIFY_SOCKET"), "NotifyAccess=all") }),
    arrive: (unit, my) => {
      allowSudo(my);
      return unit.start();
    },
    state: ACTIVE,
  },
  {
    title: "chroot(8) with the socket in the new root",
    files: (my) => ({
      [my.unit]: jailed(my, `BindReadOnlyPaths=/run/systemd/notify:${my.directory}/jail/run/systemd/notify`),
    }),
    arrive: (unit, my) => {
      makeJail(my);
      return unit.start();
    },
    state: ACTIVE,
  },
  {
    title: "RootDirectory=, in which systemd puts the socket",
    files: (my) => ({ [my.unit]: notify(sender, `RootDirectory=${my.directory}/jail`, "BindReadOnlyPaths=/usr") }),
    arrive: (unit, my) => {
      makeJail(my);
      return unit.start();
    },
    state: ACTIVE,
  },
  {
    title: "sd-notify run, for a server that knows nothing of systemd",
    files: (my) => ({ [my.unit]: notify(`${my.command} run --ready-tcp=127.0.0.1:${my.port} -- ${tcpServer(my)}`) }),
    arrive: (unit) => unit.start(),
    state: ACTIVE,
  },
  {
    title: "a key that systemd does not know, beside what it knows",
    files: (my) => ({ [my.unit]: notify(my.sh('"$N" READY=1 STATUS=up VERSION=2 WATCHDOG=1; exec sleep infinity')) }),
    arrive: (unit) => unit.start(),
    state: ACTIVE,
    says: /^note +VERSION=2 of process/m,
  },
  {
    title: "InaccessiblePaths= of something else",
    files: (my) => ({ [my.unit]: notify(sender, "InaccessiblePaths=/home -/run/nothing") }),
    arrive: (unit) => unit.start(),
    state: ACTIVE,
  },
]);
