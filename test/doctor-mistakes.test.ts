import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkUnsetVariables } from "../src/tools/doctor/environment-checks.ts";
import { SYSTEMD_STATUSES } from "../src/tools/doctor/exit-statuses.ts";
import type { Unit } from "../src/tools/doctor/facts.ts";
import { explainStep } from "../src/tools/doctor/failed-step.ts";
import { inTheWay } from "../src/tools/doctor/hidden.ts";
import { checkInactive } from "../src/tools/doctor/inactive-checks.ts";
import { lookAtProgram } from "../src/tools/doctor/program-file.ts";
import { cureOfWords, tellingLine } from "../src/tools/doctor/program-words.ts";
import { checkReadyCommands, checkShellSyntax } from "../src/tools/doctor/shell-checks.ts";
import { shellSyntax } from "../src/tools/doctor/shell-syntax.ts";
import { parseUnitFile } from "../src/tools/doctor/unit-file.ts";
import { temporaryDirectory } from "./support/command.ts";

/** Apart from what is below them, so that no test names a path of one machine. */
const HOME = "/home";
const ROOT = "/root";

/** A unit of which only its file counts, and what a test says of it. */
function aUnit(text: string, facts: Partial<Unit> = {}): Unit {
  const files = [{ path: "/x", assignments: parseUnitFile(`[Service]\n${text}\n`) }];
  const unit: Partial<Unit> = {
    loadState: "loaded",
    activeState: "activating",
    result: "success",
    type: "notify",
    user: "",
    dynamicUser: false,
    configuration: { files, needsReload: false, complaints: [], unset: [], environmentFiles: [] },
    life: { settings: {} } as Unit["life"],
    ...facts,
  };
  return unit as Unit;
}

describe("what only a shell understands", () => {
  test.each([
    ["A=b /bin/x", "notify", "A=b", ["Environment=A=b", "ExecStart=/bin/x"]],
    ["A='b c' D=e -x y", "notify", "A='b c'", ["Environment=A='b c'", "Environment=D=e", "ExecStart=-x y"]],
    ["-exec /bin/x 'a b'", "notify", "exec", ["ExecStart=-/bin/x 'a b'"]],
    ["cd /srv && /bin/x", "notify", "cd", ["WorkingDirectory=/srv", "ExecStart=/bin/x"]],
    ["cd srv && /bin/x", "notify", "cd", ["ExecStart=/bin/sh -c 'cd srv && exec /bin/x'"]],
    ["cd /srv", "notify", "cd", undefined],
    ["/bin/x > /a 2>&1", "notify", ">", ["StandardOutput=truncate:/a", "ExecStart=/bin/x"]],
    [
      "/bin/x >>/a 2>/dev/null </b &",
      "forking",
      ">>/a",
      ["Type=exec", "StandardOutput=append:/a", "StandardError=null", "StandardInput=file:/b", "ExecStart=/bin/x"],
    ],
    ["/bin/x >a", "notify", ">a", ["ExecStart=/bin/sh -c 'exec /bin/x >a'"]],
    ["/bin/x >", "notify", ">", undefined],
    ["/bin/x &", "notify", "&", ["ExecStart=/bin/x"]],
    ["/bin/x && /bin/y", "notify", "&&", ["ExecStart=/bin/sh -c '/bin/x && exec /bin/y'"]],
    ["/bin/x || /bin/y", "exec", "||", ["ExecStart=/bin/sh -c '/bin/x || /bin/y'"]],
    ["/bin/x | /bin/y", "notify", "|", ["NotifyAccess=all", "ExecStart=/bin/sh -c '/bin/x | /bin/y'"]],
    ["/bin/x 'a' && /bin/y", "notify", "&&", undefined],
    ["/bin/x $(date)", "notify", "$(date)", ["ExecStart=/bin/sh -c 'exec /bin/x $(date)'"]],
    ["/bin/bash -c a && b", "notify", "&&", ["ExecStart=/bin/bash -c 'a && exec b'"]],
  ] as const)("%s, of Type=%s", (line, type, word, instead) => {
    const found = shellSyntax("ExecStart", line, type);
    expect(found?.word).toBe(word);
    expect(found?.instead).toEqual(instead as unknown as string[]);
  });

  test.each([
    "/bin/sh -c 'cd / && x > /dev/null'",
    '/bin/sh -c "a | b"',
    "/bin/x '>' \\> \"&&\" >=1.0 <html> -> a=b --url=http://x/?a&b",
    "/bin/a ; /bin/b",
    "/bin/x $A $B",
    "",
    "-",
  ])("is not %s", (line) => {
    expect(shellSyntax("ExecStart", line, "notify")).toBeUndefined();
  });

  test("is a failure of a unit in trouble, and a note of one that runs", () => {
    const unit = aUnit("ExecStart=/bin/x > /log");
    expect(checkShellSyntax(unit)).toMatchObject([
      {
        name: "shell",
        result: "failed",
        what: "ExecStart=/bin/x > /log, line 2 of /x",
        cure: "StandardOutput=truncate:/log and ExecStart=/bin/x",
      },
    ]);
    expect(checkShellSyntax({ ...unit, activeState: "active" })[0]?.result).toBe("note");
    expect(checkShellSyntax(aUnit("ExecStart=/bin/x > /log\nExecStart=\nExecStart=/bin/x\nExecPaths=a > b"))).toEqual(
      [],
    );
  });
});

test("the cure of a command that can't be executed names its setting", () => {
  const program = { path: "/none", found: "nothing", executable: false } as const;
  const life = { settings: {}, missingPaths: [], program } as unknown as Unit["life"];
  const row = SYSTEMD_STATUSES[203];
  if (!row) throw new Error("203 is EXEC");
  const of = (path: string, setting?: string) =>
    explainStep(row, ["No such file"], aUnit("", { life: { ...life, program: { ...program, path } } }), setting).cure;
  expect(of("/none")).toBe("ExecStart= with the path of a program that is there, or install /none");
  expect(of("/none", "ExecStartPre")).toStartWith("ExecStartPre= with the path of");
  expect(of("/bin/a b", "ExecStop")).toBe("ExecStop=/bin/a b");
  expect(of("cd", "ExecStop")).not.toContain("install");
});

test("READY=1 from a command that runs too early or too late", () => {
  const of = (line: string, facts?: Partial<Unit>) => checkReadyCommands(aUnit(line, facts));
  expect(of("ExecStartPost=/usr/bin/systemd-notify --ready")[0]?.why).toContain("run only when READY=1 has come");
  expect(of("ExecStartPre=/usr/bin/sd-notify READY=1")[0]?.why).toContain("before the program");
  expect(of("ExecStart=/usr/bin/sd-notify --ready")).toEqual([]);
  expect(of("ExecStartPost=/usr/bin/sd-notify --status=x")).toEqual([]);
  expect(of("ExecStartPost=/usr/bin/sd-notify run --ready-tcp=80 -- x")).toEqual([]);
  expect(of("ExecStartPost=/usr/bin/sd-notify --ready", { activeState: "active" })).toEqual([]);
  expect(of("ExecStartPost=/usr/bin/sd-notify --ready", { type: "exec" })).toEqual([]);
});

test("a variable that a command names, and nobody sets", () => {
  const text = "x.service: Referenced but unset environment variable evaluates to an empty string: PORT, A_1";
  const of = (ofSystemd: boolean, invocation = "b") => {
    const said = { value: [{ text: "Starting x", invocation: "b", usec: 1 }] };
    const output = { value: [{ text, pid: 1, invocation, usec: 2, ofSystemd }] };
    return checkUnsetVariables(aUnit("", { life: { said, output } as unknown as Unit["life"] }));
  };
  expect(of(true).map(({ what, result }) => [what, result])).toEqual([
    ["$PORT in a command of the unit", "note"],
    ["$A_1 in a command of the unit", "note"],
  ]);
  // A program may write such a line too, and an earlier start was another matter.
  expect(of(false)).toEqual([]);
  expect(of(true, "a")).toEqual([]);
});

test("a service that a signal has ended", () => {
  const of = (...texts: string[]) => {
    const said = { value: texts.map((text, i) => ({ text, invocation: "b", usec: i * 1000 })) };
    const life = {
      said,
      output: { value: [] },
      settings: {},
      commands: [],
      triggeredBy: [],
      conditions: [],
      needs: [],
    };
    const facts = { id: "x", activeState: "inactive", life } as unknown as Partial<Unit>;
    return checkInactive(aUnit("", facts))[0];
  };
  const [began, reloading, ended] = ["Started x.", "Reloading x...", "x: Deactivated successfully."];
  const killed = (name: string) => `x: Main process exited, code=killed, status=1/${name} (success)`;
  expect(of(began, reloading, killed("HUP"), ended)).toMatchObject({
    result: "failed",
    cure: expect.stringMatching(/^a handler for SIGHUP/),
  });
  expect(of(began, reloading, ended)?.why).toStartWith("it ended 1 ms after a reload: a signal of ExecReload=");
  expect(of(began, reloading, killed("TERM"), ended)?.result).toBe("note");
  expect(of(began, killed("HUP"), ended)?.why).toBe(
    "it was ended by SIGHUP after 2 ms, which systemd takes for success",
  );
  expect(of(began, ended)?.why).toStartWith("it ended by itself after 1 ms, with status 0");
});

describe("a path that is there, and not for the service", () => {
  const found = { found: "file", executable: true } as const;
  const look = (text: string, path: string, facts: Partial<Unit> = {}, closed?: string, wrote = "Permission denied") =>
    inTheWay(
      "EXEC",
      wrote,
      aUnit(text, { ...facts, life: { settings: {}, program: { path, ...found, closed } } as unknown as Unit["life"] }),
    );

  test.each([
    ["ProtectHome=yes", `${ROOT}/x`, "ProtectHome=read-only, or ProtectHome=no, if it writes there"],
    ["ProtectHome=tmpfs", `${HOME}/a/x`, "ProtectHome=read-only, or ProtectHome=no, if it writes there"],
    ["PrivateTmp=true", "/tmp/x", "BindReadOnlyPaths=/tmp/x, or PrivateTmp=no"],
    ["PrivateTmp=disconnected", "/var/tmp/x", "BindReadOnlyPaths=/var/tmp/x, or PrivateTmp=no"],
    ["InaccessiblePaths=-/opt", "/opt/x", "InaccessiblePaths= without -/opt"],
    ["NoExecPaths=/\nExecPaths=/usr", "/opt/x", "ExecPaths=/opt/x, and what else it executes or maps"],
  ])("%s: %s", (text, path, cure) => {
    expect(look(text, path)?.cure).toBe(cure);
  });

  test.each([
    ["ProtectHome=read-only", `${ROOT}/x`],
    ["ProtectHome=yes\nProtectHome=no", `${ROOT}/x`],
    ["ProtectHome=yes\nPrivateTmp=yes", "/homes/tmp/x"],
    ["NoExecPaths=/\nExecPaths=/opt", "/opt/x"],
    ["NoExecPaths=/opt\nNoExecPaths=", "/opt/x"],
  ])("not %s: %s", (text, path) => {
    expect(look(text, path)).toBeUndefined();
  });

  test("counts only if systemd did not find it, or was not let in", () => {
    expect(look("ProtectHome=yes", `${ROOT}/x`, {}, undefined, "Exec format error")).toBeUndefined();
    expect(look("", `${ROOT}/x`, {}, "/root")).toBeUndefined();
    expect(look("", `${ROOT}/x`, { user: "www" }, "/root")?.why).toBe(
      "not everybody may enter /root, and User=www has to",
    );
    expect(look("", "/tmp/x", { dynamicUser: true })?.cure).toBe("BindReadOnlyPaths=/tmp/x");
  });

  test("because a directory above the program, or above its interpreter, is closed", () => {
    using directory = temporaryDirectory();
    const root = realpathSync(directory.path);
    chmodSync(root, 0o755);
    const closed = join(root, "closed");
    mkdirSync(closed, { mode: 0o700 });
    writeFileSync(join(closed, "bun"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(root, "script"), `#!${closed}/bun\n`, { mode: 0o755 });
    writeFileSync(join(root, "open"), "#!/none/none/sh\n", { mode: 0o755 });
    symlinkSync(join(closed, "bun"), join(root, "link"));
    const look = (name: string) => lookAtProgram({ path: join(root, name) } as Parameters<typeof lookAtProgram>[0]);
    for (const name of ["closed/bun", "script", "link"]) expect(look(name)?.closed).toBe(closed);
    // What is above the temporary directory is not the test's.
    expect(look("open")).toMatchObject({ found: "file", interpreterFound: false });
    expect(look("open")?.closed).not.toBe(closed);
  });
});

describe("what a program wrote last", () => {
  const URL = " https://bun.report/1.4.5/x";
  const bun = (...lines: string[]) => [...lines, "", "Bun v1.4.5 (Linux x64)"];

  test.each([
    [bun("listening", "1 | throw x", "    ^", "error: boom", "      at /x.ts:1:1"), "error: boom"],
    [
      bun(
        "1 | f()",
        "    ^",
        "ENOENT: no such file, open '/x'",
        '    path: "/x",',
        '    code: "ENOENT"',
        "",
        "   at x",
      ),
      "ENOENT: no such file, open '/x'",
    ],
    [bun('error: Module not found "x.ts"'), 'error: Module not found "x.ts"'],
    [bun("error", "{", "  a: 1,", "}"), "error"],
    [["/x.js:1", "throw x", "^", "Error: boom", "    at x", "Node.js v22.1.0"], "Error: boom"],
    [[...bun("error: first"), ...bun("error: second", "  at x")], "error: second"],
    [bun("1 | x", "  ^", "error: inner", "  at x", "", "1 | y", "   ^", "error: outer", "  at y"), "error: outer"],
    [["Traceback", "  x", "ValueError: x"], "ValueError: x"],
    [["ready", "=".repeat(60), "Bun v1.4.5 (a) Linux x64", "panic(main thread): abort() called", URL], "ready"],
    [["=".repeat(60), "Bun v1.4.5 (a) Linux x64", "panic(main thread): abort() called", URL], undefined],
    [["ready", "=".repeat(60), "panic: Segmentation fault at 0x0", "oh no", URL], "panic: Segmentation fault at 0x0"],
    [[URL], URL],
    [["Bun v1.4.5 (Linux x64)"], "Bun v1.4.5 (Linux x64)"],
    [["", " "], undefined],
    [[], undefined],
  ])("%j", (lines, told) => {
    expect(tellingLine(lines)).toBe(told as string);
  });

  test.each([
    ["error: permission denied 0.0.0.0:80", "User=www", /^AmbientCapabilities=CAP_NET_BIND_SERVICE;/],
    ["Error: listen EACCES: permission denied 0.0.0.0:80", "DynamicUser=yes", /^AmbientCapabilities=/],
    ["error: permission denied 0.0.0.0:8080", "User=www", undefined],
    ["error: permission denied 0.0.0.0:80", "", undefined],
    ["error: Failed to start server. Is port 3000 in use?", "", /ss -ltnp "sport = :3000"/],
    ["Error: listen EADDRINUSE: address already in use :::3000", "", /ss -ltnp "sport = :3000"/],
    ["EROFS: read-only file system, open '/srv/data/x'", "", /^ReadWritePaths=\/srv\/data$/],
    ["OSError: [Errno 30] Read-only file system: '/var/lib/app/x'", "", /^StateDirectory=app$/],
    ["EROFS: read-only file system, open '/etc/shadow'", "", undefined],
    ["EROFS: read-only file system, open '/x'", "", undefined],
    ["EACCES: permission denied, open '/srv/a:80'", "User=www", undefined],
    ["EACCES: permission denied, open '/run/app/x.sock'", "", /^RuntimeDirectory=app$/],
    ["ENOENT: no such file or directory, open '/etc/app/x'", "", undefined],
    ['error: Module not found "server.ts"', "", /^WorkingDirectory= with the directory of server\.ts/],
    ['error: Module not found "server.ts"', "WorkingDirectory=/srv", undefined],
    [`error: Module not found "${HOME}/me/server.ts"`, "ProtectHome=yes", /^ProtectHome=read-only/],
    ['error: Module not found "/srv/server.ts"', "", undefined],
    ["error: boom", "", undefined],
  ])("%s, with %s", (line, text, cure) => {
    const user = /^User=(.*)/.exec(text)?.[1] ?? "";
    const found = cureOfWords(line, aUnit(text, { user, dynamicUser: text === "DynamicUser=yes" }));
    if (cure === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(cure);
  });
});
