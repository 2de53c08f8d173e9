import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  checkComments,
  checkComplaints,
  checkDropIn,
  checkReloadNeeded,
  nameDropIns,
} from "../src/tools/doctor/configuration-checks.ts";
import { type Configuration, NO_CONFIGURATION } from "../src/tools/doctor/configuration-facts.ts";
import { checkEnvironmentFiles, checkUnsetEnvironment } from "../src/tools/doctor/environment-checks.ts";
import { parseEnvironmentFile } from "../src/tools/doctor/environment-file.ts";
import type { Check, Process, Unit } from "../src/tools/doctor/facts.ts";
import { checkMessages, readMessage } from "../src/tools/doctor/message-checks.ts";
import { coverOf, withoutChanger } from "../src/tools/doctor/obstacles.ts";
import { parseSetting } from "../src/tools/doctor/parse.ts";
import { checkContainer } from "../src/tools/doctor/process-checks.ts";
import { checkBackground, checkSpeech, runCommand } from "../src/tools/doctor/silence-checks.ts";
import { gatherSpeech } from "../src/tools/doctor/speech.ts";
import { inlineComment, parseUnitFile } from "../src/tools/doctor/unit-file.ts";
import { judge } from "../src/verdict/judge.ts";
import { missing, temporaryDirectory, titled } from "./support/command.ts";

// That PID 1 sees it so, and that the cures help, is tried by `npm run test:systemd -- doctor`.

function aUnit(facts: Partial<Unit>, configuration: Partial<Configuration> = {}): Unit {
  return {
    id: "x.service",
    manager: "system",
    version: 262,
    loadState: "loaded",
    activeState: "activating",
    subState: "start",
    result: "success",
    type: "notify",
    notifyAccess: "main",
    mainPid: 10,
    controlPid: 0,
    watchdogUsec: 0,
    fdStoreMax: 0,
    fdStored: 0,
    user: "",
    dynamicUser: false,
    group: "",
    processes: { value: [] },
    journal: { value: [] },
    speech: [],
    command: "/usr/bin/sd-notify",
    execStart: ["/usr/bin/server --port 80"],
    ...facts,
    configuration: { ...NO_CONFIGURATION, ...configuration },
  } as Unit;
}

const unitFile = (path: string, text: string) => ({ path, assignments: parseUnitFile(text) });
const told = (checks: Check[]) => checks.map(({ result, what, why, cure }) => [result, `${what}: ${why}`, cure]);

describe("a unit file", () => {
  test("goes on behind a comment, where a line ended with a backslash", () => {
    const text = "[Service]\nExecStart=/bin/a \\\n# not b\n  ; nor c\n  d\nType=exec\n";
    expect(parseUnitFile(text)).toEqual([
      { section: "Service", name: "ExecStart", value: "/bin/a    d", line: 2, lastLine: 5 },
      { section: "Service", name: "Type", value: "exec", line: 6, lastLine: 6 },
    ]);
    expect(parseSetting(text, "ExecStart")).toEqual(["/bin/a    d"]);
  });

  test("with a BOM, other ends of lines, and one that goes on at its end", () => {
    const text = "\uFEFF[Service]\r\nA=1\rB=2\\\\\n[Unit]\nno assignment\n=x\nC= 3 \\";
    expect(parseUnitFile(text).map(({ section, name, value, line }) => [section, name, value, line])).toEqual([
      ["Service", "A", "1", 2],
      ["Service", "B", "2\\\\", 3],
      ["Unit", "C", "3 \\", 7],
    ]);
  });

  test("of 10,000 lines that all go on is read at once", () => {
    const start = performance.now();
    parseUnitFile(`[Service]\nExecStart=a ${"\\\n b ".repeat(10_000)}\n`);
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  test.each([
    ["Type", "notify # x", "notify", "# x"],
    ["Restart", "always ;x", "always", ";x"],
    ["ExecStart", "/bin/a b # c d", "/bin/a b", "# c d"],
    ["Environment", "A=b # c", "A=b", "# c"],
  ])("%s=%s has what is meant for a comment", (name, value, without, comment) => {
    expect(inlineComment(name, value)).toEqual({ value: without, comment });
  });

  test.each([
    ["Type", "notify"],
    ["ExecStart", '/bin/sh -c "a # b"'],
    ["ExecStart", "/bin/a \\# b#c #fff ; /bin/d"],
    ["ExecStart", "/bin/a '#' b"],
    ["Environment", '"A=b # c"'],
    ["Description", "C # and ; more"],
    ["WorkingDirectory", "/a#b"],
  ])("%s=%s has none", (name, value) => {
    expect(inlineComment(name, value)).toBeUndefined();
  });
});

describe("a file of EnvironmentFile=", () => {
  test("as systemd reads it", () => {
    const text = `# a
A=b
B="c d"
 C = e
export D=f
E=g # h
F='i
j=k'
G=l\\
m=n
key material
`;
    const { variables, invalid, commented } = parseEnvironmentFile(text);
    expect([...variables]).toEqual([
      ["A", "b"],
      ["B", "c d"],
      ["C", "e"],
      ["E", "g # h"],
      ["F", undefined],
      ["G", undefined],
    ]);
    // No more of a line is kept, because it may be part of a secret.
    expect(invalid).toEqual([
      { line: 5, exported: "D" },
      { line: 11, exported: undefined },
    ]);
    expect(commented).toEqual([{ line: 6, name: "E" }]);
  });
});

describe("what systemd has not taken", () => {
  const complaint = (text: string, line: string, meant?: { name: string; section: string }) =>
    aUnit({}, { complaints: [{ text, place: { path: "/x", line: 3, text: line }, meant }] });

  test.each([
    [
      "a mistyped setting",
      complaint("Unknown key 'NotifyAcess' in section [Service], ignoring.", "NotifyAcess=all", {
        name: "NotifyAccess",
        section: "Service",
      }),
      "failed",
      "NotifyAccess=all",
    ],
    [
      "a setting of another section",
      complaint("Unknown key 'Type' in section [Unit], ignoring.", "Type=notify", { name: "Type", section: "Service" }),
      "failed",
      "Type=notify, in the section [Service]",
    ],
    [
      "a setting of another systemd",
      complaint("Unknown key 'X' in section [Service], ignoring.", "X=y"),
      "note",
      undefined,
    ],
    [
      "a value in capitals",
      complaint("Failed to parse service type, ignoring: Notify", "Type=Notify"),
      "failed",
      "Type=notify",
    ],
    ["a value in quotes", complaint('Failed to parse Type="exec", ignoring: x', 'Type="exec"'), "failed", "Type=exec"],
    [
      "a time",
      complaint("Failed to parse sec value, ignoring: 30 secs or so", "WatchdogSec=30 secs or so"),
      "failed",
      "WatchdogSec=30s",
    ],
    ["a section", complaint("Unknown section 'Servce'. Ignoring.", "[Servce]"), "failed", "[Service]"],
    [
      "a secret",
      complaint("Invalid environment assignment, ignoring: hunter2", "Environment=A=b hunter2"),
      "failed",
      'Environment="NAME=value" with quotes',
    ],
  ] as const)("%s", (_, unit, result, cure) => {
    const [check] = checkComplaints(unit);
    expect(check).toMatchObject({ name: "ignored", result });
    expect(check?.cure).toBe(cure);
    expect(JSON.stringify(check)).not.toContain("hunter2");
  });

  test.each([
    complaint("Unknown key name 'Enviroment' in section 'Service', ignoring.", "Enviroment=PASS=hunter2"),
    complaint("Unknown key name 'PASSWORD' in section 'Service', ignoring.", "PASSWORD=hunter2"),
  ])("shows no value of a secret whose name is misspelled", (unit) => {
    const checks = checkComplaints(unit);
    expect(checks).not.toEqual([]);
    expect(JSON.stringify(checks)).not.toContain("hunter2");
  });

  test("is a note of a unit that runs, unless it decides about messages", () => {
    const unit = complaint("Failed to parse Restart=often, ignoring: x", "Restart=often");
    expect(told(checkComplaints({ ...unit, activeState: "active" }))[0]?.[0]).toBe("note");
    const type = complaint("Failed to parse Type=notfy, ignoring: x", "Type=notfy");
    expect(told(checkComplaints({ ...type, activeState: "active" }))[0]?.[0]).toBe("failed");
  });

  test("and why it is not loaded counts only while it is not", () => {
    const unit = aUnit(
      { loadState: "bad-setting" },
      { complaints: [{ text: "Service has no ExecStart=. Refusing." }] },
    );
    expect(told(checkComplaints(unit))[0]?.[1]).toBe("systemd refuses to load x.service: Service has no ExecStart=.");
    expect(checkComplaints({ ...unit, loadState: "loaded" })).toEqual([]);
  });

  test("a comment behind a secret shows neither", () => {
    const unit = aUnit({}, { files: [unitFile("/x", "[Service]\nEnvironment=PASSWORD=hunter2 # mine\n")] });
    expect(told(checkComments(unit))).toEqual([
      [
        "failed",
        "Environment=… # mine, line 2 of /x: # mine is no comment, because that needs a line of its own: it is part of the value",
        "put # mine on a line of its own",
      ],
    ]);
  });
});

describe("files and what systemd has read of them", () => {
  test("what differs is named, in the words of both", () => {
    const files = [unitFile("/x", "[Service]\nType=notify\nWatchdogSec=1min\nUser=%i\n")];
    const unit = aUnit({ type: "simple", activeState: "active" }, { needsReload: true, files });
    expect(told(checkReloadNeeded(unit))).toEqual([
      [
        "failed",
        "the files of x.service have changed since systemd read them: the file says Type=notify, systemd still has " +
          "Type=simple; the file says WatchdogSec=1min, systemd still has WatchdogSec=0",
        "systemctl daemon-reload, then systemctl restart x.service",
      ],
    ]);
    expect(checkReloadNeeded(aUnit({ activeState: "active" }, { needsReload: true }))[0]?.result).toBe("note");
    expect(checkReloadNeeded(aUnit({}))).toEqual([]);
  });

  test("a drop-in that has the last word on Type=", () => {
    const files = [unitFile("/x", "[Service]\nType=notify\n"), unitFile("/x.d/a.conf", "[Service]\nType=simple\n")];
    const unit = aUnit({ type: "simple", activeState: "active" }, { files });
    expect(told(checkDropIn(unit))).toEqual([
      [
        "failed",
        "Type=simple, line 2 of the drop-in /x.d/a.conf: /x says Type=notify, and the drop-in has the last word",
        "Type=notify",
      ],
    ]);
    expect(checkDropIn({ ...unit, type: "notify" })).toEqual([]);
  });

  test("the place of a setting is told where a drop-in says it, and not where the unit's own file does", () => {
    const files = [
      unitFile("/x", "[Service]\nNotifyAccess=all\nUser=a\n"),
      unitFile("/x.d/a.conf", "[Service]\nNotifyAccess=main\n"),
    ];
    const check: Check = { name: "access", result: "failed", what: "x", why: "y", cure: "NotifyAccess=all, or User=b" };
    expect(nameDropIns([check], aUnit({}, { files }))[0]?.why).toBe(
      "y; the drop-in /x.d/a.conf says NotifyAccess=main in line 2, and /x says NotifyAccess=all",
    );
    const reset = [...files, unitFile("/x.d/b.conf", "[Service]\nNotifyAccess=\n")];
    expect(nameDropIns([check], aUnit({}, { files: reset }))[0]?.why).toBe("y");
  });
});

describe("the environment of a unit", () => {
  test("UnsetEnvironment= fails only a start that waits", () => {
    const configuration = { unset: ["A=b", "NOTIFY_SOCKET"] };
    expect(told(checkUnsetEnvironment(aUnit({}, configuration)))).toEqual([
      [
        "failed",
        "UnsetEnvironment=A=b NOTIFY_SOCKET: it takes NOTIFY_SOCKET from the service: systemd sets it, and removes it again",
        "UnsetEnvironment= without NOTIFY_SOCKET",
      ],
    ]);
    expect(checkUnsetEnvironment(aUnit({ activeState: "active" }, configuration))[0]?.result).toBe("note");
    expect(checkUnsetEnvironment(aUnit({ notifyAccess: "none" }, configuration))).toEqual([]);
  });

  test("a file that changed names variables, and no values", () => {
    const file = { path: "/e", optional: false, found: "file", ofSystemd: [], invalid: [], commented: [] } as const;
    const unit = aUnit({}, { environmentFiles: [{ ...file, changed: ["A", "B", "C", "D"] }] });
    expect(told(checkEnvironmentFiles(unit))).toEqual([
      [
        "failed",
        "EnvironmentFile=/e: it has changed since the main process was started, which has A, B, C and 1 more as before",
        "systemctl restart x.service",
      ],
    ]);
  });
});

describe("messages that the manager logs", () => {
  test.each([
    ["x.service: Got notification message from PID 7 (READY=1 STATUS=up)", ["READY=1 STATUS=up"]],
    ["x.service: Got notification message from PID 7: READY=true, STATUS=a, b", ["READY=true", "STATUS=a, b"]],
    ["x.service: Got notification message from PID 7 (READY=1, STATUS=a (b))", ["READY=1", "STATUS=a (b)"]],
  ])("%s", (line, assignments) => {
    expect(readMessage(line)).toEqual({ pid: 7, assignments });
  });

  test.each([
    "x.service: Got notification message from PID 7, but reception is disabled.",
    "x.service: Got notification message from PID 99999999999 (READY=1)",
    "Got it",
  ])("%s: is none", (line) => {
    expect(readMessage(line)).toBeUndefined();
  });

  test("what is ignored of one that was taken fails a start, and is a note later", () => {
    const text = "x.service: Got notification message from PID 7 ( READY=1, WATCHDOG=1)";
    const journal = { value: [text, text].map((text) => ({ text, ours: true })) };
    expect(told(checkMessages(aUnit({ journal })))).toEqual([
      ["failed", '" READY=1" of process 7 (2 times): the service manager knows no such key', "READY=1"],
      ["failed", "WATCHDOG=1 of process 7 (2 times): the unit has no watchdog", "WatchdogSec=30"],
    ]);
    expect(checkMessages(aUnit({ journal, activeState: "active" })).map(({ result }) => result)).toEqual([
      "note",
      "note",
    ]);
    const others = { value: [{ text, ours: false }] };
    expect(checkMessages(aUnit({ journal: others }))).toEqual([]);
  });

  test("two assignments on one line are told apart by the verdict", () => {
    const bytes = new TextEncoder().encode("READY=1 STATUS=up");
    const { problems } = judge({ bytes, fdCount: 0, sender: { pid: 7, uid: 0, role: "main" } });
    expect(problems).toEqual([
      {
        what: "READY=1 STATUS=up",
        why: "each assignment needs a line of its own",
        cure: "READY=1 and STATUS=up, each on its own line",
      },
    ]);
  });
});

describe("a program that does not speak the protocol", () => {
  const aProcess = (facts: Partial<Process> = {}): Process =>
    ({ pid: 10, name: "server", parent: 1, uid: 0, command: ["/usr/bin/server"], isBun: false, ...facts }) as Process;
  const speech = { pid: 10, isInterpreter: false, speaks: false, addresses: [], paths: [] };

  test.each([
    [
      "that listens",
      { addresses: ["127.0.0.1:80"] },
      "ExecStart=/usr/bin/sd-notify run --ready-tcp=127.0.0.1:80 -- /usr/bin/server --port 80; or Type=exec",
    ],
    [
      "at a Unix socket",
      { paths: ["/run/x.sock"] },
      "ExecStart=/usr/bin/sd-notify run --ready-unix=/run/x.sock -- /usr/bin/server",
    ],
    ["that does not", {}, "Type=exec; or ExecStart=/usr/bin/sd-notify run --ready-log=REGEX -- "],
  ])("%s", (_, more, cure) => {
    const unit = aUnit({ processes: { value: [aProcess()] }, speech: [{ ...speech, ...more }] });
    const [check] = checkSpeech(unit);
    expect(check).toMatchObject({ name: "program", result: "failed" });
    expect(check?.cure).toStartWith(cure);
  });

  test.each([
    ["may speak", aUnit({ processes: { value: [aProcess()] }, speech: [{ ...speech, speaks: undefined }] })],
    ["is Bun's", aUnit({ processes: { value: [aProcess({ isBun: true })] }, speech: [speech] })],
    [
      "has spoken",
      aUnit({
        processes: { value: [aProcess()] },
        speech: [speech],
        journal: { value: [{ text: "x.service: Got notification message from PID 9, but", ours: true }] },
      }),
    ],
    ["is active", aUnit({ processes: { value: [aProcess()] }, speech: [speech], activeState: "active" })],
  ])("not said of one that %s", (_, unit) => {
    expect(checkSpeech(unit)).toEqual([]);
  });

  test("prefixes of the command stay in front, and one with a name of its own is left alone", () => {
    expect(runCommand(aUnit({ execStart: ["-/bin/a b"] }), "")).toBe("ExecStart=-/usr/bin/sd-notify run -- /bin/a b");
    expect(runCommand(aUnit({ execStart: ["@/bin/a b"] }), "")).toBeUndefined();
    expect(runCommand(aUnit({ execStart: undefined }), "")).toBeUndefined();
  });

  test("one that went into the background is known by what systemd had to end", () => {
    const lines = ["x: Child 10 belongs to x.", "x: Main process exited, code=exited, status=0/SUCCESS"];
    const journal = (...more: string[]) => ({ value: [...lines, ...more].map((text) => ({ text, ours: true })) });
    const unit = aUnit({
      activeState: "failed",
      result: "protocol",
      journal: journal("x: Changed start -> stop-sigterm"),
    });
    expect(checkBackground(unit)[0]).toMatchObject({
      name: "background",
      cure: expect.stringMatching(/^Type=forking/),
    });
    expect(checkBackground({ ...unit, journal: journal("x: Changed start -> failed") })).toEqual([]);
  });

  const noPerl = missing("perl");
  const title = "is read from its script, and where it listens from /proc";
  test.skipIf(noPerl !== undefined)(titled(title, noPerl), async () => {
    using directory = temporaryDirectory();
    const script = join(directory.path, "server.pl");
    writeFileSync(
      script,
      "use Socket; socket(my $s, AF_INET, SOCK_STREAM, 0); listen($s, 1); print getsockname($s) && 1; sleep 1e6;\n",
    );
    await using child = Bun.spawn(["perl", script], { stdin: "ignore", stdout: "ignore" });
    let speech = gatherSpeech(child.pid);
    for (const deadline = performance.now() + 10_000; speech?.addresses.length !== 1; await Bun.sleep(20)) {
      speech = gatherSpeech(child.pid);
      if (performance.now() > deadline) throw new Error(JSON.stringify(speech));
    }
    expect(speech).toMatchObject({ isInterpreter: true, speaks: false, paths: [] });
    expect(speech.addresses[0]).toMatch(/^127\.0\.0\.1:\d+$/);
    await using sleeper = Bun.spawn(["sleep", "1000"]);
    expect(gatherSpeech(sleeper.pid)).toMatchObject({ isInterpreter: false, speaks: false, addresses: [] });
  });
});

describe("what stands between systemd and a program", () => {
  const worker = { uid: 33 } as Process;

  test.each([
    ["/usr/bin/sudo -u www -- /usr/bin/server a", "User=www and ExecStart=/usr/bin/server a; or"],
    ["sudo -n --user=www -g x /usr/bin/server", "User=www and ExecStart=/usr/bin/server; or"],
    ["/usr/bin/sudo -u www server", "User=33, and ExecStart= without sudo; or"],
    ["/usr/bin/sudo -i", "User=33, and ExecStart= without sudo; or"],
    ["/usr/bin/sudo --unknown x /usr/bin/server", "User=33, and ExecStart= without sudo; or"],
  ])("%s", (line, cure) => {
    expect(withoutChanger("sudo", worker, aUnit({ execStart: [line] }))).toStartWith(cure);
  });

  test("podman --sdnotify=conmon fails a unit that waits, and is a note of one that runs", () => {
    const podman = {
      pid: 1,
      name: "podman",
      command: ["podman", "run", "--sdnotify=conmon", "x"],
    } as unknown as Process;
    const process: Process = { ...podman, environment: { value: {} } };
    const results = [aUnit({}), aUnit({ activeState: "active" })].map(
      (unit) => checkContainer(process, unit)[0]?.result,
    );
    expect(results).toEqual(["failed", "note"]);
  });

  test.each([
    ["-p", "8080:80", "127.0.0.1:8080"],
    ["--publish=0.0.0.0:81:80/tcp", "x", "127.0.0.1:81"],
    ["-p10.0.0.1:82:80", "x", "10.0.0.1:82"],
    ["-p", "80", "127.0.0.1:PORT"],
  ])("docker run %s %s is asked at %s", (option, value, address) => {
    const process = { pid: 1, name: "docker", command: ["docker", "run", option, value, "x"] } as unknown as Process;
    const unit = aUnit({ execStart: ["/usr/bin/docker run x"] });
    const [check] = checkContainer({ ...process, environment: { value: {} } }, unit);
    expect(check?.cure).toBe(`ExecStart=/usr/bin/sd-notify run --ready-tcp=${address} -- /usr/bin/docker run x`);
  });

  test("timeout(1) and the like keep nothing back", () => {
    expect(withoutChanger("timeout", worker, aUnit({}))).toBeUndefined();
  });

  test.each([
    [["/home -/run/systemd/"], "-/run/systemd/"],
    [["/run/systemd/notify"], "/run/systemd/notify"],
    [["/run/systemd", ""], undefined],
    [["/run/sys /run/systemd/notify2"], undefined],
  ] as const)("InaccessiblePaths= of %j", (values, path) => {
    const lines = values.map((value) => `InaccessiblePaths=${value}`).join("\n");
    expect(coverOf("/run/systemd/notify", aUnit({}, { files: [unitFile("/x", `[Service]\n${lines}\n`)] }))).toBe(
      path as string,
    );
  });
});
