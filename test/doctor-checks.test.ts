import { describe, expect, test } from "bun:test";
import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { parseCgroup, unitOfCgroup } from "../src/linux/cgroup.ts";
import { parseUnixNames } from "../src/linux/socket-tables.ts";
import { checkAll } from "../src/tools/doctor/checks.ts";
import { failedCommand, parseCommands } from "../src/tools/doctor/commands.ts";
import { type Complaint, NO_CONFIGURATION } from "../src/tools/doctor/configuration-facts.ts";
import { checkExitStatus } from "../src/tools/doctor/exit-status-checks.ts";
import { ENDING_SIGNALS, SYSTEMD_STATUSES } from "../src/tools/doctor/exit-statuses.ts";
import type { Check, Environment, Facts, Life, Process, Self, SocketFacts, Unit } from "../src/tools/doctor/facts.ts";
import { checkJournal, explainLine } from "../src/tools/doctor/journal.ts";
import { minimalUnit } from "../src/tools/doctor/minimal-unit.ts";
import { parseSetting, parseShow, parseSpan, parseStatus } from "../src/tools/doctor/parse.ts";
import { formatReport } from "../src/tools/doctor/print.ts";
import {
  checkContainer,
  checkFilter,
  checkPassedFds,
  checkSocket,
  checkWatchdogVariables,
} from "../src/tools/doctor/process-checks.ts";
import { checkCaller, checkConnection, checkFfi, checkOwnMessages } from "../src/tools/doctor/self-checks.ts";
import { checkAccess, checkWatchdog, launcherName } from "../src/tools/doctor/sender-checks.ts";
import { walk } from "../src/tools/doctor/socket.ts";
import { checkStart, checkStopped } from "../src/tools/doctor/state-checks.ts";
import { summarize } from "../src/tools/doctor/summary.ts";
import { readJournalLine } from "../src/tools/doctor/systemctl.ts";
import { checkType } from "../src/tools/doctor/type-checks.ts";
import {
  checkFamilies,
  checkFdStore,
  checkMemory,
  checkReload,
  checkSystemCalls,
} from "../src/tools/doctor/unit-checks.ts";
import { temporaryDirectory } from "./support/command.ts";
import { nastyWord, STRANGE } from "./support/nasty.ts";

/** A process of a unit where nothing is wrong. */
function aProcess(
  facts: Partial<Process> = {},
  environment: Environment = {},
  socket: SocketFacts | undefined = GOOD,
): Process {
  return {
    pid: 10,
    name: "bun",
    parent: 1,
    uid: 0,
    command: ["/usr/bin/bun", "server.ts"],
    program: "/usr/bin/bun",
    isBun: true,
    environment: { value: { NOTIFY_SOCKET: "/run/systemd/notify", ...environment } },
    socket: socket && { value: socket },
    filtered: false,
    caught: 1n,
    cgroup: "/system.slice/x.service",
    ...facts,
  };
}

const GOOD: SocketFacts = { found: "socket", type: "datagram", writable: true };

function aUnit(facts: Partial<Unit> = {}, processes: Process[] = [aProcess()]): Unit {
  return {
    id: "x.service",
    description: "X",
    manager: "system",
    version: 262,
    loadState: "loaded",
    activeState: "active",
    subState: "running",
    result: "success",
    type: "notify",
    notifyAccess: "main",
    mainPid: 10,
    controlPid: 0,
    startTimeoutUsec: 90e6,
    startedForUsec: 5e6,
    watchdogUsec: 0,
    fdStoreMax: 1,
    fdStored: 0,
    reloadSignal: 1,
    hasExecReload: true,
    restrictAddressFamilies: "~",
    systemCallFilter: "~",
    memoryDenyWriteExecute: false,
    privateNetwork: false,
    passesSocket: false,
    user: "",
    dynamicUser: false,
    group: "",
    workingDirectory: "",
    configuration: NO_CONFIGURATION,
    speech: [],
    command: "/usr/bin/sd-notify",
    execStart: ["/usr/bin/bun server.ts"],
    processes: { value: processes },
    journal: { value: [] },
    logLevel: "debug",
    life: aLife(),
    ...facts,
  };
}

/** One that waits for its READY=1. */
function aWaiting(facts: Partial<Unit> = {}, processes?: Process[]): Unit {
  return aUnit({ activeState: "activating", subState: "start", ...facts }, processes);
}

function aLife(facts: Partial<Life> = {}): Life {
  return {
    loadError: "",
    commands: [],
    settings: {},
    execMain: { pid: 10, code: "", status: 0 },
    busName: "",
    pidFile: "",
    remainAfterExit: false,
    restart: "no",
    restarts: 0,
    startLimit: { burst: 5, intervalUsec: 10e6 },
    stopTimeoutUsec: 90e6,
    killSignal: 15,
    killMode: "control-group",
    reloadResult: "success",
    frozen: false,
    memoryMax: "infinity",
    triggeredBy: [],
    triggers: [],
    stateForUsec: 5e6,
    wasActive: true,
    unitFileState: "enabled",
    conditions: [],
    needs: [],
    missingPaths: [],
    said: { value: [] },
    output: { value: [] },
    ...facts,
  };
}

/** What the manager said, a second each. */
function said(...lines: string[]): Life {
  return aLife({ said: { value: lines.map((text, i) => ({ text, invocation: "i", usec: (i + 1) * 2e6 })) } });
}

function ended(code: Life["execMain"]["code"], status: number): Life {
  return aLife({ execMain: { pid: 10, code, status } });
}

const shell = aProcess({ name: "sh", command: ["/bin/sh", "-c", "bun server.ts; true"], isBun: false });
const child = aProcess({ pid: 11, parent: 10 });
const self: Self = { pid: 5, parent: 4, caller: 4, callerName: "sh", privileged: true };

/** What a check says, in short: its results, and the reason and the cure of the first. */
function summary(checks: Check[]): [results: string, why?: string | undefined, cure?: string | undefined] {
  return [checks.map(({ result }) => result).join(), checks[0]?.why, checks[0]?.cure];
}

const UNIT_CASES: [string, (unit: Unit) => Check[], Unit, string, (string | RegExp)?, (string | RegExp)?][] = [
  ["active", checkStart, aUnit(), "passed"],
  [
    "activating",
    checkStart,
    aUnit({ activeState: "activating" }),
    "failed",
    "it waits for 5 s for a READY=1 that it takes, from its main process (NotifyAccess=main); TimeoutStartSec= is 1 min 30 s",
    /notify\(\{ ready: true \}\)/,
  ],
  ["in ExecStartPre=", checkStart, aUnit({ activeState: "activating", mainPid: 0 }), "failed", /ExecStartPre=/],
  ["timed out", checkStart, aUnit({ activeState: "failed", result: "timeout" }), "failed", /within 1 min 30 s/],
  ["ended early", checkStart, aUnit({ activeState: "failed", result: "protocol" }), "failed", /before READY=1/],
  [
    "started again and again",
    checkStart,
    aUnit({
      activeState: "activating",
      subState: "auto-restart",
      result: "exit-code",
      life: aLife({ restart: "always", restartUsec: 1e5, restarts: 2 }),
    }),
    "failed",
    "its result is exit-code; Restart=always starts it again after 100 ms (RestartSec=), as 2 times before",
  ],
  [
    "no WATCHDOG=1",
    checkStart,
    aUnit({ activeState: "failed", result: "watchdog", watchdogUsec: 1e6 }),
    "failed",
    /within 1 s/,
    /startWatchdog/,
  ],
  ["inactive", checkStart, aUnit({ activeState: "inactive" }), "note", /only its settings/],
  [
    "memory ran out",
    checkStart,
    aUnit({ activeState: "failed", result: "oom-kill", life: aLife({ memoryMax: `${300 * 2 ** 20}` }) }),
    "failed",
    "memory ran out, and the kernel killed a process of it; MemoryMax= is 300M",
    /^MemoryMax=infinity/,
  ],
  [
    "what systemd could not do",
    checkStart,
    aUnit({
      activeState: "failed",
      result: "resources",
      life: said("x.service: Failed to set up slice: No space left", "x.service: Failed to run 'start' task: No space"),
    }),
    "failed",
    'systemd could not start a command of it: systemd says "Failed to set up slice: No space left"',
  ],
  [
    "an earlier start took longer",
    checkStart,
    aUnit({
      activeState: "failed",
      result: "timeout",
      life: said("Starting X…", "Started X.", "x.service: start operation timed out. Terminating."),
      startTimeoutUsec: 1e6,
    }),
    "failed",
    "no READY=1 was taken within 1 s (TimeoutStartSec=); an earlier start took 2 s",
    /TimeoutStartSec= with as long/,
  ],
  [
    "ExecStopPost= that does not end",
    checkStart,
    aUnit({
      activeState: "failed",
      result: "timeout",
      life: said("x.service: stop-post operation timed out. Terminating."),
    }),
    "failed",
    "ExecStopPost= did not end within 1 min 30 s (TimeoutStopSec=)",
  ],
  [
    "a process that is in the kernel",
    checkStart,
    aUnit({ activeState: "deactivating", subState: "stop-sigkill" }, [aProcess({ state: "D" })]),
    "failed",
    /^it has sent SIGKILL, and waits for 5 s until process 10 \(bun\), which is in the kernel and can't be ended there, ends;/,
    /^the disk/,
  ],
  [
    "a reload signal",
    checkStart,
    aUnit({ type: "notify-reload", activeState: "reloading", subState: "reload-signal" }),
    "failed",
    /for a RELOADING=1 with a MONOTONIC_USEC= of after the signal, from its main process/,
  ],
  ["a debugger", checkStopped, aUnit({}, [aProcess({ state: "t" })]), "note", /^a debugger or strace holds it/],
  [
    "SIGSTOP",
    checkStopped,
    aUnit({}, [aProcess({ state: "T" })]),
    "failed",
    /SIGSTOP/,
    /kill --signal=CONT x.service$/,
  ],
  ["SIGSTOP of a worker", checkStopped, aUnit({}, [aProcess({ state: "T", pid: 11 })]), "note"],
  ["nothing is stopped", checkStopped, aUnit({}, [aProcess({ state: "S" })]), ""],
  ["an end that is clean", checkExitStatus, aUnit({ activeState: "failed", life: ended("killed", 15) }), ""],
  ["an end of a unit that runs", checkExitStatus, aUnit({ life: ended("exited", 3) }), ""],
  [
    "a program that uses a status of systemd's",
    checkExitStatus,
    aUnit({
      activeState: "failed",
      result: "exit-code",
      life: {
        ...ended("exited", 217),
        output: { value: [{ text: "I mean it", pid: 10, invocation: "", usec: 1, ofSystemd: false }] },
      },
    }),
    "failed",
    `the program's own failure; its last line is "I mean it"`,
  ],
  [
    "core dumped",
    checkExitStatus,
    aUnit({ activeState: "failed", result: "core-dump", life: ended("dumped", 6) }),
    "failed",
    "it gave up: an assertion, abort(3), or a watchdog",
  ],
  ["notify", checkType, aUnit(), "passed"],
  [
    "simple",
    checkType,
    aUnit({ type: "simple", notifyAccess: "none" }),
    "note",
    /no \$NOTIFY_SOCKET/,
    /^Type=notify, if/,
  ],
  [
    "simple, and its program asks for a socket",
    checkType,
    aUnit({
      type: "simple",
      notifyAccess: "none",
      life: aLife({
        output: { value: [{ text: "$NOTIFY_SOCKET is not set", pid: 10, invocation: "", usec: 1, ofSystemd: false }] },
      }),
    }),
    "failed",
    /it has written "\$NOTIFY_SOCKET is not set"/,
    "Type=notify",
  ],
  [
    "simple, heard",
    checkType,
    aUnit({ type: "simple", notifyAccess: "all" }),
    "note",
    /active without it/,
    "Type=notify",
  ],
  ["the main process sends", checkAccess, aUnit(), "passed"],
  ["a shell, then Bun, all heard", checkAccess, aUnit({ notifyAccess: "all" }, [shell, child]), "passed"],
  [
    "a shell, then Bun",
    checkAccess,
    aUnit({ activeState: "activating" }, [shell, child]),
    "failed",
    "process 11 is not the main process, and NotifyAccess=main takes messages from no other; that is process 10 (sh)",
    "NotifyAccess=all, or exec before the command in the script of sh",
  ],
  [
    "npm, then Bun, and NotifyAccess=exec",
    checkAccess,
    aUnit({ activeState: "activating", notifyAccess: "exec" }, [
      { ...shell, command: ["npm start"], name: "npm start" },
      child,
    ]),
    "failed",
    /started by the service/,
    /^NotifyAccess=all, or ExecStart= with the program itself, without npm$/,
  ],
  [
    "a shell that may send itself",
    checkAccess,
    aUnit({}, [shell, { ...child, name: "sleep", command: ["sleep"], isBun: false }]),
    "note",
  ],
  ["no watchdog", checkWatchdog, aUnit(), ""],
  [
    "a watchdog",
    checkWatchdog,
    aUnit({ watchdogUsec: 20e6 }, [aProcess({}, { WATCHDOG_USEC: "20000000", WATCHDOG_PID: "10" })]),
    "passed",
  ],
  [
    "a watchdog, and a title is written over its variable",
    checkWatchdog,
    aUnit({ watchdogUsec: 20e6 }, [aProcess({ overwritten: true })]),
    "unknown",
    /what it began with has been removed or written over/,
  ],
  [
    "a watchdog whose variables are all gone since READY=1",
    checkWatchdog,
    aUnit({ watchdogUsec: 20e6 }, [aProcess({ environment: { value: {} } })]),
    "unknown",
    /what it began with has been removed or written over/,
  ],
  [
    "a watchdog whose variable alone is gone",
    checkWatchdog,
    aUnit({ watchdogUsec: 20e6 }),
    "failed",
    /something between systemd and it/,
    "ExecStart= without env -i, env -u or the like",
  ],
  [
    "a watchdog of the shell's",
    checkWatchdog,
    aUnit({ watchdogUsec: 20e6 }, [
      { ...shell, environment: { value: { WATCHDOG_USEC: "20000000", WATCHDOG_PID: "10" } } },
      aProcess({ pid: 11 }, { WATCHDOG_USEC: "20000000", WATCHDOG_PID: "10" }),
    ]),
    "failed",
    "$WATCHDOG_PID is 10 (sh), so process 11 (bun) takes the watchdog for another's, and does not ping",
    /^exec before the command/,
  ],
  ["no fd store", checkFdStore, aUnit({ fdStoreMax: 0 }), "note", /is closed/, /^FileDescriptorStoreMax=1/],
  ["a full fd store", checkFdStore, aUnit({ fdStored: 1 }), "note", /holds 1 of 1/, "FileDescriptorStoreMax=2"],
  ["an fd store", checkFdStore, aUnit(), "passed"],
  ["ExecReload=", checkReload, aUnit(), ""],
  ["no ExecReload=", checkReload, aUnit({ hasExecReload: false }), "note", /nothing to do/, /^Type=notify-reload/],
  [
    "no ExecReload=, 252",
    checkReload,
    aUnit({ hasExecReload: false, version: 252 }),
    "note",
    /nothing/,
    /^ExecReload=/,
  ],
  ["a handler", checkReload, aUnit({ type: "notify-reload" }), "passed"],
  [
    "no handler",
    checkReload,
    aUnit({ type: "notify-reload" }, [aProcess({ caught: 2n })]),
    "failed",
    /no handler for SIGHUP: READY=1 makes the start fail/,
    /^Type=notify, or a handler/,
  ],
  ["no process", checkReload, aUnit({ type: "notify-reload" }, []), "unknown"],
  ["another signal", checkReload, aUnit({ type: "notify-reload", reloadSignal: 10 }), "failed", /SIGUSR1/],
  ["all families", checkFamilies, aWaiting(), ""],
  ["AF_UNIX", checkFamilies, aWaiting({ restrictAddressFamilies: "AF_INET AF_UNIX" }), "passed"],
  [
    "AF_INET",
    checkFamilies,
    aWaiting({ restrictAddressFamilies: "AF_INET" }),
    "failed",
    /can't send/,
    "RestrictAddressFamilies=AF_UNIX AF_INET",
  ],
  ["none", checkFamilies, aWaiting({ restrictAddressFamilies: "" }), "failed", /./, "RestrictAddressFamilies=AF_UNIX"],
  [
    "~AF_UNIX",
    checkFamilies,
    aWaiting({ restrictAddressFamilies: "~AF_INET AF_UNIX" }),
    "failed",
    /./,
    "RestrictAddressFamilies=~AF_INET",
  ],
  ["only ~AF_UNIX", checkFamilies, aWaiting({ restrictAddressFamilies: "~AF_UNIX" }), "failed", /./, /Families=$/],
  ["~AF_INET", checkFamilies, aWaiting({ restrictAddressFamilies: "~AF_INET" }), "passed"],
  ["all calls", checkSystemCalls, aUnit(), ""],
  ["some", checkSystemCalls, aWaiting({ systemCallFilter: "connect sendmsg sendto socket:EPERM" }), "passed"],
  ["too few", checkSystemCalls, aWaiting({ systemCallFilter: "connect socket" }), "failed", /^sendto, sendmsg/],
  [
    "one forbidden",
    checkSystemCalls,
    aWaiting({ systemCallFilter: "~connect:EPERM" }),
    "failed",
    /^connect/,
    "SystemCallFilter=connect",
  ],
  ["no MemoryDenyWriteExecute=", checkMemory, aUnit(), ""],
  ["Bun", checkMemory, aWaiting({ memoryDenyWriteExecute: true }), "failed", /bun:ffi/, /^MemoryDenyWriteExecute=no/],
  ["OpenFile=", checkMemory, aWaiting({ memoryDenyWriteExecute: true, passesSocket: true }), "note"],
  [
    "another program",
    checkMemory,
    aWaiting({ memoryDenyWriteExecute: true, execStart: ["/bin/x"] }, [aProcess({ isBun: false })]),
    "note",
  ],
  ["nobody", checkMemory, aWaiting({ memoryDenyWriteExecute: true, execStart: ["/bin/x"] }, []), "unknown"],
  ["debug", checkJournal, aUnit(), "passed"],
  [
    "level info",
    checkJournal,
    aUnit({ logLevel: "info" }),
    "note",
    /level debug/,
    "systemctl log-level debug, start it again, then systemctl log-level info",
  ],
  ["hidden", checkJournal, aUnit({ journal: { unknown: "no right" } }), "unknown", "no right"],
  [
    "a refusal, twice",
    checkJournal,
    aUnit({
      journal: {
        value: [11, 12].map((pid) => ({
          text: `x.service: Got notification message from PID ${pid}, but reception only permitted for main PID 10`,
          ours: true,
        })),
      },
    }),
    "failed",
    "process 12 is not the main process, and NotifyAccess=main takes messages from no other",
    "NotifyAccess=all",
  ],
  [
    "a refusal that NotifyAccess=exec leads to, without a control process",
    checkJournal,
    aUnit({
      notifyAccess: "exec",
      journal: {
        value: [
          {
            text: "x.service: Got notification message from PID 12, but reception only permitted for main PID 10",
            ours: true,
          },
        ],
      },
    }),
    "failed",
    /^process 12 is started by the service, and NotifyAccess=exec/,
    "NotifyAccess=all",
  ],
];

for (const [title, check, unit, results, why, cure] of UNIT_CASES) {
  test(`a unit: ${title}`, () => {
    const said = summary(check(unit));
    expect(said[0]).toBe(results);
    if (why !== undefined) expect(said[1]).toMatch(why);
    if (cure !== undefined) expect(said[2]).toMatch(cure);
  });
}

const address = (NOTIFY_SOCKET: string | undefined, socket?: SocketFacts, facts?: Partial<Process>) => ({
  ...aProcess({ environment: { value: NOTIFY_SOCKET === undefined ? {} : { NOTIFY_SOCKET } }, ...facts }),
  socket: socket && { value: socket },
});

const PROCESS_CASES: [
  string,
  (process: Process) => Check[],
  Process,
  string,
  (string | RegExp)?,
  (string | RegExp)?,
][] = [
  ["a datagram socket", checkSocket, aProcess(), "passed"],
  ["unset", checkSocket, address(undefined), "failed", /only a service/, /^Type=notify/],
  ["empty", checkSocket, address(""), "failed", "it is empty"],
  ["relative", checkSocket, address("notify"), "failed", /must be/],
  ["no such file", checkSocket, address("/x", { found: "nothing" }), "failed", "there is no such file"],
  [
    "hidden",
    checkSocket,
    address("/x", { found: "nothing", elsewhere: true }),
    "failed",
    /mount namespace/,
    "BindReadOnlyPaths=/x",
  ],
  ["a file", checkSocket, address("/x", { found: "other" }), "failed", "it is no socket"],
  ["a stream", checkSocket, address("/x", { ...GOOD, type: "stream" }), "failed", /stream socket/],
  ["not writable", checkSocket, address("/x", { ...GOOD, writable: false }), "failed", /may not write/],
  ["no datagrams", checkSocket, address("/x", { ...GOOD, type: "other" }), "failed", /no datagram socket/],
  ["nobody at a path", checkSocket, address("/x", { found: "nobody" }), "failed", /nobody listens to this socket/],
  ["nobody there", checkSocket, address("@x", { found: "nobody" }), "failed", "nobody listens to this name"],
  ["elsewhere", checkSocket, address("@x", { found: "nobody", elsewhere: true }), "failed", /network namespace/],
  ["a type that is hidden", checkSocket, address("/x", { found: "socket", writable: true }), "note"],
  ["a claim", checkSocket, address("/x", { found: "socket", claimed: ["stream"] }), "note", /says stream, but anybody/],
  ["vsock", checkSocket, address("vsock:2:3"), "unknown"],
  ["no right", checkSocket, aProcess({ environment: { unknown: "no right" } }), "unknown", "no right"],
  ["no container", checkContainer, aProcess(), ""],
  [
    "docker",
    checkContainer,
    address(undefined, undefined, { container: "docker" }),
    "failed",
    /does not pass/,
    /^sd-notify run --ready-tcp=127\.0\.0\.1:PORT -- docker run/,
  ],
  [
    "runc's socket",
    checkContainer,
    address("/run/notify/notify.sock", GOOD, { container: "crio" }),
    "note",
    /passes on READY=1: STATUS=, .* end there/,
  ],
  [
    "conmon's socket",
    checkContainer,
    address("/run/notify/notify.sock", GOOD, { container: "podman" }),
    "note",
    /EXTEND_TIMEOUT_USEC=.* end there; .*STATUS= and WATCHDOG=1 are passed on/,
  ],
  ["a container that passes it on", checkContainer, aProcess({ container: "podman" }), "passed"],
  ["docker run", checkContainer, aProcess({ command: ["/usr/bin/docker", "run", "x"] }), "failed", /no unit/],
  ["podman run", checkContainer, aProcess({ command: ["/usr/bin/podman", "run", "x"] }), ""],
  [
    "podman run --sdnotify=conmon",
    checkContainer,
    aProcess({ command: ["podman", "run", "--sdnotify=conmon", "x"] }),
    "failed",
    /READY=1 itself/,
    "podman run --sdnotify=container",
  ],
  [
    "podman run --sdnotify=healthy",
    checkContainer,
    aProcess({ command: ["podman", "run", "--sdnotify=healthy", "x"] }),
    "failed",
    /when the health check passes, and nothing/,
  ],
  [
    "conmon, which passes messages on",
    checkContainer,
    aProcess({ name: "conmon", command: ["/usr/bin/conmon", "-c", "x", "--sdnotify-socket=/run/systemd/notify"] }),
    "note",
    /EXTEND_TIMEOUT_USEC=.* end there/,
  ],
  [
    "conmon, which passes nothing on",
    checkContainer,
    aProcess({ name: "conmon", command: ["/usr/bin/conmon", "-c", "x"] }),
    "note",
    /nothing that the program sends arrives/,
    /--sdnotify=container/,
  ],
  [
    "conmon, which needs no socket of its own",
    checkSocket,
    address(undefined, undefined, { name: "conmon", command: ["/usr/bin/conmon", "-c", "x"] }),
    "",
  ],
  [
    "podman run --sdnotify ignore",
    checkContainer,
    aProcess({ command: ["podman", "run", "--sdnotify", "ignore", "x"] }),
    "failed",
  ],
  ["no watchdog", checkWatchdogVariables, aProcess(), ""],
  ["a watchdog", checkWatchdogVariables, aProcess({}, { WATCHDOG_USEC: "1000", WATCHDOG_PID: "10" }), "passed"],
  [
    "another's",
    checkWatchdogVariables,
    aProcess({}, { WATCHDOG_USEC: "1000", WATCHDOG_PID: "9" }),
    "failed",
    /is 9/,
    /^exec/,
  ],
  ["no number", checkWatchdogVariables, aProcess({}, { WATCHDOG_USEC: "x" }), "failed", "it is no number from 1"],
  ["a filter", checkFilter, aProcess({ filtered: true }), "unknown", /can't be seen/],
  ["passed fds", checkPassedFds, aProcess({}, { LISTEN_FDS: "1", LISTEN_PID: "10" }), "passed"],
  [
    "passed fds that are open",
    checkPassedFds,
    aProcess({ openFds: [0, 1, 2, 3, 4] }, { LISTEN_FDS: "2", LISTEN_PID: "10" }),
    "passed",
  ],
  [
    "passed fds of which one is closed",
    checkPassedFds,
    aProcess({ openFds: [0, 1, 2, 4] }, { LISTEN_FDS: "2", LISTEN_PID: "10" }),
    "note",
  ],
  ["another's fds", checkPassedFds, aProcess({}, { LISTEN_FDS: "1", LISTEN_PID: "9" }), "note"],
];

for (const [title, check, process, results, why, cure] of PROCESS_CASES) {
  test(`a process: ${title}`, () => {
    const said = summary(check(process));
    expect(said[0]).toBe(results);
    if (why !== undefined) expect(said[1]).toMatch(why);
    if (cure !== undefined) expect(said[2]).toMatch(cure);
  });
}

describe("oneself", () => {
  test("without libc, under bunx, and with a socket that can't be connected", () => {
    expect(summary(checkFfi(self))).toEqual(["passed", undefined, undefined]);
    const ffi = "Cannot call libc: bun:ffi needs the JIT: set MemoryDenyWriteExecute=no";
    expect(summary(checkFfi({ ...self, ffi }))).toEqual([
      "failed",
      "bun:ffi needs the JIT",
      "set MemoryDenyWriteExecute=no",
    ]);
    expect(checkCaller(self)).toEqual([]);
    expect(summary(checkCaller({ ...self, caller: 3 }))[0]).toBe("passed");
    expect(summary(checkCaller({ ...self, caller: 3, privileged: false }))).toEqual([
      "note",
      expect.stringContaining("without CAP_SYS_ADMIN"),
      expect.stringContaining("NotifyAccess=all"),
    ]);
    expect(checkConnection(self)).toEqual([]);
    expect(summary(checkConnection({ ...self, connection: { unknown: "refused" } }))).toEqual([
      "failed",
      "refused",
      undefined,
    ]);
  });

  test("what is sent in a unit is its caller's with the privilege, and else its own", () => {
    const unit = aUnit({ mainPid: 4 }, [aProcess({ pid: 4 })]);
    expect(summary(checkOwnMessages(self, unit))[0]).toBe("passed");
    expect(summary(checkOwnMessages({ ...self, privileged: false }, unit))).toEqual([
      "failed",
      "process 5 is not the main process, and NotifyAccess=main takes messages from no other",
      "NotifyAccess=all",
    ]);
  });
});

describe("the checklist", () => {
  const facts: Facts = { subject: "x.service", unit: { value: aUnit() } };

  test("of a good unit has nothing that failed", () => {
    expect(checkAll(facts).map(({ result }) => result)).not.toContain("failed");
  });

  test("says that a unit is not there, masked, or hidden", () => {
    const of = (unit: Facts["unit"]) => summary(checkAll({ subject: "x", ...(unit && { unit }) }));
    expect(of({ value: aUnit({ loadState: "not-found" }) })[1]).toBe("there is no such unit");
    expect(of({ value: aUnit({ loadState: "masked" }) })[2]).toBe("systemctl unmask x.service");
    expect(of({ unknown: "systemctl is not here" })).toEqual(["failed", "systemctl is not here", undefined]);
  });

  test("says once why a unit was refused, and nothing of the bus that has gone", () => {
    const bus = "Failed to send unit remove signal for x.service: Connection reset by peer";
    const life = aLife({ said: { value: [{ text: `x.service: ${bus}`, invocation: "", usec: 1 }] } });
    const of = (complaints: Complaint[]) =>
      checkAll({
        subject: "x",
        unit: {
          value: aUnit({ loadState: "bad-setting", life, configuration: { ...NO_CONFIGURATION, complaints } }),
        },
      });
    const refused = of([{ text: "Service has no ExecStart=. Refusing." }]);
    expect(refused.map(({ name }) => name)).toEqual(["refused"]);
    expect(refused[0]?.cure).toEndWith(", then systemctl daemon-reload");
    const place = { path: "/x", line: 3, text: "ExecStart=./x" };
    const fatal = { text: "Neither a valid executable name nor an absolute path: ./x", place };
    expect(of([fatal]).map(({ name }) => name)).toEqual(["ignored"]);
    const harmless = { text: "Failed to parse Nice=x, ignoring: x", place: { ...place, text: "Nice=x" } };
    expect(of([harmless]).map(({ name }) => name)).toEqual(["unit", "ignored"]);
    expect(of([])[0]?.why).toBe("its LoadState is bad-setting");
  });

  test("is in colours only where it is asked for, and tells a cure below its failure", () => {
    const report = {
      subject: "x",
      summary: "x: it is broken",
      checks: checkAll({ subject: "x", unit: { value: aWaiting({ restrictAddressFamilies: "AF_INET" }) } }),
      unit: "[Unit]\n",
    };
    const text = formatReport(report, false);
    const why = "its processes can open no AF_UNIX socket, so they can't send";
    expect(text).toStartWith("x: it is broken\n\nFAILED  ");
    const cure = "RestrictAddressFamilies=AF_UNIX AF_INET";
    expect(text).toContain(`\nFAILED  RestrictAddressFamilies=AF_INET: ${why}\n        cure: ${cure}\n`);
    expect(text).not.toContain("\x1b");
    expect(formatReport(report, true)).toContain("\x1b[");
    expect(Bun.stripANSI(formatReport(report, true))).toBe(text);
  });
});

test.each([
  ["x.service: Got notification message from PID 9, but reception is disabled.", /NotifyAccess=none/],
  [
    "Got notification message from PID 9, but reception only permitted for main PID which is currently not known",
    /^process 9 is not the main/,
  ],
  [
    "x.service: Got notification message from PID 9, but reception only permitted for main PID 1 and control PID 2",
    /^process 9 is started by the service/,
  ],
  ["Cannot find unit for notify message of PID 9, ignoring.", /^process 9 had exited/],
  ["Received notify message without valid credentials. Ignoring.", /no credentials/],
  ["Received notify message with embedded NUL bytes. Ignoring.", /NUL/],
  ["Received notify message exceeded maximum size. Ignoring.", /more than 4096 bytes/],
  ["Got message with truncated payload data, ignoring.", /more than 4096 bytes/],
  ["Got extra auxiliary fds with notification message, closing them.", /no FDSTORE=1/],
  ["x.service: Cannot store more fds than FileDescriptorStoreMax=1, closing remaining.", /the fd store holds 1 of 1/],
  ["x.service: Status message in notification message is not UTF-8 clean, ignoring.", /not UTF-8/],
  ["Extra notification messages sent with BARRIER=1, ignoring everything.", /alone in its message/],
  ["Got incorrect number of fds with BARRIER=1, closing them.", /exactly one fd/],
  [
    "x.service: Failed to parse WATCHDOG_USEC= field in notification message, ignoring: 5s",
    /^WATCHDOG_USEC=: it is no number/,
  ],
  ["x.service: Failed to parse NOTIFYACCESS= field value 'x', ignoring", /^NOTIFYACCESS=: it is none of none, main/],
  ["x.service: FDSTOREREMOVE=1 requested, but no valid file descriptor name passed, ignoring.", /FDNAME/],
  ["x.service: Passed WATCHDOG= field is invalid, ignoring.", /neither 1 nor trigger/],
  ["x.service: New main PID 5 does not belong to service, refusing.", /MAINPID=5/],
  ["x.service: New main PID 1 is the manager, refusing.", /MAINPID=1/],
  ["x.service: New main PID 5 does not exist or is a zombie.", /MAINPID=5 is no process/],
  [
    "x.service: PIDFD ID of process 5 (7) mismatches with received MAINPIDFDID=4, not changing main PID.",
    /MAINPID=5 is another process/,
  ],
  ["x.service: Main process 82 lacks handler for reload signal HUP, refusing service startup.", /no handler/],
])("%s", (line, why) => {
  expect(explainLine(line, aUnit())?.why).toMatch(why);
});

test("lines about anything else are no refusals", () => {
  expect(explainLine("x.service: Got notification message from PID 9: READY=1", aUnit())).toBeUndefined();
});

describe("what starts others", () => {
  test.each([
    [["/bin/sh", "-c", "x"], "sh"],
    [["npm start"], "npm"],
    [["/usr/bin/bunx", "x"], "bunx"],
    [["bun", "x", "y"], "bun x"],
    [["bun", "run", "start"], "bun run"],
    [["bun", "run", "server.ts"], undefined],
    [["bun", "server.ts"], undefined],
    [["/usr/bin/node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "start"], "npm-cli.js"],
    [["/usr/bin/node", "server.js"], undefined],
  ])("%p", (command, name) => {
    expect(launcherName({ command, name: "" })).toBe(name);
  });
});

describe("reads", () => {
  test("systemctl show, whose values may have several lines", () => {
    expect(parseShow("Id=x\nStatusText=a\nb=c\nType=notify\n", ["Id", "StatusText", "Type"])).toEqual({
      Id: "x",
      StatusText: "a\nb=c",
      Type: "notify",
    });
  });

  test("systemctl show, where a line of a value is nearly a name", () => {
    expect(parseShow("Id=x\nIdx\n", ["Id"])).toEqual({ Id: "x\nIdx" });
    const end = "; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }";
    const commands = `{ path=/a ; argv[]=/a x }\nId=y ${end}\n{ path=/b ; argv[]=/b ${end}`;
    const shown = parseShow(`ExecStart=${commands.replace("\n{", "\nExecStart={")}\nId=x\n`, ["Id", "ExecStart"]);
    expect(shown).toEqual({ ExecStart: commands, Id: "x" });
    const parsed = parseCommands("ExecStart", commands);
    expect(parsed.map(({ path, line }) => [path, line])).toEqual([
      ["/a", "/a x }\nId=y"],
      ["/b", "/b"],
    ]);
    expect(failedCommand(parsed)).toBeUndefined();
  });

  test("a journal, where a line is cut off or no entry", () => {
    const unit = { Id: "x.service", InvocationID: "" };
    for (const line of ["", "{", "null", "1", '"x"', '{"UNIT":"y.service"}'])
      expect(readJournalLine(line, unit)).toEqual([]);
    expect(readJournalLine('{"MESSAGE":[104,105],"UNIT":"x.service"}', unit)).toEqual([{ text: "hi", ours: true }]);
  });

  test("a unit file with a line of many blanks, at once", () => {
    const start = performance.now();
    const line = `a${" ".repeat(100_000)}b`;
    expect(parseSetting(`[Service]\nExecStart = ${line} \n`, "ExecStart")).toEqual([line]);
    expect(performance.now() - start).toBeLessThan(500);
  });

  test("times that are none", () => {
    expect(["5constructor", "9".repeat(400)].map(parseSpan)).toEqual([5, undefined]);
  });

  test("times", () => {
    expect(["1min 30s", "1.5s", "200ms", "0", "infinity", "500us"].map(parseSpan)).toEqual([
      90e6,
      1.5e6,
      2e5,
      0,
      undefined,
      500,
    ]);
  });

  test("/proc/PID/status", () => {
    expect(parseStatus("Name:\ta b\nUid:\t1\t2\t3\t4\nGroups:\t \nNStgid:\t9\n")).toEqual({
      Name: "a b",
      Uid: "1\t2\t3\t4",
      Groups: "",
      NStgid: "9",
    });
  });

  test("/proc/PID/net/unix", () => {
    const text = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000003 00000000 00000000 0002 03 25675308 /run/systemd/notify
0000000000000000: 00000002 00000000 00010000 0001 01 25677962 @a b
0000000000000000: 00000003 00000000 00000000 0001 03 1234
`;
    expect(parseUnixNames(text)).toEqual([
      { type: "dgram", name: "/run/systemd/notify" },
      { type: "stream", name: "@a b" },
    ]);
  });

  test("cgroups, of both versions", () => {
    expect(parseCgroup("0::/system.slice/x.service\n")).toBe("/system.slice/x.service");
    expect(parseCgroup("1:name=systemd:/system.slice/y.service\n0::/\n")).toBe("/system.slice/y.service");
    expect(unitOfCgroup("/system.slice/x.service/sub")).toEqual({ id: "x.service" });
    expect(unitOfCgroup("/user.slice/user-1000.slice/user@1000.service/app.slice/y.service")).toEqual({
      id: "y.service",
      uid: 1000,
    });
    expect(unitOfCgroup("/user.slice/user-1000.slice/session-1.scope")).toBeUndefined();
    expect(unitOfCgroup("/system.slice/x\\x2dy@1.service")).toEqual({ id: "x\\x2dy@1.service" });
  });

  test("names that somebody chose to be taken for something else", () => {
    expect(unitOfCgroup("/user.slice/$(reboot).service")).toBeUndefined();
    expect(parseCgroup("0::/a\r0::/x.service\n")).toBe("/a\r0::/x.service");
    expect(parseCgroup("1:name=systemd:/b\n0::/\n5:x:/a\u2028" + "0::/x.service\n")).toBe("/b");
    expect(parseStatus("Name:\ta\rSeccomp:\t2\nUid:\t1\n")).toEqual({ Name: "a\rSeccomp:\t2", Uid: "1" });
    expect(parseSetting("[Service]\nExecStart=a \u2028b\n", "ExecStart")).toEqual(["a \u2028b"]);
    const named = aUnit({ id: "a\\x2db.service", loadState: "masked" });
    const [check] = checkAll({ subject: "x", unit: { value: named } });
    expect(check?.cure).toBe("systemctl unmask 'a\\x2db.service'");
    const there = (path: string) =>
      checkSocket(aProcess({}, { NOTIFY_SOCKET: path }, { found: "nothing", elsewhere: true }))[0]?.cure;
    expect(there("/run/a 100%")).toBe('BindReadOnlyPaths="/run/a 100%%"');
    expect(there("/run/a\nUser=root")).toBe("leave the variable as systemd sets it");
  });

  test("settings of unit files, with drop-ins and lines that go on", () => {
    const text =
      "# /x\n[Unit]\nExecStart=no\n[Service]\nExecStart=a\n# /y\n[Service]\nExecStart=\nExecStart=b \\\n  c\n";
    expect(parseSetting(text, "ExecStart")).toEqual(["b    c"]);
  });
});

describe("the minimal unit", () => {
  test("keeps ExecStart= as it stands, and what is used", () => {
    const unit = aUnit({
      type: "simple",
      notifyAccess: "none",
      watchdogUsec: 90e6,
      user: "nobody",
      hasExecReload: false,
    });
    expect(minimalUnit({ subject: "x", unit: { value: unit } })).toBe(`[Unit]
Description=X

[Service]
Type=notify
ExecStart=/usr/bin/bun server.ts
User=nobody
WatchdogSec=1min 30s
FileDescriptorStoreMax=1
Restart=on-failure

[Install]
WantedBy=multi-user.target
`);
  });

  test("of a dynamic user has no User=: systemctl shows one, and it is there only while the service runs", () => {
    const unit = aUnit({ user: "x", group: "x", dynamicUser: true });
    const lines = minimalUnit({ subject: "x", unit: { value: unit } }).split("\n");
    expect(lines).toContain("DynamicUser=yes");
    expect(lines.filter((line) => /^(User|Group)=/.test(line))).toEqual([]);
  });

  test("starts what was behind a shell; lets all send where they are several", () => {
    const of = (processes: Process[]) => minimalUnit({ subject: "x", unit: { value: aUnit({}, processes) } });
    expect(of([shell, { ...child, directory: "/srv" }])).toContain(`Type=notify
# Without sh, which was the main process.
ExecStart=/usr/bin/bun server.ts
WorkingDirectory=/srv
`);
    expect(of([shell, child, { ...child, pid: 12 }])).toContain("Type=notify\nNotifyAccess=all\nExecStart=");
  });

  test("keeps Type=notify-reload where the program handles the signal", () => {
    const of = (caught: bigint) =>
      minimalUnit({ subject: "x", unit: { value: aUnit({ type: "notify-reload" }, [aProcess({ caught })]) } });
    expect(of(1n)).toContain("Type=notify-reload\n");
    expect(of(2n)).toContain("Type=notify\n");
  });

  test("of a process has its command line, quoted", () => {
    const named = aProcess({ command: ["bun", "a b", "$HOME", "100%", 'say "x"', "", "\\", ";"] });
    expect(minimalUnit({ subject: "x", process: { value: named } })).toContain(
      'ExecStart=/usr/bin/bun "a b" $$HOME 100%% "say \\"x\\"" "" "\\\\" ";"\n',
    );
  });

  test.each([
    [["bun", "server.ts"], "/usr/bin/bun server.ts"],
    [["/opt/bun", "server.ts"], "/opt/bun server.ts"],
    [["-bun", "x"], "/usr/bin/bun x"],
    [["node", "x"], "@/usr/bin/bun node x"],
    [["bun: worker process"], "/usr/bin/bun"],
    [["/opt/$x/bun"], "@/opt/$x/bun /opt/$$x/bun"],
  ])("of a process that was called %p starts %s", (command, line) => {
    const text = minimalUnit({ subject: "x", process: { value: aProcess({ command }) } });
    expect(text).toContain(`\nExecStart=${line}\n`);
  });

  test("says in a comment what it can't say", () => {
    const named = aProcess({ name: "a\nb", command: ["/bin/a\nb"] });
    expect(minimalUnit({ subject: "x", process: { value: named } })).toContain(`[Unit]
# Description= is left out: it has \\x0a, and this setting knows no escapes

[Service]
Type=notify
# ExecStart= is left out: systemd executes no path that has \\x0a
`);
  });

  test("has the settings of the unit escaped, and the directory as a unit file has it", () => {
    const unit = aUnit({ description: "100%", workingDirectory: "!/srv/50%", execStart: ["/bin/x\ta '\x1b'"] });
    const text = minimalUnit({ subject: "x", unit: { value: unit } });
    expect(text).toContain("Description=100%%\n");
    expect(text).toContain("ExecStart=/bin/x a '\\x1b'\n");
    expect(text).toContain("WorkingDirectory=-/srv/50%%\n");
  });
});

test("names of other processes do nothing to a terminal", () => {
  const checks: Check[] = [{ name: "socket", result: "failed", what: "a\x1b[31m", why: "b\x07", cure: "c\r" }];
  const text = formatReport({ subject: "web\x9b.service", summary: "web\x9b.service", checks, unit: "" }, false);
  expect(text.split("\n").slice(0, 4)).toEqual([
    "web\\x9b.service",
    "",
    "FAILED  a\\x1b[31m: b\\x07",
    "        cure: c\\x0d",
  ]);
});

test("each exit status of systemd has a meaning and a cure, and each signal a name that there is", () => {
  for (const [status, { name, what, cures }] of Object.entries(SYSTEMD_STATUSES)) {
    expect({ status, fine: /^[A-Z_]+$/.test(name) && what !== "" }).toEqual({ status, fine: true });
    expect(cures.at(-1)?.[0].test("anything")).toBe(true);
  }
  for (const name of Object.keys(ENDING_SIGNALS)) expect(constants.signals).toHaveProperty(name);
});

describe("the summary", () => {
  const of = (unit: Unit) =>
    summarize({ subject: unit.id, unit: { value: unit } }, checkAll({ subject: unit.id, unit: { value: unit } }));

  test("names what explains the rest", () => {
    expect(of(aWaiting())).toStartWith("x.service is activating (start): it waits for 5 s for a READY=1");
    expect(of(aWaiting({ restrictAddressFamilies: "AF_INET" }))).toStartWith(
      "x.service: RestrictAddressFamilies=AF_INET: ",
    );
    expect(of(aWaiting({}, [shell, child]))).toStartWith("x.service: messages of process 11 (bun): ");
    const life = ended("exited", 203);
    const failed = { activeState: "failed", result: "exit-code", life, restrictAddressFamilies: "AF_INET" };
    expect(of(aUnit(failed))).toStartWith("x.service: the main process ended with status 203/EXEC: ");
    expect(of(aUnit({ activeState: "deactivating", subState: "stop-sigterm" }))).toStartWith(
      "x.service is deactivating",
    );
    expect(of(aWaiting({ subState: "start-pre", systemCallFilter: "x" }))).toContain("until ExecStartPre=");
  });

  test("says that nothing is wrong, or can be seen", () => {
    expect(of(aUnit())).toBe("x.service is active: nothing is wrong that can be seen");
    expect(of(aUnit({ activeState: "inactive" }))).toMatch(
      /^x\.service is inactive: it has not been .*; nothing else is wrong/,
    );
    const environment = { unknown: "no right" };
    const process = { value: aProcess({ environment }) };
    expect(summarize({ subject: "x", process }, checkAll({ subject: "x", process }))).toBe("x: nothing can be seen");
  });
});

describe("whatever a process, a unit or the journal has in it", () => {
  /** The facts with a text in place of each that may be somebody else's. */
  const factsWith = (text: string): Facts => {
    const environment = {
      NOTIFY_SOCKET: text,
      WATCHDOG_USEC: text,
      WATCHDOG_PID: text,
      LISTEN_FDS: text,
      container: text,
    };
    const named = { name: text, command: [text, text], program: `/${text}`, directory: `/${text}`, container: text };
    const main = aProcess({ ...named, command: ["/bin/sh", text] }, environment);
    const worker = aProcess({ ...named, pid: 11, parent: 10 }, environment);
    const settings = { description: text, user: text, group: text, workingDirectory: text, execStart: [text, text] };
    const states = { type: "notify", activeState: text, result: text, logLevel: text, restrictAddressFamilies: text };
    const journal = {
      value: [{ text: `Got notification message from PID 9${text}, but reception is disabled`, ours: true }],
    };
    const unit = aUnit({ id: `${text}.service`, ...settings, ...states, systemCallFilter: text, journal }, [
      main,
      worker,
    ]);
    const self = {
      pid: 5,
      parent: 4,
      caller: 3,
      callerName: text,
      privileged: true,
      ffi: text,
      connection: { unknown: text },
    };
    return { subject: text, unit: { value: unit }, process: { value: main }, self };
  };
  const behind = (text: string): Facts => {
    const directory = text === "" ? "/" : `/${text}`;
    return {
      subject: text,
      unit: {
        value: aUnit({ description: text }, [shell, { ...child, command: ["bun", "server.ts", text], directory }]),
      },
    };
  };
  /** A unit that does not run, in each way, with the text in all that is told of it. */
  const endedWith = (text: string): Facts[] => {
    const need = {
      id: text,
      by: text,
      loadState: "loaded",
      activeState: "failed",
      subState: text,
      type: text,
      result: text,
    };
    const said = (line: string) => ({ text: line, invocation: "i", usec: 1 });
    const command = { path: text, line: text, ignored: false, pid: 9, ended: "exited" as const, status: 200 };
    const life = aLife({
      loadError: text,
      commands: [{ ...command, setting: "ExecStart" }],
      settings: { WorkingDirectory: [text], EnvironmentFile: [text] },
      busName: text,
      pidFile: text,
      restart: text,
      restarts: 3,
      conditions: [text],
      job: { type: text, state: "waiting", waitsFor: [need] },
      needs: [need],
      missingPaths: [text],
      said: { value: [said(text), said(`x: Failed to y ${text}`), said(`Can't open PID file ${text}`)] },
      output: {
        value: [true, false].map((ofSystemd) => ({ text, pid: 9, invocation: "i", usec: 1, ofSystemd })),
      },
      program: {
        path: text,
        found: "file",
        executable: true,
        format: "script",
        interpreter: text,
        interpreterFound: false,
      },
    });
    const events = [
      "Dependency failed for x",
      `x skipped, unmet condition check C=${text}`,
      "x: Deactivated successfully.",
    ];
    const ways: Partial<Unit>[] = [
      ...["timeout", "protocol", "start-limit-hit", "resources", text].flatMap((result) =>
        ["notify", "forking", "dbus", text].map((type) => ({ activeState: "failed", result, type })),
      ),
      { activeState: "inactive", life },
      ...events.map((event) => ({
        activeState: "inactive",
        life: { ...life, job: undefined, said: { value: [said(event)] } },
      })),
      ...["activating", "deactivating", "reloading", "active"].flatMap((activeState) =>
        ["start", "start-pre", "reload", "stop", text].map((subState) => ({ activeState, subState })),
      ),
    ];
    const main = aProcess({ name: text, command: [text] });
    return ways.map((way) => ({
      subject: `${text}.service`,
      unit: { value: aUnit({ id: `${text}.service`, life, controlPid: 10, ...way }, [main]) },
    }));
  };
  const report = (facts: Facts, colours: boolean) => {
    const checks = checkAll(facts);
    const { subject } = facts;
    return formatReport({ subject, summary: summarize(facts, checks), checks, unit: minimalUnit(facts) }, colours);
  };

  test("the report has its own lines and colours, and else what is printable", () => {
    for (let i = 0; i < 300; i++) {
      for (const facts of [
        factsWith(nastyWord(i)),
        behind(nastyWord(i)),
        ...(i % 60 === 0 ? endedWith(nastyWord(i)) : []),
      ]) {
        const text = report(facts, false);
        expect(Bun.stripANSI(report(facts, true))).toBe(text);
        for (const line of text.split("\n")) expect(line).not.toMatch(STRANGE);
      }
    }
  }, 20_000);

  test("the minimal unit has the lines that it has of what is harmless", () => {
    const names = (facts: Facts) =>
      minimalUnit(facts)
        .split("\n")
        .map((line) => /^(?:# )?(\w+=)|.*/.exec(line)?.slice(0, 2).findLast(Boolean));
    for (let i = 0; i < 1000; i++) {
      // "/bin/sh" would be a shell.
      const word = nastyWord(i).replaceAll("/", "");
      expect(names(factsWith(`x${word}`))).toEqual(names(factsWith("x")));
      expect(names(behind(`x${word}`))).toEqual(names(behind("x")));
    }
  });
});

test("walk() follows links inside the root, and minds the rights", () => {
  using directory = temporaryDirectory();
  const root = directory.path;
  // Neither root nor whoever runs the test.
  const other = { pid: 1, uid: 54321, groups: [54321], capabilities: 0n };
  const superuser = { ...other, uid: 0, capabilities: ~0n };
  writeFileSync(join(root, "file"), "");
  chmodSync(join(root, "file"), 0o666);
  symlinkSync("/file", join(root, "link"));
  chmodSync(root, 0o755);
  expect(walk(root, "/link", other)?.writable).toBe(true);
  expect(walk(root, "/none", other)).toBeUndefined();
  expect(walk(root, "/file/x", superuser)).toBeUndefined();
  chmodSync(root, 0o700);
  expect(walk(root, "/file", other)?.writable).toBe(false);
  expect(walk(root, "/file", superuser)?.writable).toBe(true);
});
