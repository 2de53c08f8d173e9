import { exec, type Machine } from "./machine.ts";
import { type Healthy, healthyUnits, type My } from "./trial.ts";

/** The only unit of a scenario, which is started. */
const service =
  (...lines: (string | ((my: My) => string))[]) =>
  (my: My) => ({
    [my.unit]: `[Service]\n${lines.map((line) => (typeof line === "string" ? line : line(my))).join("\n")}\n`,
  });

const sh = (script: string | ((my: My) => string)) => (my: My) =>
  `ExecStart=${my.sh(typeof script === "string" ? script : script(my))}`;
const bun = (code: string) => (my: My) => `ExecStart=${my.bun(`${code} setInterval(() => {}, 1e6);`)}`;

const SLEEP = "ExecStart=/bin/sleep infinity";
const active = { ActiveState: "active", Job: "" };
const inactive = { ActiveState: "inactive", Job: "" };
const since253 = ({ version }: Machine) => version < 253 && `systemd ${version} does not know it`;

/** A title that is written over the environment too, as by setproctitle(3). */
const titled = ({ command }: My) => {
  const code = `system($ARGV[0], "--ready", "--pid=$$") == 0 or exit 1; $0 = "x: master" . " " x 4000; sleep 1e6`;
  return `ExecStart=${exec("/usr/bin/perl", "-e", code, command)}`;
};

const HEALTHY: Healthy[] = [
  { title: "Type=simple", files: service("Type=simple", SLEEP), state: active },
  { title: "Type=simple, a shell and what it starts", files: service(sh("sleep infinity; exit 0")), state: active },
  { title: "Type=simple, Bun", files: service(bun("")), state: active },
  {
    title: "Type=simple, a shell that starts Bun",
    files: service((my) => `ExecStart=${my.sh(`BUN_BE_BUN=1 ${my.command} -e 'setInterval(() => {}, 1e6)'; exit 0`)}`),
    state: active,
  },
  {
    title: "Type=simple, without the family AF_UNIX",
    files: service("RestrictAddressFamilies=AF_INET", SLEEP),
    state: active,
  },
  {
    title: "Type=simple, without socket(2)",
    files: service("SystemCallFilter=~socket connect sendto", "SystemCallErrorNumber=EPERM", SLEEP),
    state: active,
  },
  {
    title: "Type=simple, MemoryDenyWriteExecute=yes",
    files: service("MemoryDenyWriteExecute=yes", SLEEP),
    state: active,
  },
  {
    title: "Type=simple, started again once",
    files: service(
      "Restart=on-failure",
      "RestartSec=10ms",
      sh((my) => `[ -e ${my.directory}/f ] || { : >${my.directory}/f; exit 1; }; exec sleep infinity`),
    ),
    state: { ...active, NRestarts: "1" },
  },
  {
    title: "Type=exec",
    files: service("Type=exec", SLEEP),
    state: active,
    says: /^note {4}Type=exec, NotifyAccess=none: the start waits until the program has been executed/m,
  },
  {
    title: "Type=exec, a hardened service of another user",
    files: service(
      "Type=exec",
      "User=nobody",
      "ProtectSystem=strict",
      "PrivateTmp=yes",
      "NoNewPrivileges=yes",
      "RuntimeMaxSec=1h",
      SLEEP,
    ),
    state: active,
  },
  { title: "Type=exec, DynamicUser=yes", files: service("Type=exec", "DynamicUser=yes", SLEEP), state: active },
  {
    title: "Type=exec, with an optional file of the environment and a command that may fail",
    files: service("Type=exec", "EnvironmentFile=-/none", "ExecStartPre=-/bin/false", SLEEP),
    state: active,
  },
  {
    title: "Type=idle",
    files: service("Type=idle", SLEEP),
    state: active,
    says: /no job of the manager is under way, and 5 s at most/,
  },
  {
    title: "Type=forking",
    files: service("Type=forking", sh("sleep infinity &")),
    state: active,
    says: /until the process of ExecStart= has ended/,
  },
  {
    title: "Type=forking, with PIDFile=",
    files: service(
      "Type=forking",
      (my) => `PIDFile=/run/${my.name}.pid`,
      (my) => `ExecStart=${my.sh(`sleep infinity & echo $! >/run/${my.name}.pid`)}`,
    ),
    state: active,
  },
  {
    title: "Type=oneshot, which has ended",
    files: service("Type=oneshot", "ExecStart=/bin/true", "ExecStart=/bin/true 2"),
    arrive: (unit) => unit.start(),
    state: inactive,
  },
  {
    title: "Type=oneshot, which is at work",
    files: service("Type=oneshot", SLEEP),
    state: { ActiveState: "activating" },
  },
  {
    title: "Type=oneshot, RemainAfterExit=yes",
    files: service("Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/true"),
    state: active,
  },
  {
    title: "Type=dbus",
    // No two units may have the same name, and this one has an owner in Debian.
    files: service("Type=dbus", "BusName=org.freedesktop.timedate1", "ExecStart=/usr/lib/systemd/systemd-timedated"),
    state: active,
    says: /until it owns org\.freedesktop\.timedate1 on the bus/,
  },
  {
    title: "Type=notify",
    files: service("Type=notify", sh('"$N" --ready; exec sleep infinity')),
    arrive: (unit) => unit.start(),
    state: active,
  },
  {
    title: "Type=notify, Bun, with a watchdog",
    files: service("Type=notify", "WatchdogSec=500ms", bun("notify({ ready: true }); startWatchdog();")),
    state: active,
  },
  {
    title: "Type=notify, another user, all may send",
    files: service("Type=notify", "NotifyAccess=all", "User=nobody", sh('"$N" --ready; sleep infinity; exit 0')),
    state: active,
  },
  {
    title: "Type=notify, and a title is written over the environment",
    files: service("Type=notify", "NotifyAccess=all", titled),
    state: active,
    says: /^unknown \$NOTIFY_SOCKET of process \d+ \(x: master *\)/m,
  },
  {
    title: "Type=notify, and the program has removed its variables",
    files: service("Type=notify", sh('"$N" --ready; exec env -i sleep infinity')),
    state: active,
  },
  {
    title: "Type=notify-reload",
    skip: since253,
    files: service("Type=notify-reload", bun('process.on("SIGHUP", () => {}); notify({ ready: true });')),
    state: active,
  },
  { title: "a unit that was never started", files: service(SLEEP), arrive: async () => {}, state: inactive },
  {
    title: "a unit that was stopped",
    files: service("Type=exec", SLEEP),
    arrive: async (unit) => {
      await unit.start();
      await unit.stop();
    },
    state: inactive,
  },
  {
    title: "a job of a timer's, which has ended",
    files: (my) => ({
      [`${my.name}.timer`]: "[Timer]\nOnActiveSec=1h\n",
      [my.unit]: "[Service]\nType=simple\nExecStart=/bin/true\n",
    }),
    arrive: async (unit, my) => {
      await my.machine.systemctl("start", `${my.name}.timer`);
      await unit.start();
    },
    state: inactive,
    after: (my) => my.machine.systemctl("stop", `${my.name}.timer`),
  },
  {
    title: "an instance of a template",
    files: (my) => ({
      [`${my.name}@.service`]: `[Service]\nType=exec\nExecStart=/bin/sleep %i\n`,
      [my.unit]: `[Service]\n${SLEEP}\n`,
    }),
    subject: (my) => `${my.name}@1000000`,
    arrive: (_, my) => my.machine.systemctl("start", `${my.name}@1000000`),
    after: (my) => my.machine.systemctl("stop", `${my.name}@1000000`),
  },
];

healthyUnits("doctor: healthy units", HEALTHY);
