import { expect } from "bun:test";
import type { Machine } from "./machine.ts";
import { Unit } from "./machine.ts";
import { type Broken, brokenUnits, type Cure, type My, type Said } from "./trial.ts";

/** The only unit of a scenario. */
const service =
  (...lines: (string | ((my: My) => string))[]) =>
  (my: My) => ({
    [my.unit]: `[Service]\n${lines.map((line) => (typeof line === "string" ? line : line(my))).join("\n")}\n`,
  });

const lines =
  (...lines: string[]) =>
  (): Cure => ({ lines });

/** No two units may have the same. */
const busName = ({ name }: My) => `org.example.${name.replaceAll("-", "_")}`;

const SLEEP = "ExecStart=/bin/sleep infinity";
const failed = { ActiveState: "failed" };
const activating = (SubState: string) => ({ ActiveState: "activating", SubState });
const since253 = ({ version }: Machine) => version < 253 && `systemd ${version} does not know it`;

/** The program then sends READY=1, as the cure says. */
const speaks = (my: My): Cure => ({ lines: ["ExecStart=", `ExecStart=${my.sh('"$N" --ready; exec sleep infinity')}`] });

const says = (text: RegExp, cure: (my: My) => Cure) => (said: Said, my: My) => {
  expect(said.cause?.cure).toMatch(text);
  return cure(my);
};

const TYPES: Broken[] = [
  {
    title: "Type=forking, and the program stays in the foreground",
    files: service("Type=forking", SLEEP),
    state: activating("start"),
    cause: /until ExecStart=\/bin\/sleep infinity, process \d+ \(sleep\), ends, because Type=forking/,
  },
  {
    title: "Type=forking, and the program stays in the foreground until its time is up",
    files: service("Type=forking", "TimeoutStartSec=1", SLEEP),
    state: failed,
    cause: /the process of ExecStart= did not end within 1 s/,
  },
  {
    title: "Type=forking, and nothing writes the PIDFile=",
    files: service(
      "Type=forking",
      (my) => `PIDFile=/run/${my.name}.pid`,
      (my) => `ExecStart=${my.sh("sleep infinity &")}`,
    ),
    state: activating("start"),
    cause: /for \/run\/sdnotifytest-\S+\.pid \(Type=forking, PIDFile=\), which is not there/,
  },
  {
    title: "Type=forking, and nothing writes the PIDFile= in time",
    files: service(
      "Type=forking",
      "TimeoutStartSec=1",
      (my) => `PIDFile=/run/${my.name}.pid`,
      (my) => `ExecStart=${my.sh("sleep infinity &")}`,
    ),
    state: failed,
    cause: /PIDFile= had no pid within 1 s.*Can't open PID file/,
  },
  {
    title: "Type=forking, and nothing is left behind",
    files: service("Type=forking", (my) => `PIDFile=/run/${my.name}.pid`, "ExecStart=/bin/true"),
    state: failed,
    cause: /found no main process that it left behind: systemd says "/,
    cure: says(/PIDFile=/, () => ({ lines: ["PIDFile=", "Type=oneshot", "RemainAfterExit=yes"] })),
  },
  {
    title: "Type=dbus, and nobody takes the name",
    files: service("Type=dbus", (my) => `BusName=${busName(my)}`, SLEEP),
    state: activating("start"),
    cause: /to own org\.example\.\w+ on the bus/,
  },
  {
    title: "Type=dbus, and nobody takes the name in time",
    files: service("Type=dbus", (my) => `BusName=${busName(my)}`, "TimeoutStartSec=1", SLEEP),
    state: failed,
    cause: /did not own org\.example\.\w+ on the bus \(BusName=\) within 1 s/,
  },
  {
    title: "Type=notify, and no READY=1 comes",
    files: service("Type=notify", SLEEP),
    state: activating("start"),
    cause: /for a READY=1 that it takes, from its main process \(NotifyAccess=main\)/,
    cure: says(/sd-notify --ready/, speaks),
  },
  {
    title: "Type=notify, and no READY=1 comes in time",
    files: service("Type=notify", "TimeoutStartSec=1", SLEEP),
    state: failed,
    cause: /no READY=1 was taken within 1 s/,
    cure: says(/sd-notify --ready/, speaks),
  },
  {
    title: "Type=notify, and the program ends before READY=1",
    files: service("Type=notify", "ExecStart=/bin/true"),
    state: failed,
    cause: /it ended before READY=1 with status 0/,
    cure: says(/sd-notify --ready/, speaks),
  },
  {
    title: "Type=notify, and what extends its time does not do so for long enough",
    files: service(
      "Type=notify",
      "TimeoutStartSec=1",
      (my) => `ExecStart=${my.sh('"$N" EXTEND_TIMEOUT_USEC=1500000; exec sleep infinity')}`,
    ),
    state: failed,
    cause: /no READY=1 was taken.*EXTEND_TIMEOUT_USEC=1500000, and that time was up too/,
    cure: says(/sd-notify --ready/, speaks),
  },
  {
    title: "Type=oneshot, and the program goes on until its time is up",
    files: service("Type=oneshot", "TimeoutStartSec=1", SLEEP),
    state: failed,
    cause: /the commands of ExecStart= did not end within 1 s/,
  },
  {
    title: "Type=simple, and the program goes to the background",
    files: service("Type=simple", (my) => `ExecStart=${my.sh("sleep infinity & exit 0")}`),
    state: { ActiveState: "inactive" },
    cause: /it ended by itself after .*, with status 0; what it left behind was ended too/,
  },
];

const STATES: Broken[] = [
  {
    title: "ExecCondition= does not end",
    files: service("ExecCondition=/bin/sleep infinity", SLEEP),
    state: activating("condition"),
    cause: /until ExecCondition=\/bin\/sleep infinity, process \d+ \(sleep\), ends/,
    cure: says(/ExecCondition= that ends/, lines("ExecCondition=")),
  },
  {
    title: "ExecStartPre= does not end",
    files: service("ExecStartPre=/bin/sleep infinity", SLEEP),
    state: activating("start-pre"),
    cause: /until ExecStartPre=\/bin\/sleep infinity, process \d+ \(sleep\), ends; TimeoutStartSec= is 1 min 30 s/,
    cure: says(/ExecStartPre= that ends/, lines("ExecStartPre=")),
  },
  {
    title: "ExecStartPre= does not end in time",
    files: service("TimeoutStartSec=1", "ExecStartPre=/bin/sleep infinity", SLEEP),
    state: failed,
    cause: /a command of ExecStartPre= did not end within 1 s/,
    cure: says(/ExecStartPre= that ends/, lines("ExecStartPre=")),
  },
  {
    title: "ExecStartPost= does not end",
    files: service("ExecStartPost=/bin/sleep infinity", SLEEP),
    state: activating("start-post"),
    cause: /until ExecStartPost=\/bin\/sleep infinity, process \d+ \(sleep\), ends/,
    cure: says(/ExecStartPost= that ends/, lines("ExecStartPost=")),
  },
  {
    title: "RELOADING=1, and no READY=1 after it",
    files: service("Type=notify", (my) => `ExecStart=${my.sh('"$N" --ready; "$N" --reloading; exec sleep infinity')}`),
    state: { ActiveState: "reloading" },
    cause: /for the READY=1 that ends a reload/,
    cure: says(/sd-notify --ready/, (my) => ({
      lines: ["ExecStart=", `ExecStart=${my.sh('"$N" --ready; "$N" --reloading; "$N" --ready; exec sleep infinity')}`],
    })),
  },
  {
    title: "Type=notify-reload, and no RELOADING=1 after the signal",
    skip: since253,
    files: service("Type=notify-reload", (my) => `ExecStart=${my.sh('trap : HUP; "$N" --ready; sleep infinity')}`),
    arrive: async (unit) => {
      await unit.start();
      await unit.machine.systemctl("reload", "--no-block", unit.name);
    },
    state: { ActiveState: "reloading" },
    cause: /for a RELOADING=1 with a MONOTONIC_USEC= of after the signal/,
    cure: says(/RELOADING=1 with MONOTONIC_USEC=/, lines("Type=notify")),
  },
  {
    title: "ExecReload= does not end",
    files: service("Type=exec", "ExecReload=/bin/sleep infinity", SLEEP),
    arrive: async (unit) => {
      await unit.start();
      await unit.machine.systemctl("reload", "--no-block", unit.name);
    },
    state: { ActiveState: "reloading" },
    cause: /until ExecReload=\/bin\/sleep infinity, process \d+ \(sleep\), ends/,
    cure: says(/ExecReload= that ends/, lines("ExecReload=")),
  },
  {
    title: "the last reload failed",
    files: service("Type=exec", "ExecReload=/bin/false", SLEEP),
    arrive: async (unit) => {
      await unit.start();
      await unit.machine.systemctl("reload", unit.name);
    },
    state: { ActiveState: "active", ReloadResult: "exit-code" },
    cause: /the last reload of .* failed: ExecReload=\/bin\/false ended with status 1\/FAILURE; it goes on/,
    cure: says(/ExecReload= runs has to end/, lines("ExecReload=", "ExecReload=/bin/true")),
  },
  {
    title: "SIGTERM is ignored",
    files: service("Type=notify", (my) => `ExecStart=${my.sh('trap "" TERM; "$N" --ready; sleep infinity')}`),
    arrive: async (unit) => {
      await unit.start();
      await unit.stop("--no-block");
    },
    state: { ActiveState: "deactivating", SubState: "stop-sigterm" },
    cause: /it has sent SIGTERM, and waits for .*which ignores SIGTERM.*TimeoutStopSec= is 1 min 30 s/,
  },
  {
    title: "SIGTERM does not end it in time",
    files: service(
      "Type=notify",
      "TimeoutStopSec=500ms",
      (my) => `ExecStart=${my.sh('trap "" TERM; "$N" --ready; sleep infinity')}`,
    ),
    arrive: async (unit) => {
      await unit.start();
      await unit.stop();
    },
    state: failed,
    cause: /it did not end within 500 ms \(TimeoutStopSec=\) after it was told to, and was killed/,
    cure: says(/KillSignal=/, lines("KillSignal=SIGKILL")),
  },
  {
    title: "ExecStop= does not end",
    files: service("Type=exec", "ExecStop=/bin/sleep infinity", SLEEP),
    arrive: async (unit) => {
      await unit.start();
      await unit.stop("--no-block");
    },
    state: { ActiveState: "deactivating", SubState: "stop" },
    cause: /until ExecStop=\/bin\/sleep infinity, process \d+ \(sleep\), ends; TimeoutStopSec=/,
    cure: says(/ExecStop= that ends/, lines("ExecStop=")),
  },
  {
    title: "ExecStopPost= does not end",
    files: service("Type=exec", "ExecStopPost=/bin/sleep infinity", "ExecStart=/bin/true"),
    state: { ActiveState: "deactivating", SubState: "stop-post" },
    cause: /until ExecStopPost=\/bin\/sleep infinity, process \d+ \(sleep\), ends/,
    cure: says(/ExecStopPost= that ends/, lines("ExecStopPost=", "ExecStart=", SLEEP)),
  },
  {
    title: "the main process is stopped by SIGSTOP",
    files: service(
      "Type=notify",
      (my) =>
        `ExecStart=${my.sh(`[ -e ${my.directory}/f ] || { : >${my.directory}/f; kill -STOP $$; }; "$N" --ready; exec sleep infinity`)}`,
    ),
    state: activating("start"),
    cause: /process \d+ \(sh\) is stopped: a signal such as SIGSTOP has stopped it/,
    cure: async ({ cause }, my) => {
      await my.machine.run(["sh", "-c", cause?.cure ?? ""]);
      await new Unit(my.machine, my.unit).until({ ActiveState: "active" });
      return {};
    },
  },
  {
    title: "it is frozen",
    files: service("Type=exec", SLEEP),
    arrive: async (unit) => {
      await unit.start();
      await unit.machine.systemctl("freeze", unit.name);
    },
    state: { FreezerState: "frozen" },
    cause: /is frozen: all of its processes are frozen/,
    cure: async ({ cause }, my) => {
      await my.machine.run(["sh", "-c", cause?.cure ?? ""]);
      await new Unit(my.machine, my.unit).until({ FreezerState: "running" });
      return {};
    },
  },
  {
    title: "RuntimeMaxSec= is over",
    files: service("RuntimeMaxSec=200ms", SLEEP),
    state: failed,
    cause: /it ran for as long as RuntimeMaxSec= allows, 200 ms/,
  },
  {
    title: "no WATCHDOG=1 comes in time",
    files: service(
      "Type=notify",
      "WatchdogSec=500ms",
      (my) => `ExecStart=${my.sh('"$N" --ready; exec sleep infinity')}`,
    ),
    state: failed,
    cause: /no WATCHDOG=1 came within 500 ms/,
    cure: says(/^startWatchdog\(\)/, (my) => ({
      lines: [
        "ExecStart=",
        `ExecStart=${my.bun("notify({ ready: true }); startWatchdog(); setInterval(() => {}, 1e6);")}`,
      ],
    })),
  },
  {
    title: "it waits to be started again",
    files: service("Restart=always", "RestartSec=1h", (my) => `ExecStart=${my.sh("echo no license >&2; exit 7")}`),
    state: activating("auto-restart"),
    cause: /ended with status 7\/NOTRUNNING: the program's own failure; its last line is "no license"/,
    cure: says(/^what its last lines say: journalctl --unit=/, lines("ExecStart=", SLEEP)),
  },
  {
    title: "it was started too often",
    files: service("Restart=always", "RestartSec=10ms", (my) => `ExecStart=${my.sh("exit 3")}`),
    state: { ...failed, Result: /^(start-limit-hit|exit-code)$/ },
    cause: /started more than 5 times in 10 s.*each time, ExecStart=.* ended with status 3/,
    cure: says(/^systemctl reset-failed/, lines("ExecStart=", SLEEP)),
  },
];

const INACTIVE: Broken[] = [
  {
    title: "ExecCondition= says no",
    files: service("ExecCondition=/bin/false", SLEEP),
    state: { ActiveState: "inactive", Job: "" },
    cause: /ExecCondition=\/bin\/false ended with status 1\/FAILURE, which means that it is not to be started/,
  },
  {
    title: "a Condition…= is not so",
    files: (my) => ({ [my.unit]: `[Unit]\nConditionPathExists=${my.directory}/x\n[Service]\n${SLEEP}\n` }),
    state: { ActiveState: "inactive", Job: "" },
    cause: /it was not started, because ConditionPathExists=\S+\/x is not so/,
    cure: says(/or what it asks for/, (my) => ({ files: { [`${my.directory}/x`]: "" } })),
  },
  {
    title: "none of the triggering conditions is so",
    files: (my) => ({
      [my.unit]: `[Unit]\nConditionPathExists=|${my.directory}/x\nConditionPathExists=|${my.directory}/y\n[Service]\n${SLEEP}\n`,
    }),
    state: { ActiveState: "inactive", Job: "" },
    cause: /it was not started, because none of ConditionPathExists=\|\S+\/x, ConditionPathExists=\|\S+\/y is so/,
    cure: says(/^one of these/, (my) => ({ files: { [`${my.directory}/y`]: "" } })),
  },
  {
    title: "an Assert…= is not so",
    files: (my) => ({ [my.unit]: `[Unit]\nAssertPathExists=${my.directory}/x\n[Service]\n${SLEEP}\n` }),
    state: { ActiveState: "inactive", Job: "" },
    cause: /it was not started, because AssertPathExists=\S+\/x is not so/,
    cure: says(/or what it asks for/, (my) => ({ files: { [`${my.directory}/x`]: "" } })),
  },
  {
    title: "a unit that it needs has failed",
    files: (my) => ({
      [`${my.name}-db.service`]: "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/false\n",
      [my.unit]: `[Unit]\nRequires=${my.name}-db.service\nAfter=${my.name}-db.service\n[Service]\n${SLEEP}\n`,
    }),
    state: { ActiveState: "inactive", Job: "" },
    cause:
      /it needs sdnotifytest-\S+-db\.service \(Requires=\), which is failed \(failed, Type=oneshot, Result=exit-code\)/,
    cure: says(/^sd-notify doctor sdnotifytest-\S+-db\.service tells why/, (my) => ({
      files: { [`${my.name}-db.service`]: "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n" },
      commands: [`systemctl reset-failed ${my.name}-db.service`],
    })),
  },
  {
    title: "there is no unit that it needs",
    files: (my) => ({ [my.unit]: `[Unit]\nRequires=${my.name}-none.service\n[Service]\n${SLEEP}\n` }),
    state: { ActiveState: "inactive", Job: "" },
    cause: /it needs sdnotifytest-\S+-none\.service \(Requires=\), and there is no such unit/,
    cure: says(/Wants=sdnotifytest-/, (my) => ({
      files: { [my.unit]: `[Unit]\nWants=${my.name}-none.service\n[Service]\n${SLEEP}\n` },
    })),
  },
  {
    title: "its start waits for that of another unit, which does not end",
    files: (my) => ({
      [`${my.name}-db.service`]: `[Service]\nType=oneshot\n${SLEEP}\n`,
      [my.unit]: `[Unit]\nWants=${my.name}-db.service\nAfter=${my.name}-db.service\n[Service]\n${SLEEP}\n`,
    }),
    state: { ActiveState: "inactive", Job: /^\d/ },
    cause: /its start waits for sdnotifytest-\S+-db\.service, which is activating \(start, Type=oneshot\) \(After=\)/,
    cure: says(/^Type=exec in sdnotifytest-\S+-db\.service/, (my) => ({
      files: { [`${my.name}-db.service`]: `[Service]\nType=exec\n${SLEEP}\n` },
      // What has failed keeps what was read of its file.
      commands: [`for v in "kill --signal=KILL" stop reset-failed; do systemctl $v ${my.name}-db.service; done`],
    })),
    after: (my) =>
      my.machine.run(["sh", "-c", `systemctl kill --signal=KILL ${my.name}-db; systemctl stop ${my.name}-db`]),
  },
  {
    title: "it has no ExecStart=",
    files: service("Type=simple"),
    state: { LoadState: "bad-setting" },
    cause: /systemd refuses to load sdnotifytest-.*no ExecStart=/,
    cure: says(/^ExecStart= with the absolute path of a program.*, then systemctl daemon-reload$/, (my) => ({
      files: { [my.unit]: `[Service]\nType=simple\n${SLEEP}\n` },
    })),
  },
  {
    title: "a template without an instance",
    files: (my) => ({ [`${my.name}@.service`]: `[Service]\n${SLEEP}\n`, [my.unit]: `[Service]\n${SLEEP}\n` }),
    subject: (my) => `${my.name}@`,
    cause: /sdnotifytest-\S+@: it is a template: a unit has a name after the @/,
    cure: "it is the name that is wrong",
  },
  {
    title: "a unit that is no service",
    files: (my) => ({
      [`${my.name}.socket`]: `[Socket]\nListenStream=${my.directory}/socket\n`,
      [my.unit]: `[Service]\n${SLEEP}\n`,
    }),
    subject: (my) => `${my.name}.socket`,
    cause: /sdnotifytest-\S+\.socket: it is no service/,
    cure: "it is the name that is wrong",
  },
];

brokenUnits("doctor: what a start waits for", TYPES);
brokenUnits("doctor: states and results", STATES);
brokenUnits("doctor: units that do not run", INACTIVE);
