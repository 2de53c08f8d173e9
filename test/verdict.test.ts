import { describe, expect, test } from "bun:test";
import { formatUsec } from "../src/protocol/durations.ts";
import { judge } from "../src/verdict/judge.ts";
import type { MessageFacts, Sender, UnitFacts } from "../src/verdict/types.ts";

const MAIN: Sender = { pid: 100, uid: 1000, role: "main" };

/** What judge() says of a message, a line for each effect and each problem. */
function verdict(text: string | Uint8Array, unit: UnitFacts = {}, more: Partial<MessageFacts> = {}): string[] {
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  const { effects, problems, phase } = judge({ bytes, fdCount: 0, sender: MAIN, ...more }, unit);
  return [
    ...effects,
    ...problems.map(({ what, why, cure }) => `${what || "all"}: ${why}${cure === undefined ? "" : ` -> ${cure}`}`),
    ...(phase === undefined ? [] : [`(${phase})`]),
  ];
}

describe("a message that is ignored", () => {
  test.each<[string, string | Uint8Array, UnitFacts, Partial<MessageFacts>, RegExp]>([
    ["over 4096 bytes", `STATUS=${"x".repeat(4090)}`, {}, {}, /it has 4097 bytes, .* reads 4096 at most -> shorten/],
    ["a NUL inside", "READY=1\0\nSTATUS=x", {}, {}, /contains a NUL byte/],
    ["no credentials", "READY=1", {}, { sender: { ...MAIN, pid: 0 } }, /no credentials/],
    ["a sender that is gone", "READY=1", {}, { sender: { ...MAIN, role: "gone" } }, /process 100 had exited .*barrier/],
    ["a stranger", "READY=1", {}, { sender: { ...MAIN, role: "stranger" } }, /process 100 is not of this unit/],
    ["NotifyAccess=none", "READY=1", { notifyAccess: "none" }, {}, /NotifyAccess=none.* -> NotifyAccess=main/],
    [
      "NotifyAccess=main, a child",
      "READY=1",
      { notifyAccess: "main" },
      { sender: { ...MAIN, role: "member" } },
      /not the main process.* -> NotifyAccess=all/,
    ],
    [
      "NotifyAccess=main, ExecReload=",
      "READY=1",
      { notifyAccess: "main" },
      { sender: { ...MAIN, role: "control" } },
      / -> NotifyAccess=exec/,
    ],
    [
      "NotifyAccess=exec, a child",
      "READY=1",
      { notifyAccess: "exec" },
      { sender: { ...MAIN, role: "member" } },
      / -> NotifyAccess=all/,
    ],
    [
      "a single backslash at the end",
      "READY=1\nSTATUS=C:\\",
      {},
      {},
      /single backslash.*Out of memory.* -> double each/,
    ],
    ["BARRIER=1 with more", "BARRIER=1\nREADY=1", {}, { fdCount: 1 }, /to be alone in its message/],
    ["BARRIER=1 without an fd", "BARRIER=1", {}, {}, /exactly one fd, not with 0/],
    ["BARRIER=1 with two fds", "BARRIER=1", {}, { fdCount: 2 }, /exactly one fd, not with 2/],
    ["BARRIER=1 after a \\r", "X=1\rBARRIER=1", {}, { fdCount: 1 }, /to be alone in its message/],
  ])("%s", (_, text, unit, more, why) => {
    const lines = verdict(text, unit, more);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toStartWith("all: ");
    expect(lines[0]).toMatch(why);
  });
});

test.each<[string, UnitFacts, Partial<MessageFacts>]>([
  ["main, the main process", { notifyAccess: "main" }, {}],
  ["exec, ExecReload=", { notifyAccess: "exec" }, { sender: { ...MAIN, role: "control" } }],
  ["all, a child", { notifyAccess: "all" }, { sender: { ...MAIN, role: "member" } }],
])("NotifyAccess=%s: is taken", (_, unit, more) => {
  expect(verdict("X_A=1", unit, more)).toEqual(["X_A: kept for whoever else reads the messages"]);
});

describe("an assignment", () => {
  test.each<[string, UnitFacts, number, string[]]>([
    ["READY=1", { phase: "activating" }, 0, ["the unit is active", "(active)"]],
    ["READY=1", { phase: "reloading" }, 0, ["the reload is complete", "(active)"]],
    ["READY=1", {}, 0, ["start-up, or a reload, is complete", "(active)"]],
    ["READY=1", { type: "simple" }, 0, ["READY=1: Type=simple is active without it -> Type=notify"]],
    ["READY=1", { phase: "deactivating" }, 0, ["READY=1: the unit is stopping, and STOPPING=1 is final"]],
    ["READY=yes", {}, 0, ["READY=yes: only 1 means anything -> READY=1"]],
    ["Ready=1", {}, 0, ["Ready=1: the service manager knows no such key -> READY=1"]],
    ["REDY=1", {}, 0, ["REDY=1: the service manager knows no such key -> READY=1"]],
    ["STAUTS=x", {}, 0, ["STAUTS=x: the service manager knows no such key -> STATUS=x"]],
    ["FOO=1", {}, 0, ["FOO=1: the service manager knows no such key -> X_FOO=, as keys of one's own are called"]],
    ["just text", {}, 0, ["just text: it is no assignment -> NAME=value, one on a line"]],
    [
      "STATUS=a\nSTATUS=b",
      {},
      0,
      ['the status is "a"', "STATUS=b: STATUS= stands before it already, and the first one counts"],
    ],
    ["STATUS=", {}, 0, ["the status is empty"]],
    ["STATUS=a\rERRNO=5", {}, 0, ['the status is "a"', "the service failed with errno 5"]],
    [
      "STATUS=C:\\\nREADY=1",
      {},
      0,
      [
        'the status is "C:\\x0aREADY=1"',
        "STATUS=C:\\x0aREADY=1: a backslash before the end of the line makes the next line part of this one -> double each backslash in a value, as notify() does",
      ],
    ],
    ["RELOADING=1", {}, 0, ["the unit is reloading, until READY=1", "(reloading)"]],
    ["RELOADING=1\nREADY=1", { phase: "active" }, 0, ["nothing: the unit is active already", "(active)"]],
    ["STOPPING=1\nREADY=1", {}, 0, ["the unit is stopping", "start-up, or a reload, is complete", "(deactivating)"]],
    [
      "RELOADING=1\nMONOTONIC_USEC=5",
      { type: "notify-reload", reloadUsec: 1500 },
      0,
      ["RELOADING=1: its MONOTONIC_USEC= is 1.5 ms older than the reload -> read the clock when the signal has come"],
    ],
    [
      "RELOADING=1\nMONOTONIC_USEC=9",
      { type: "notify-reload", reloadUsec: 9 },
      0,
      ["the unit is reloading, until READY=1", "(reloading)"],
    ],
    // Nobody has asked for a reload, so none is answered.
    [
      "RELOADING=1",
      { type: "notify-reload", phase: "active" },
      0,
      ["the unit is reloading, until READY=1", "(reloading)"],
    ],
    ["RELOADING=1", { phase: "activating" }, 0, ["nothing yet: the unit is activating until READY=1"]],
    ["RELOADING=1\nREADY=1", { phase: "activating" }, 0, ["the unit is active", "(active)"]],
    ["RELOADING=1", { phase: "reloading" }, 0, ["nothing: the unit is reloading already"]],
    [
      "READY=1",
      { type: "notify-reload", phase: "reloading", reloadUsec: 9 },
      0,
      [
        "READY=1: no RELOADING=1 has answered the signal of Type=notify-reload: the reload goes on -> RELOADING=1 with MONOTONIC_USEC= before it, when the signal has come",
      ],
    ],
    [
      "RELOADING=1\nMONOTONIC_USEC=9\nREADY=1",
      { type: "notify-reload", phase: "reloading", reloadUsec: 9 },
      0,
      ["the reload is complete", "(active)"],
    ],
    [
      "RELOADING=1\nMONOTONIC_USEC=8\nREADY=1",
      { type: "notify-reload", phase: "reloading", reloadUsec: 9 },
      0,
      ["RELOADING=1: its MONOTONIC_USEC= is 1 us older than the reload -> read the clock when the signal has come"],
    ],
    [
      "STOPPING=1",
      { phase: "activating" },
      0,
      ["the unit is still activating, and no READY=1 counts from now on: it can only end"],
    ],
    [
      "READY=1",
      { phase: "activating", saidStopping: true },
      0,
      ["READY=1: the unit is stopping, and STOPPING=1 is final"],
    ],
    ["MONOTONIC_USEC=5", {}, 0, ["MONOTONIC_USEC=5: it belongs to RELOADING=1"]],
    ["MAINPID=77", {}, 0, ["process 77 is the main one"]],
    ["MAINPID=1", {}, 0, ["MAINPID=1: process 1 is the service manager"]],
    ["MAINPID=x", {}, 0, ["MAINPID=x: it is no PID -> MAINPID= with a number"]],
    ["ERRNO=2", {}, 0, ["the service failed with errno 2"]],
    ["ERRNO=4096", {}, 0, ["ERRNO=4096: it is no number from 0 to 4095"]],
    ["EXIT_STATUS=256", {}, 0, ["EXIT_STATUS=256: it is no number from 0 to 255"]],
    ["NOTIFYACCESS=some", {}, 0, ["NOTIFYACCESS=some: it is none of none, main, exec, all"]],
    ["WATCHDOG=1", {}, 0, ["the watchdog's time begins anew"]],
    ["WATCHDOG=1", { watchdogUsec: 0 }, 0, ["WATCHDOG=1: the unit has no watchdog -> WatchdogSec=30"]],
    ["WATCHDOG=trigger", {}, 0, ["the watchdog's time is up at once: the unit is aborted"]],
    ["WATCHDOG=yes", {}, 0, ["WATCHDOG=yes: it is neither 1 nor trigger -> WATCHDOG=1"]],
    ["WATCHDOG_USEC=20000000", {}, 0, ["the watchdog's time-out is 20 s"]],
    ["WATCHDOG_USEC=20s", {}, 0, ["WATCHDOG_USEC=20s: it is no number"]],
    ["EXTEND_TIMEOUT_USEC=90000000", { phase: "activating" }, 0, ["start-up may take 1 min 30 s from now"]],
    ["FDSTORE=1", {}, 0, ["FDSTORE=1: no fd came with it -> send the fds along: storeFds(), --fd="]],
    ["FDSTORE=1\nFDNAME=a", {}, 2, ["the fd store keeps 2 fds"]],
    [
      "FDSTORE=1",
      { fdStoreMax: 0 },
      1,
      ["FDSTORE=1: FileDescriptorStoreMax=0: the fds are closed -> FileDescriptorStoreMax=1"],
    ],
    [
      "FDSTORE=1",
      { fdStoreMax: 3, fdStored: 2 },
      2,
      ["FDSTORE=1: the fd store holds 2 of 3: those beyond that are closed -> FileDescriptorStoreMax=4"],
    ],
    [
      "READY=1",
      { phase: "activating" },
      1,
      ["the unit is active", "fds: no FDSTORE=1 goes with them: they are closed -> FDSTORE=1", "(active)"],
    ],
    ["FDNAME=a", {}, 0, ["FDNAME=a: it belongs to FDSTORE=1 -> FDSTORE=1"]],
    [
      "FDSTORE=1\nFDNAME=a:b",
      {},
      1,
      [
        "the fd store keeps the fd",
        'FDNAME=a:b: use ASCII without control characters and ":": the fds are stored without it -> FDNAME= in ASCII, without :',
      ],
    ],
    ["FDSTOREREMOVE=1", {}, 0, ["FDSTOREREMOVE=1: no FDNAME= says which fds -> FDNAME="]],
    ["FDSTOREREMOVE=1\nFDNAME=a", {}, 0, ["the fd store closes what is called a"]],
    ["MAINPIDFD=1", {}, 1, ["the pidfd says which process is the main one"]],
    ["BARRIER=1\n", {}, 1, ["closes the fd: all that was sent before has been processed"]],
    ["READY=1\rSTATUS=a\\\\b", {}, 0, ["start-up, or a reload, is complete", 'the status is "a\\b"', "(active)"]],
    ["STATUS=\x1b[2J", {}, 0, ['the status is "\\x1b[2J"']],
    [
      "X\x1b=1",
      {},
      0,
      ["X\\x1b=1: the service manager knows no such key -> X_X\\x1b=, as keys of one's own are called"],
    ],
    ["MAINPID=0x4d", {}, 0, ["process 77 is the main one"]],
    ["MAINPID=2147483648", {}, 0, ["MAINPID=2147483648: it is no PID -> MAINPID= with a number"]],
    ["WATCHDOG_USEC=18446744073709551616", {}, 0, ["WATCHDOG_USEC=18446744073709551616: it is no number"]],
    ["READY=1\0", { phase: "activating" }, 0, ["the unit is active", "(active)"]],
    ["BARRIER=1", { notifyAccess: "none" }, 1, ["closes the fd: all that was sent before has been processed"]],
  ])("%j in %j with %d fds", (text, unit, fdCount, lines) => {
    expect(verdict(text, unit, { fdCount })).toEqual(lines);
  });

  test("a long one is shortened, without half a character", () => {
    const [line = ""] = verdict(`FOO=${"x".repeat(38)}🎉🎉`);
    expect(line.isWellFormed()).toBe(true);
    const lines = verdict(`${"K".repeat(2000)}=1\n${"K".repeat(2000)}=2`);
    expect(lines.join("").length).toBeLessThan(500);
  });

  test("many of them take no time", () => {
    const text = Array.from({ length: 1000 }, (_, i) => `${i.toString(36)}=`).join("\n");
    verdict(text);
    const start = performance.now();
    expect(verdict(text)).toHaveLength(1000);
    expect(performance.now() - start).toBeLessThan(100);
  });

  test("RELOADING=1 of Type=notify-reload needs its time", () => {
    const [line] = verdict("RELOADING=1", { type: "notify-reload" });
    expect(line).toMatch(/^RELOADING=1: no MONOTONIC_USEC= goes with it.* -> MONOTONIC_USEC= with the time/);
  });

  test("READY=1 of Type=notify-reload needs a handler for the signal", () => {
    const unit: UnitFacts = { type: "notify-reload", phase: "activating", handlesReload: false };
    expect(verdict("READY=1", unit)[0]).toMatch(/no handler for SIGHUP.* -> Type=notify, or a handler/);
    expect(verdict("READY=1", { ...unit, handlesReload: true })).toEqual(["the unit is active", "(active)"]);
  });

  test("STATUS= that is not UTF-8 clears the old one", () => {
    const bytes = Buffer.concat([Buffer.from("STATUS=a"), Buffer.from([0xff]), Buffer.from("\nREADY=1")]);
    expect(verdict(bytes, { phase: "activating" })).toEqual([
      "the unit is active",
      "STATUS=a\uFFFD: it is not UTF-8, and the old status is cleared -> encode it as UTF-8",
      "(active)",
    ]);
    expect(verdict(Buffer.concat([Buffer.from("STATUS=a\nX_A="), Buffer.from([0xff])]))[0]).toBe('the status is "a"');
  });

  test("MAINPID= of a process of another unit is for root to name", () => {
    expect(verdict("MAINPID=7", {}, { mainPidRole: "stranger" })[0]).toMatch(/only root may name such a one/);
    const root = { ...MAIN, uid: 0 };
    expect(verdict("MAINPID=7", {}, { mainPidRole: "stranger", sender: root })).toEqual(["process 7 is the main one"]);
    expect(verdict("MAINPID=7", {}, { mainPidRole: "gone" })).toEqual(["MAINPID=7: there is no process 7"]);
  });

  test("MAINPID= of a zombie, or of another process than MAINPIDFDID= says, is ignored", () => {
    expect(verdict("MAINPID=7", {}, { mainPidRole: "zombie" })).toEqual([
      "MAINPID=7: process 7 has ended: it is a zombie",
    ]);
    expect(verdict("MAINPID=7\nMAINPIDFDID=4", {}, { mainPidRole: "other" })).toEqual([
      "MAINPID=7: process 7 is another one than MAINPIDFDID= says (systemd 262)",
    ]);
  });
});

test.each([
  [0, "0 us"],
  [999, "999 us"],
  [1500, "1.5 ms"],
  [20e6, "20 s"],
  [90e6, "1 min 30 s"],
  [3600e6, "1 h"],
  [90061e6, "1 d 1 h 1 min 1 s"],
])("formatUsec(%d) is %p", (usec, text) => {
  expect(formatUsec(usec)).toBe(text);
});
