import { describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { openReceiver } from "../src/receiver/receiver.ts";
import type { Check } from "../src/tools/doctor/facts.ts";
import { gatherProcess } from "../src/tools/doctor/process.ts";
import {
  BUN,
  COMMANDS,
  isRoot,
  missing,
  type Result,
  ROOT,
  run,
  temporaryDirectory,
  titled,
} from "./support/command.ts";

const command = [BUN, `${ROOT}src/cli/from-source.ts`, "doctor"];

interface Report {
  subject: string;
  checks: Check[];
  unit: string;
}

describe.each(COMMANDS)("the doctor's own surroundings, %s", (_, [program = "", ...args]) => {
  const look = async (env: Record<string, string>, prefix: string[] = []): Promise<Report & Result> => {
    const result = await run([...prefix, program, ...args, "doctor", "--json"], { env });
    return { ...result, ...JSON.parse(result.stdout || `{"checks": "${result.stderr}"}`) };
  };
  const of = ({ checks }: Report, name: string) => checks.find((check) => check.name === name);

  test("a receiver: a socket is connected, and nothing is sent", async () => {
    using directory = temporaryDirectory();
    using receiver = openReceiver({ address: join(directory.path, "notify") });
    const report = await look(receiver.env);
    expect(of(report, "connection")).toMatchObject({ result: "passed" });
    expect(of(report, "socket")).toMatchObject({ result: "passed" });
    expect(of(report, "ffi")).toMatchObject({ result: "passed" });
    expect(report).toMatchObject({ code: 0, stderr: "" });
    await run([program, ...args, "--ready"], { env: receiver.env });
    expect((await receiver.next()).text).toBe("READY=1");
    expect(receiver.history.length).toBe(1);
  });

  test("not supervised", async () => {
    const report = await look({});
    // In a container, that is the reason.
    expect(report.checks.filter(({ result }) => result === "failed")).toHaveLength(1);
    expect(report.code).toBe(1);
  });

  test.each([
    ["", "it is empty"],
    ["run/notify", "it must be /path, @name or vsock:CID:PORT"],
    ["/nonexistent/notify", "there is no such file"],
    ["/etc/passwd", "it is no socket"],
    ["@sd-notify-test-nobody", "nobody listens to this name"],
  ])("$NOTIFY_SOCKET=%s", async (NOTIFY_SOCKET, why) => {
    const report = await look({ NOTIFY_SOCKET });
    // PID 1 may be of another network namespace, which is said too.
    expect(of(report, "socket")).toMatchObject({ result: "failed", why: expect.stringContaining(why) });
    expect(report.code).toBe(1);
  });

  test("a stream socket", async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "stream");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const report = await look({ NOTIFY_SOCKET: path });
    server.close();
    expect(of(report, "socket")?.why).toStartWith("it is a stream socket");
    expect(of(report, "connection")?.why).toContain("it is not a datagram socket");
  });

  const cannot = isRoot ? missing("setpriv") : "not root";
  const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
  test.skipIf(Boolean(cannot))(titled("a socket that it may not write to", cannot), async () => {
    using directory = temporaryDirectory();
    const path = join(directory.path, "notify");
    using _receiver = openReceiver({ address: path });
    chmodSync(directory.path, 0o755);
    chmodSync(path, 0o600);
    // What nobody may not read, nobody can't run.
    if ((await run([...asNobody, program, ...args, "--version"])).code !== 0) return;
    const report = await look({ NOTIFY_SOCKET: path }, asNobody);
    expect(of(report, "socket")).toMatchObject({ result: "failed", why: "this user may not write to it" });
    expect(of(report, "connection")?.why).toContain("this user may not write to the socket");
  });

  test("without the JIT", async () => {
    using directory = temporaryDirectory();
    using receiver = openReceiver({ address: join(directory.path, "notify") });
    const report = await look({ ...receiver.env, BUN_JSC_useJIT: "0" });
    expect(of(report, "ffi")).toMatchObject({
      result: "failed",
      why: "bun:ffi needs the JIT",
      cure: expect.stringContaining("MemoryDenyWriteExecute=no"),
    });
    expect(of(report, "socket")).toMatchObject({ result: "passed" });
  });

  test("a watchdog of its caller's, and of another", async () => {
    expect(of(await look({ WATCHDOG_USEC: "1000000", WATCHDOG_PID: `${process.pid}` }), "watchdog")).toMatchObject({
      result: "passed",
    });
    expect(of(await look({ WATCHDOG_USEC: "1000000", WATCHDOG_PID: "1" }), "watchdog")).toMatchObject({
      result: "failed",
    });
    expect(of(await look({ WATCHDOG_USEC: "x" }), "watchdog")).toMatchObject({ result: "failed" });
  });

  test("behind a launcher, the caller is who called that", async () => {
    const script = `"$@"; exit`;
    const launcher = `const { spawnSync } = require("node:child_process");
      const env = { ...process.env, npm_lifecycle_event: "bunx" };
      spawnSync(process.argv[1], process.argv.slice(2), { env, stdio: "inherit" });`;
    const { stdout } = await run(["sh", "-c", script, "sh", BUN, "-e", launcher, program, ...args, "doctor", "--json"]);
    expect(of(JSON.parse(stdout), "caller")?.what).toMatch(
      /^the caller is process \d+ \(sh\), and process \d+ only its launcher$/,
    );
  });
});

test("checks are pure: what gathers facts is imported by main.ts alone", async () => {
  for (const file of [
    "checks",
    "unit-checks",
    "unit-state",
    "type-checks",
    "state-checks",
    "result-checks",
    "inactive-checks",
    "exit-status-checks",
    "exit-statuses",
    "commands",
    "load-checks",
    "timeouts",
    "said",
    "summary",
    "sender-checks",
    "process-checks",
    "self-checks",
    "journal",
    "minimal-unit",
  ]) {
    const text = await Bun.file(join(ROOT, `src/tools/doctor/${file}.ts`)).text();
    expect({
      file,
      impure: text.match(/from "(node:fs|.*\/ffi\/.*|\.\/(process|socket|systemctl|self|life|ask)\.ts)"/g),
    }).toEqual({ file, impure: null });
  }
});

test("docs/doctor.md has each check in its table", async () => {
  const files = [...new Bun.Glob("src/tools/doctor/*.ts").scanSync(ROOT)].filter((file) => !file.endsWith("main.ts"));
  const sources = await Promise.all(files.map((file) => Bun.file(join(ROOT, file)).text()));
  const names = new Set(
    sources
      .join()
      .match(/(?<=\bname(?:: | = ))"[a-z-]+"/g)
      ?.map((name) => JSON.parse(name)),
  );
  const page = await Bun.file(join(ROOT, "docs/doctor.md")).text();
  expect([...names].filter((name) => !page.includes(`\n| \`${name}\` `))).toEqual([]);
  expect(names.size).toBeGreaterThan(15);
});

describe("the command line", () => {
  test("--pid= of a process, and of none", async () => {
    using receiver = openReceiver();
    const sleep = Bun.spawn(["sleep", "60"], {
      env: { PATH: process.env.PATH ?? "", ...receiver.env, SECRET: "s3cr3t" },
    });
    const { code, stdout } = await run([...command, `--pid=${sleep.pid}`]);
    sleep.kill();
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`process ${sleep.pid} (sleep): nothing is wrong that can be seen\n`),
    });
    expect(stdout).not.toContain("s3cr3t");
    expect(stdout).not.toContain("\x1b");
    expect(stdout).toMatch(/^ExecStart=\/.*sleep 60$/m);
    const none = await run([...command, "--pid=2147483647"]);
    expect(none.code).toBe(1);
    expect(none.stdout).toContain("there is no process 2147483647");
  });

  test("without systemctl, a unit that was named can't be looked at, which is an error", async () => {
    const { code, stdout } = await run([...command, "x"], { env: { PATH: "/nowhere" } });
    expect({ code, stdout }).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^x: systemctl is not here\n\nFAILED {2}x: systemctl is not here\n/),
    });
  });

  test.each([
    [["a", "b"], "b is too much"],
    [["a", "--pid=1"], "not both"],
    [["--pid=x"], "--pid=x is no number from 1 on"],
    [["--nope"], "unknown option --nope"],
  ])("%p is a mistake", async (args, why) => {
    const { code, stdout, stderr } = await run([...command, ...args]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toStartWith("sd-notify: doctor: ");
    expect(stderr).toContain(why);
  });

  const cannot = isRoot ? missing("setpriv") : "not root";
  test.skipIf(Boolean(cannot))(titled("no right to read another's environment", cannot), async () => {
    const look = `const { gatherProcess } = await import(process.argv[1]);
      console.log(JSON.stringify(gatherProcess(${process.pid}).value.environment));`;
    const bun = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", BUN];
    if ((await run([...bun, "--version"])).code !== 0) return;
    const { stdout } = await run([...bun, "-e", look, `${ROOT}src/tools/doctor/process.ts`]);
    if (stdout === "") return;
    expect(JSON.parse(stdout)).toEqual({
      unknown: `no right to read the environment of process ${process.pid}: run this as root`,
    });
  });

  test("gatherProcess() keeps the variables of the protocol, and no others", () => {
    const fact = gatherProcess(process.pid);
    if ("unknown" in fact || "unknown" in fact.value.environment) throw new Error("it can't see itself");
    expect(fact.value).toMatchObject({ pid: process.pid, parent: process.ppid, isBun: true });
    expect(Object.keys(fact.value.environment.value)).not.toContain("PATH");
  });
});
