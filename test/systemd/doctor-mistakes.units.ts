import { expect } from "bun:test";
import { chmodSync, readFileSync } from "node:fs";
import { AF_UNIX, SOCK_DGRAM } from "../../ffi/constants.ts";
import * as sys from "../../ffi/syscalls.ts";
import { exec, type Unit } from "./machine.ts";
import { type Broken, brokenUnits, type Cure, type Files, healthyUnits, type My, type Said } from "./trial.ts";

/** What a developer breaks on the way from a terminal to a unit file. */

const SLEEP = "ExecStart=/bin/sleep infinity";
const READY = '"$N" --ready; exec sleep infinity';
const FAILED = { ActiveState: "failed" };
const WAITING = { ActiveState: "activating", SubState: "start", MainPID: /^[1-9]/ };

type Line = string | ((my: My) => string);

const unit =
  (...lines: Line[]) =>
  (my: My): Files => ({
    [my.unit]: `[Service]\nTimeoutStartSec=60\n${lines.map((line) => (typeof line === "string" ? line : line(my))).join("\n")}\n`,
  });

/** A unit, and a server at a path: a script that sends READY=1. */
const server = (path: (my: My) => string, ...lines: Line[]) => ({
  files: (my: My) => ({
    [path(my)]: `#!/bin/sh\n${my.command} --ready\nexec sleep infinity\n`,
    ...unit("Type=notify", "NotifyAccess=all", ...lines)(my),
  }),
  arrive: async (unit: Unit, my: My) => {
    chmodSync(my.machine.outside(path(my)), 0o755);
    await unit.start("--no-block");
  },
});

const script = (path: (my: My) => string, text: (my: My) => string, ...lines: Line[]) => ({
  files: (my: My) => ({ [path(my)]: text(my), ...unit(...lines)(my) }),
});

/** The command line of a Bun that executes a file. */
const bunFile = (my: My, path: string) => exec("/usr/bin/env", "BUN_BE_BUN=1", my.command, path);
const ready = ({ machine }: My) =>
  `import { notify } from "${machine.checkout}/dist/index.js";\nnotify({ ready: true });\nsetInterval(() => {}, 1e6);\n`;

const says = (text: RegExp, cure: (my: My) => Cure) => (said: Said, my: My) => {
  expect(said.cause?.cure).toMatch(text);
  return cure(my);
};

/** The home of root. */
const ROOT = "/root";
const inRoot = (my: My) => `${ROOT}/${my.name}/server`;
const inTmp = (my: My) => `/tmp/${my.name}-server`;
const own = (my: My) => `${my.directory}/server`;
/** No other trial's, and one that only root may listen at. */
const lowPort = (my: My) => 900 + (my.port % 100);

const SHELL: Broken[] = [
  {
    title: "ExecStart= begins with a variable, as for a shell",
    files: unit("Type=notify", (my) => `ExecStart=A=b ${my.sh(`[ "$A" = b ] && ${READY}`)}`),
    state: FAILED,
    cause: /A=b is for a shell, and systemd runs none: it is taken for the program/,
  },
  {
    title: "ExecStart= begins with cd",
    ...server(own, (my) => `ExecStart=cd ${my.directory} && /bin/sh ./server`),
    state: FAILED,
    cause: /: cd is for a shell, and systemd runs none: it is taken for the program/,
  },
  {
    title: "ExecStart= begins with exec",
    files: unit("Type=notify", (my) => `ExecStart=exec ${my.sh(READY)}`),
    state: FAILED,
    cause: /: exec is for a shell/,
  },
  {
    title: "ExecStart= sends its output to a file",
    files: unit("Type=exec", (my) => `${SLEEP} >>${my.directory}/log 2>&1`),
    state: FAILED,
    cause: />>\S+log is for a shell, and systemd runs none: the program gets it as an argument/,
  },
  {
    title: "ExecStart= ends with &",
    files: unit("Type=forking", `${SLEEP} &`),
    state: FAILED,
    cause: /: & is for a shell/,
  },
  {
    title: "ExecStart= has two commands with && between them",
    ...server(own, (my) => `ExecStart=/bin/mkdir -p ${my.directory}/x && ${own(my)}`),
    state: FAILED,
    cause: /: && is for a shell/,
  },
  {
    title: "ExecStart= has a pipe",
    files: unit("Type=exec", `${SLEEP} | /bin/cat`),
    state: FAILED,
    cause: /: \| is for a shell/,
  },
  {
    title: "sh -c without quotes around its script",
    files: unit("Type=exec", "ExecStart=/bin/sh -c test x && sleep infinity"),
    state: FAILED,
    cause: /: && is for a shell/,
  },
  {
    title: "quotes around all of ExecStart=",
    files: unit("Type=exec", 'ExecStart="/bin/sleep infinity"'),
    state: FAILED,
    cause: /there is no \/bin\/sleep infinity: quotes make one word of a whole command/,
  },
  {
    title: "no section",
    files: (my) => ({ [my.unit]: `Type=exec\n${SLEEP}\n` }),
    cause: /Type=exec, line 1 of \S+: it stands above the first section of the file/,
    cure: says(/^\[Service\]/, (my) => ({ files: unit("Type=exec", SLEEP)(my) })),
  },
  {
    title: "ExecStart= begins with ~",
    files: unit("Type=exec", "ExecStart=~/bin/server"),
    cause: /ExecStart=~\/bin\/server, line \d+/,
    cure: says(/^ExecStart= with the absolute path of the program: systemd puts nothing in place of ~/, (my) => ({
      files: unit("Type=exec", SLEEP)(my),
    })),
  },
  {
    title: "Type=dbus without BusName=",
    files: unit("Type=dbus", SLEEP),
    cause: /systemd refuses to load .*no D-Bus service name/,
  },
];

const HIDDEN: Broken[] = [
  {
    title: "ProtectHome=yes, and WorkingDirectory= in /home",
    files: (my) => ({
      [`/home/${my.name}/x`]: "",
      ...unit("Type=exec", "ProtectHome=yes", `WorkingDirectory=/home/${my.name}`, SLEEP)(my),
    }),
    state: FAILED,
    cause: /200\/CHDIR.*ProtectHome=yes hides \/home\/\S+ from it/,
  },
  {
    title: "ProtectHome=yes, and the program in /root",
    ...server(inRoot, "ProtectHome=yes", (my) => `ExecStart=${inRoot(my)}`),
    state: FAILED,
    cause: /203\/EXEC.*ProtectHome=yes hides \/root\/\S+ from it/,
  },
  {
    title: "ProtectHome=yes, and the script of Bun in /home",
    ...script(
      (my) => `/home/${my.name}/server.ts`,
      ready,
      "Type=notify",
      "ProtectHome=yes",
      (my) => `ExecStart=${bunFile(my, `/home/${my.name}/server.ts`)}`,
    ),
    state: FAILED,
    cause: /its last line is "error: Module not found/,
  },
  {
    title: "User=, and the program below a directory of root's",
    ...server(inRoot, "User=nobody", (my) => `ExecStart=${inRoot(my)}`),
    arrive: async (unit, my) => {
      chmodSync(my.machine.outside(inRoot(my)), 0o755);
      chmodSync(my.machine.outside("/root"), 0o700);
      await unit.start("--no-block");
    },
    state: FAILED,
    cause: /203\/EXEC.*not everybody may enter \/root, and User=nobody has to/,
    cure: says(/^ExecStart= with a program that is not in \/root\b/, (my) => ({
      commands: [`cp ${inRoot(my)} ${own(my)}`],
      lines: ["ExecStart=", `ExecStart=${own(my)}`],
    })),
  },
  {
    title: "PrivateTmp=yes, and the program in /tmp",
    ...server(inTmp, "PrivateTmp=yes", (my) => `ExecStart=${inTmp(my)}`),
    state: FAILED,
    cause: /203\/EXEC.*PrivateTmp=yes hides \/tmp\/\S+ from it/,
  },
  {
    title: "DynamicUser=yes, and the program in /tmp",
    ...server(inTmp, "DynamicUser=yes", (my) => `ExecStart=${inTmp(my)}`),
    state: FAILED,
    cause: /203\/EXEC.*DynamicUser=yes hides \/tmp\/\S+ from it/,
  },
  {
    title: "NoExecPaths= of the program",
    ...server(own, (my) => `NoExecPaths=${my.directory}\nExecStart=${own(my)}`),
    state: FAILED,
    cause: /203\/EXEC.*NoExecPaths=\S+ forbids to execute/,
    cure: says(/^ExecPaths=\S+, and/, (my) => ({ lines: [`ExecPaths=${own(my)}`] })),
  },
  {
    title: "RootDirectory= without the program",
    files: unit("Type=exec", (my) => `RootDirectory=${my.directory}`, SLEEP),
    state: FAILED,
    cause: /203\/EXEC.*its unit has RootDirectory=/,
    cure: says(/^ExecStart= with a program that is in \/run\/\S+, or BindReadOnlyPaths=/, () => ({
      lines: ["BindReadOnlyPaths=/usr /lib /lib64 /bin"],
    })),
  },
  {
    title: "a leftover socket in Environment=",
    files: unit("Type=notify", (my) => `Environment=NOTIFY_SOCKET=${my.directory}/old`, SLEEP),
    arrive: async (unit, my) => {
      const fd = sys.socket(AF_UNIX, SOCK_DGRAM);
      sys.bind(fd, { family: "unix", path: Buffer.from(my.machine.outside(`${my.directory}/old`)) });
      sys.close(fd);
      await unit.start("--no-block");
    },
    state: WAITING,
    cause: /\$NOTIFY_SOCKET of process \d+ \(sleep\) is ".*old": nobody listens to this socket any more/,
    cure: says(/^remove NOTIFY_SOCKET= from Environment=/, (my) => ({
      lines: ["Environment=", "ExecStart=", `ExecStart=${my.sh(READY)}`],
    })),
  },
];

const PROGRAMS: Broken[] = [
  {
    title: "Bun throws an error",
    files: unit("Type=exec", (my) => `ExecStart=${my.bun('throw new Error("no database")')}`),
    state: FAILED,
    cause: /its last line is "error: no database"/,
    cure: "it is the program that is wrong",
  },
  {
    title: "a script without WorkingDirectory=",
    ...script(
      (my) => `${my.directory}/server.ts`,
      ready,
      "Type=notify",
      (my) => `ExecStart=${bunFile(my, "server.ts")}`,
    ),
    state: FAILED,
    cause: /its last line is "error: Module not found/,
    cure: says(/^WorkingDirectory= with the directory of server\.ts/, (my) => ({
      lines: [`WorkingDirectory=${my.directory}`],
    })),
  },
  {
    title: "a port below 1024, for another user",
    skip: () =>
      Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8")) < 1000 &&
      "any user may listen at any port",
    files: unit(
      "Type=notify",
      "User=nobody",
      (my) =>
        `ExecStart=${my.bun(`Bun.serve({ port: ${lowPort(my)}, fetch: () => new Response() }); notify({ ready: true })`)}`,
    ),
    state: FAILED,
    cause: /its last line is "error: permission denied/,
  },
  {
    title: "a port that another program has",
    files: unit(
      "Type=notify",
      (my) =>
        `ExecStart=${my.bun(`const serve = () => Bun.serve({ port: ${my.port}, fetch: () => new Response() }); serve(); serve()`)}`,
    ),
    state: FAILED,
    cause: /its last line is "error: Failed to start server. Is port \d+ in use\?"/,
    cure: "it is the other program that has to end",
  },
  {
    title: "ProtectSystem=strict, and the program writes a file",
    files: unit(
      "Type=notify",
      "ProtectSystem=strict",
      (my) =>
        `ExecStart=${my.bun(`await Bun.write("/var/lib/${my.name}", "x"); notify({ ready: true }); setInterval(() => {}, 1e6)`)}`,
    ),
    state: FAILED,
    cause: /its last line is "EROFS: read-only file system, open '\/var\/lib\//,
  },
  {
    title: "a directory in /run that nobody makes",
    files: unit(
      "Type=notify",
      "User=nobody",
      (my) =>
        `ExecStart=${my.bun(`require("fs").writeFileSync("/run/${my.name}/pid", "1"); notify({ ready: true }); setInterval(() => {}, 1e6)`)}`,
    ),
    state: FAILED,
    cause: /its last line is "ENOENT: no such file or directory, open '\/run\//,
  },
  {
    title: "ExecReload= sends a signal that the program does not handle",
    files: unit(
      "Type=notify",
      (my) => `ExecStart=${my.bun("notify({ ready: true }); setInterval(() => {}, 1e6)")}`,
      "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'",
    ),
    arrive: async (unit) => {
      await unit.start();
      await unit.machine.systemctl("reload", unit.name);
    },
    state: { ActiveState: "inactive" },
    cause: /it ended .* after a reload: a signal of ExecReload= ends a program that has no handler for it/,
    cure: says(/^a handler for SIGHUP/, (my) => ({
      lines: [
        "ExecStart=",
        `ExecStart=${my.bun('process.on("SIGHUP", () => {}); notify({ ready: true }); setInterval(() => {}, 1e6)')}`,
      ],
    })),
  },
  {
    title: "LimitNOFILE= is too low for systemd itself",
    files: unit("Type=exec", "LimitNOFILE=4", SLEEP),
    state: FAILED,
    cause: /202\/FDS.*its unit has LimitNOFILE=4; systemd says "Failed at step FDS/,
  },
  {
    title: "READY=1 from ExecStartPost=",
    files: unit("Type=notify", "NotifyAccess=all", SLEEP, (my) => `ExecStartPost=${my.command} --ready`),
    state: WAITING,
    cause: /it sends READY=1, but it is run only when READY=1 has come/,
    cure: says(/^Type=exec, without this ExecStartPost=;/, () => ({ lines: ["Type=exec", "ExecStartPost="] })),
  },
  {
    title: "READY=1 from ExecStartPre=",
    files: unit("Type=notify", "NotifyAccess=all", (my) => `ExecStartPre=${my.command} --ready`, SLEEP),
    state: WAITING,
    cause: /it sends READY=1 before the program of ExecStart= is started/,
    cure: says(/^Type=exec, without this ExecStartPre=;/, () => ({ lines: ["Type=exec", "ExecStartPre="] })),
  },
  {
    title: "READY=1 from a child, and NotifyAccess=exec",
    ...script(
      (my) => `${my.directory}/child.ts`,
      ready,
      "Type=notify",
      "NotifyAccess=exec",
      (my) =>
        `ExecStart=${my.bun(`Bun.spawn([process.execPath, "${my.directory}/child.ts"], { stdin: "ignore", stdout: "ignore" }); setInterval(() => {}, 1e6)`)}`,
    ),
    state: WAITING,
    cause: /process \d+ is started by the service, and NotifyAccess=exec takes messages only from processes that/,
  },
];

brokenUnits("doctor: shell syntax in a unit", SHELL);
brokenUnits("doctor: what is there, and not for the service", HIDDEN);
brokenUnits("doctor: what programs do", PROGRAMS);

healthyUnits("doctor: what only looks like a mistake", [
  {
    title: "a shell's words in quotes, and comparisons",
    files: unit("Type=notify", (my) => `ExecStart=${my.sh(`cd / && true > /dev/null; ${READY}`)} '>' "&&" >=1.0 <x>`),
    arrive: (unit) => unit.start(),
    state: { ActiveState: "active" },
  },
  {
    title: "a variable of a command that is not set",
    files: unit("Type=notify", (my) => `ExecStart=${my.sh(READY)} $OPTIONS`),
    arrive: (unit) => unit.start(),
    state: { ActiveState: "active" },
  },
  {
    title: "READY=1 twice, and again from ExecStartPost=",
    files: unit(
      "Type=notify",
      "NotifyAccess=all",
      (my) => `ExecStart=${my.sh(`"$N" --ready; ${READY}`)}`,
      (my) => `ExecStartPost=${my.command} --ready`,
    ),
    arrive: (unit) => unit.start(),
    state: { ActiveState: "active" },
  },
  {
    title: "ProtectHome=yes and PrivateTmp=yes of a program that is elsewhere",
    ...server(own, "ProtectHome=yes", "PrivateTmp=yes", (my) => `ExecStart=${own(my)}`),
    state: { ActiveState: "active" },
  },
]);
