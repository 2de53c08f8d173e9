import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { monotonicUsec } from "../ffi/syscalls.ts";
import { openReceiver } from "../src/receiver/receiver.ts";
import { COMMANDS, missing, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { endAll, FOREVER, SOURCE, shell, start, untilGone } from "./support/run-command.ts";

afterEach(endAll);

describe.each(COMMANDS)("run of %s", (_, command) => {
  test("sends READY=1 when the URL answers 2xx, says why it does not yet, and ends as CMD does", async () => {
    using receiver = openReceiver();
    let status = 503;
    using server = Bun.serve({ port: 0, fetch: () => new Response("", { status }) });
    const url = `${server.url}health`;
    const child = start(receiver, [`--ready-http=${url}`, ...shell("trap 'exit 7' TERM")], { command });
    const { state } = await receiver.waitFor({ status: `waiting for ${url}: HTTP 503` });
    expect(state.extendTimeoutMs).toBe(10_000);
    expect(receiver.history.some(({ state }) => state.ready)).toBe(false);
    status = 204;
    expect((await receiver.waitFor({ ready: true })).state.status).toMatch(/^ready after [\d.]+ s$/);
    child.kill("SIGTERM");
    expect((await receiver.waitFor({ stopping: true })).state.status).toBe("stopping sh");
    expect(await child.exited).toBe(7);
    expect(receiver.history.every(({ pid }) => pid === child.pid)).toBe(true);
    expect(await child.stderr.text()).toBe("");
  });

  test("reloads on SIGHUP, which CMD gets, and pings the watchdog meanwhile", async () => {
    using receiver = openReceiver();
    const env = { WATCHDOG_USEC: "200000" };
    const child = start(receiver, shell("trap 'echo reloaded' HUP"), { command, env });
    expect(await child.line()).toBe("up");
    await receiver.waitFor({ ready: true });
    await receiver.waitFor({ watchdog: true });
    const before = monotonicUsec();
    child.kill("SIGHUP");
    const { text } = await receiver.waitFor({ reloading: true });
    const usec = Number(/^MONOTONIC_USEC=(\d+)$/m.exec(text)?.[1]);
    expect(usec).toBeGreaterThanOrEqual(before);
    expect(await child.line()).toBe("reloaded");
    expect((await receiver.waitFor({ ready: true })).state.status).toMatch(/^reloaded in [\d.]+ s$/);
    await receiver.waitFor({ watchdog: true });
  });

  test("is killed by the signal that kills CMD", async () => {
    for (const signal of ["KILL", "TERM", "SEGV", "ABRT", "USR1"]) {
      const result = await run([...command, "run", "--", "sh", "-c", `kill -${signal} $$`]);
      expect(result).toMatchObject({ signal: `SIG${signal}`, stdout: "", stderr: "" });
    }
  });

  test("has the exit status 203 where CMD can't be executed, and READY=1 is not sent", async () => {
    using receiver = openReceiver();
    const child = start(receiver, ["--", "nosuch-program", "größe"], { command });
    expect(await child.stderr.text()).toBe("sd-notify: execve nosuch-program: No such file or directory\n");
    expect(await child.exited).toBe(203);
    expect(receiver.history.map(({ text }) => text)).toEqual([]);
  });

  test("tells CMD nothing of the manager, unless it shares that", async () => {
    using receiver = openReceiver();
    const env = { WATCHDOG_USEC: "1000000", X: "1" };
    const names = "NOTIFY_SOCKET|WATCHDOG_|LISTEN_|SD_NOTIFY|^X=";
    const look = ["--", "sh", "-c", `env | grep -E '${names}' | sed "s/=$$$/=own/" | sort`];
    const alone = start(receiver, look, { command, env });
    expect(await alone.stdout.text()).toBe("X=1\n");
    const shared = start(receiver, ["--share", ...look], { command, env });
    const expected = `NOTIFY_SOCKET=${receiver.address}\nWATCHDOG_PID=own\nWATCHDOG_USEC=1000000\nX=1\n`;
    expect(await shared.stdout.text()).toBe(expected);
  });

  test("passes on the file descriptors that it was passed, with their names", async () => {
    using directory = temporaryDirectory();
    const files = ["one", "two"].map((name) => join(directory.path, name));
    for (const file of files) writeFileSync(file, file);
    const fds = files.map((file) => openSync(file, "r"));
    const look = 'echo "$LISTEN_FDS $LISTEN_FDNAMES $((LISTEN_PID - $$))"; cat <&3; cat <&4; ls /proc/$$/fd; true';
    const child = Bun.spawn(["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", ...command, "run", "--", "sh", "-c", look], {
      env: { PATH: process.env.PATH ?? "", LISTEN_FDS: "2", LISTEN_FDNAMES: "first:second" },
      stdio: ["ignore", "pipe", "inherit", ...fds] as never,
    });
    for (const fd of fds) closeSync(fd);
    const output = await new Response(child.stdout as unknown as ReadableStream).text();
    expect(output).toBe(`2 first:second 0\n${files.join("")}0\n1\n2\n3\n4\n`);
  });

  test("leaves neither CMD nor a probe behind when it is killed", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const file = join(directory.path, "pid");
    const probe = `echo $$ >${file}.new; mv ${file}.new ${file}; exec sleep 1000`;
    const child = start(receiver, [`--ready-exec=${probe}`, "--", "sh", "-c", "echo $$; exec sleep 1000"], { command });
    const pid = Number(await child.line());
    while (!existsSync(file)) await Bun.sleep(2);
    child.kill("SIGKILL");
    await untilGone(pid);
    await untilGone(Number(readFileSync(file, "utf8")));
  });

  test("passes output on byte for byte, and finds a line in it", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const file = join(directory.path, "data");
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    writeFileSync(file, Buffer.concat(new Array(16).fill(bytes)));
    const program = `cat ${file}; printf '\\nnow it list'; printf 'ens\\n'; cat ${file} >&2`;
    const child = start(receiver, ["--ready-log=^now it listens$", "--", "sh", "-c", program], { command });
    const [out, err] = await Promise.all([child.stdout.bytes(), child.stderr.bytes()]);
    const data = readFileSync(file);
    expect(Buffer.from(out).equals(Buffer.concat([data, Buffer.from("\nnow it listens\n")]))).toBe(true);
    expect(Buffer.from(err).equals(data)).toBe(true);
    expect(await child.exited).toBe(0);
    await receiver.waitFor({ ready: true });
  });
});

describe("a probe", () => {
  test("--ready-tcp passes when a connection is taken", async () => {
    using receiver = openReceiver();
    using reserved = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = reserved;
    reserved.stop(true);
    start(receiver, [`--ready-tcp=127.0.0.1:${port}`, ...FOREVER]);
    await receiver.waitFor({ status: `waiting for 127.0.0.1:${port}: connection refused` });
    using _listener = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
    await receiver.waitFor({ ready: true });
  });

  test("--ready-unix passes when the socket listens, and not while nobody does", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const path = join(directory.path, "socket");
    start(receiver, [`--ready-unix=${path}`, ...FOREVER]);
    await receiver.waitFor({ status: `waiting for ${path}: no such file` });
    writeFileSync(path, "");
    await receiver.waitFor({ status: `waiting for ${path}: connection refused` });
    (await import("node:fs")).rmSync(path);
    using _listener = Bun.listen({ unix: path, socket: { data() {} } });
    await receiver.waitFor({ ready: true });
  });

  test("--ready-unix takes an abstract name, and a socket for datagrams", async () => {
    using receiver = openReceiver();
    start(receiver, [`--ready-unix=${receiver.address}`, ...FOREVER]);
    await receiver.waitFor({ ready: true });
  });

  test("--ready-file passes when the file is there", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const path = join(directory.path, "pid");
    start(receiver, [`--ready-file=${path}`, ...FOREVER]);
    await receiver.waitFor({ status: `waiting for ${path}: no such file` });
    writeFileSync(path, "");
    await receiver.waitFor({ ready: true });
  });

  test("--ready-log reads standard error too, sees through colours, and leaves /dev/stdout a file", async () => {
    using receiver = openReceiver();
    const program =
      "echo to a file >/dev/stdout; read -r go; printf '\\033[32mready\\033[0m in 5 ms\\r\\n' >&2; exec sleep 1000";
    const child = start(receiver, ["--ready-log=^ready in \\d+ ms$", "--", "sh", "-c", program], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    await receiver.waitFor({ status: "waiting for /^ready in \\d+ ms$/ in its output" });
    expect(await child.line()).toBe("to a file");
    (child.stdin as unknown as Bun.FileSink).end();
    await receiver.waitFor({ ready: true });
  });

  test("--ready-exec passes when the command succeeds, and tells its status and last line", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const path = join(directory.path, "go");
    const line = `test -e ${path} || { echo first; echo not yet >&2; exit 3; }`;
    start(receiver, [`--ready-exec=${line}`, ...FOREVER]);
    await receiver.waitFor({ status: `waiting for ${line}: exit status 3: not yet` });
    writeFileSync(path, "");
    await receiver.waitFor({ ready: true });
  });

  test("--ready-exec is ended with all that it started", async () => {
    // A number of this run's own.
    const sleep = `sleep 1234.${process.pid}`;
    const probe = `${sleep} & echo $! >&2; wait`;
    const result = await run([...SOURCE, "run", `--ready-exec=${probe}`, "--timeout=500ms", ...FOREVER]);
    expect(result).toMatchObject({ code: 1, stdout: "" });
    const { stdout } = await run(["ps", "-eo", "args"]);
    expect(stdout.split("\n").filter((line) => line === sleep)).toEqual([]);
  });

  test("--ready-after passes when the time is over", async () => {
    using receiver = openReceiver();
    start(receiver, ["--ready-after=300ms", ...FOREVER]);
    await receiver.waitFor({ status: "waiting for 0.3 s" });
    const { state } = await receiver.waitFor({ ready: true });
    expect(Number(/[\d.]+/.exec(state.status ?? "")?.[0])).toBeGreaterThanOrEqual(0.3);
  });

  test("--ready-http asks a server on a Unix socket, and no proxy", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const path = join(directory.path, "socket");
    using server = Bun.serve({
      unix: path,
      fetch: ({ url }) => new Response("", { status: url.endsWith("/up") ? 200 : 404 }),
    });
    using tcp = Bun.serve({ port: 0, fetch: () => new Response() });
    const probes = [`--ready-http=http://unix:${path}:/up`, `--ready-http=${tcp.url}`];
    const env = { http_proxy: "http://127.0.0.1:1", HTTP_PROXY: "http://127.0.0.1:1" };
    const child = start(receiver, [...probes, "--", "sh", "-c", "echo $http_proxy; exec sleep 1000"], { env });
    await receiver.waitFor({ ready: true });
    expect(await child.line()).toBe(env.http_proxy);
    expect(server.pendingRequests).toBe(0);
  });

  test.each([
    ["a redirection", () => Response.redirect("/elsewhere"), "HTTP 302"],
    ["no answer", () => new Promise<Response>(() => {}), "no answer in 5 s"],
  ])(
    "--ready-http does not pass on %s",
    async (_, fetch, why) => {
      using receiver = openReceiver();
      using server = Bun.serve({ port: 0, idleTimeout: 60, fetch });
      start(receiver, [`--ready-http=${server.url}`, ...FOREVER]);
      await receiver.waitFor({ status: `waiting for ${server.url}: ${why}` }, { timeoutMs: 8000 });
    },
    15_000,
  );

  test("has to pass, each of several", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const [one = "", two = ""] = ["one", "two"].map((name) => join(directory.path, name));
    const child = start(receiver, [`--ready-file=${one}`, `--ready-file=${two}`, "--ready-log=^up$", ...shell("")]);
    await receiver.waitFor({ status: `waiting for ${one} (and 1 more): no such file` });
    expect(await child.line()).toBe("up");
    writeFileSync(one, "");
    await receiver.waitFor({ status: `waiting for ${two}: no such file` });
    expect(receiver.history.some(({ state }) => state.ready)).toBe(false);
    writeFileSync(two, "");
    await receiver.waitFor({ ready: true });
  });
});

describe("the start", () => {
  test("needs no probe: the unit is ready when CMD is executed", async () => {
    using receiver = openReceiver();
    start(receiver, FOREVER);
    expect((await receiver.next()).text).toMatch(/^READY=1\nSTATUS=ready after [\d.]+ s$/);
  });

  test("of a program that has ended by then, was one too", async () => {
    using receiver = openReceiver();
    expect(await start(receiver, ["--", "true"]).exited).toBe(0);
    expect((await receiver.next()).state.ready).toBe(true);
  });

  test("asks for more time while it lasts", async () => {
    using receiver = openReceiver();
    start(receiver, ["--ready-file=/nosuch", ...FOREVER]);
    await receiver.waitFor({ status: "waiting for /nosuch: no such file" });
    expect((await receiver.next()).text).toBe("EXTEND_TIMEOUT_USEC=10000000");
  });

  test("that takes too long fails: CMD gets SIGTERM, and the error names the probe", async () => {
    using receiver = openReceiver();
    const child = start(receiver, [
      "--ready-file=/nosuch",
      "--timeout=300ms",
      ...shell("trap 'echo term; exit 0' TERM"),
    ]);
    const why = "/nosuch: no such file";
    await receiver.waitFor({ stopping: true, status: `not ready in 0.3 s: ${why}` });
    expect(await child.stdout.text()).toBe("up\nterm\n");
    expect(await child.exited).toBe(1);
    expect(await child.stderr.text()).toBe(`sd-notify: run: sh was not ready in 0.3 s: waiting for ${why}\n`);
  });

  test("that takes too long reaches CMD even if that is stopped", async () => {
    using receiver = openReceiver();
    const child = start(receiver, [
      "--ready-file=/nosuch",
      "--timeout=300ms",
      "--",
      "sh",
      "-c",
      "trap 'echo term; exit 0' TERM; kill -STOP $$; exit 5",
    ]);
    const startMs = performance.now();
    expect(await child.stdout.text()).toBe("term\n");
    expect(await child.exited).toBe(1);
    expect(performance.now() - startMs).toBeLessThan(8000);
  });

  test("that CMD does not survive ends with its status, and one line", async () => {
    using receiver = openReceiver();
    const child = start(receiver, ["--ready-file=/nosuch", "--", "sh", "-c", "sleep 0.1; exit 3"]);
    expect(await child.exited).toBe(3);
    const how = "sh ended with status 3";
    expect(await child.stderr.text()).toBe(
      `sd-notify: run: ${how} before it was ready, waiting for /nosuch: no such file\n`,
    );
    await receiver.waitFor({ status: how });
    expect(receiver.history.some(({ state }) => state.ready)).toBe(false);
  });

  test("can be stopped", async () => {
    using receiver = openReceiver();
    const child = start(receiver, ["--ready-file=/nosuch", ...shell("trap 'exit 0' TERM")]);
    expect(await child.line()).toBe("up");
    child.kill("SIGTERM");
    await receiver.waitFor({ stopping: true });
    expect(await child.exited).toBe(0);
    expect(await child.stderr.text()).toBe("");
  });

  test("works where nobody supervises it", async () => {
    const result = await run([...SOURCE, "run", "--ready-log=up", "--", "sh", "-c", "echo up; exit 4"]);
    expect(result).toMatchObject({ code: 4, stdout: "up\n" });
  });

  test("gives CMD the signals that are ignored, and the limit of open files", async () => {
    const look = ["sh", "-c", "grep SigIgn /proc/self/status; grep 'Max open files' /proc/self/limits"];
    for (const [name, command] of COMMANDS) {
      const caller = (...program: string[]) =>
        run(["sh", "-c", `trap '' PIPE USR1 HUP; ulimit -Sn 200; "$@"; exit $?`, "sh", ...program]);
      const [direct, through] = [await caller(...look), await caller(...command, "run", "--", ...look)];
      expect({ name, ...through, pid: 0 }).toEqual({ name, ...direct, pid: 0 });
    }
  });
});

describe("a signal", () => {
  test.each(["SIGINT", "SIGTERM", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGTSTP", "SIGWINCH"] as const)(
    "%s is passed on",
    async (signal) => {
      using receiver = openReceiver();
      const child = start(receiver, shell(`trap 'echo got; exit 0' ${signal.slice(3)}`));
      expect(await child.line()).toBe("up");
      await receiver.waitFor({ ready: true });
      child.kill(signal);
      expect(await child.line()).toBe("got");
      expect(await child.exited).toBe(0);
      const isStop = signal === "SIGINT" || signal === "SIGTERM";
      expect(receiver.history.some(({ state }) => state.stopping === true)).toBe(isStop);
    },
  );

  test("waits for CMD, which may take its time, and gets each further one", async () => {
    using receiver = openReceiver();
    const child = start(receiver, shell("trap 'echo got' TERM; trap 'exit 5' INT"));
    expect(await child.line()).toBe("up");
    for (let i = 0; i < 2; i++) {
      child.kill("SIGTERM");
      expect(await child.line()).toBe("got");
    }
    child.kill("SIGINT");
    expect(await child.exited).toBe(5);
    expect(receiver.history.filter(({ state }) => state.stopping)).toHaveLength(1);
  });

  test("before it is ready, SIGHUP is no reload, but CMD gets it", async () => {
    using receiver = openReceiver();
    const child = start(receiver, ["--ready-file=/nosuch", ...shell("trap 'echo got' HUP")]);
    expect(await child.line()).toBe("up");
    child.kill("SIGHUP");
    expect(await child.line()).toBe("got");
    expect(receiver.history.some(({ state }) => state.reloading)).toBe(false);
  });

  const noScript = missing("script");
  test.skipIf(Boolean(noScript))(titled("of the terminal reaches CMD once", noScript), async () => {
    const program = "trap 'echo got' INT; echo up; i=0; while [ $i -lt 20 ]; do sleep 0.05; i=$((i + 1)); done";
    const line = `${SOURCE.join(" ")} run -- sh -c "${program.replaceAll("$", "\\$")}"`;
    const child = Bun.spawn(["script", "-qec", line, "/dev/null"], { cwd: ROOT, stdin: "pipe", stdout: "pipe" });
    let output = "";
    for await (const chunk of child.stdout) {
      output += new TextDecoder().decode(chunk);
      if (output.endsWith("up\r\n")) {
        child.stdin.write("\x03");
        child.stdin.flush();
      }
    }
    expect(output.match(/got/g)).toHaveLength(1);
  });
});

describe("a reload", () => {
  test("is over when the probe passes again", async () => {
    using receiver = openReceiver();
    let status = 200;
    using server = Bun.serve({ port: 0, fetch: () => new Response("", { status }) });
    const child = start(receiver, [`--ready-http=${server.url}`, ...shell("trap 'echo got' HUP")]);
    await receiver.waitFor({ ready: true });
    status = 500;
    child.kill("SIGHUP");
    await receiver.waitFor({ reloading: true });
    await receiver.waitFor({ status: `waiting for ${server.url}: HTTP 500` });
    expect(receiver.history.filter(({ state }) => state.ready)).toHaveLength(1);
    status = 200;
    await receiver.waitFor({ ready: true });
  });

  test("waits for --reload-log, and not for --ready-log again", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const go = join(directory.path, "go");
    const on = `trap 'while ! test -e ${go}; do sleep 0.02; done; echo done' HUP`;
    const child = start(receiver, ["--ready-log=^up$", "--reload-log=^done$", ...shell(on)]);
    await receiver.waitFor({ ready: true });
    child.kill("SIGHUP");
    await receiver.waitFor({ status: "waiting for /^done$/ in its output" });
    writeFileSync(go, "");
    await receiver.waitFor({ ready: true });
    expect(receiver.history.filter(({ state }) => state.ready)).toHaveLength(2);
  });

  test("that takes too long leaves the unit as it is, and says so", async () => {
    using receiver = openReceiver();
    const child = start(receiver, ["--reload-log=never", "--timeout=300ms", ...shell("trap 'echo got' HUP")]);
    await receiver.waitFor({ ready: true });
    expect(await child.line()).toBe("up");
    child.kill("SIGHUP");
    expect((await receiver.waitFor({ ready: true })).state.status).toBe("not reloaded in 0.3 s: /never/ in its output");
  });
});

describe("the watchdog", () => {
  const env = { WATCHDOG_USEC: "400000" };

  test.each(["--healthy-http", "--ready-http"])("is pinged only while %s passes", async (option) => {
    using receiver = openReceiver();
    let status = 200;
    using server = Bun.serve({ port: 0, fetch: () => new Response("", { status }) });
    start(receiver, [`${option}=${server.url}`, ...FOREVER], { env });
    await receiver.waitFor({ watchdog: true });
    status = 503;
    await receiver.waitFor({ status: `unhealthy: ${server.url}: HTTP 503` });
    const { length } = receiver.history;
    await receiver.next({ timeoutMs: 600 }).then(
      ({ text }) => expect(text).toMatch(/^STATUS=unhealthy/),
      () => {},
    );
    expect(receiver.history.slice(length).some(({ state }) => state.watchdog)).toBe(false);
    status = 200;
    await receiver.waitFor({ status: "healthy again" });
    await receiver.waitFor({ watchdog: true });
  });

  test.each([
    ["tcp", (server: Bun.Server<undefined>) => `${server.hostname}:${server.port}`],
    ["exec", (server: Bun.Server<undefined>) => `exec 3<>/dev/null; test -n "${server.port}"`],
  ])("is pinged while --healthy-%s passes", async (kind, value) => {
    using receiver = openReceiver();
    using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
    start(receiver, [`--healthy-${kind}=${value(server)}`, ...FOREVER], { env });
    await receiver.waitFor({ watchdog: true });
    await receiver.waitFor({ watchdog: true });
  });

  test("of another process is left alone", async () => {
    using receiver = openReceiver();
    const child = start(receiver, shell("trap 'exit 0' TERM"), { env: { ...env, WATCHDOG_PID: "1" } });
    await receiver.waitFor({ ready: true });
    await expect(receiver.waitFor({ watchdog: true }, { timeoutMs: 500 })).rejects.toThrow("no message");
    child.kill("SIGTERM");
    await child.exited;
  });

  test("ends it by SIGABRT, which CMD gets, and which is waited for", async () => {
    using receiver = openReceiver();
    const child = start(receiver, shell("trap 'echo got; sleep 0.1; trap - ABRT; kill -ABRT $$' ABRT"), { env });
    expect(await child.line()).toBe("up");
    await receiver.waitFor({ watchdog: true });
    child.kill("SIGABRT");
    expect(await child.line()).toBe("got");
    await child.exited;
    expect(child.signalCode).toBe("SIGABRT");
    expect(await child.stderr.text()).toBe("");
  });

  test("is not pinged any more when the unit stops", async () => {
    using receiver = openReceiver();
    const child = start(receiver, shell("trap 'echo got' TERM; trap 'exit 0' INT"), { env });
    await receiver.waitFor({ watchdog: true }, { timeoutMs: 15_000 });
    child.kill("SIGTERM");
    await receiver.waitFor({ stopping: true }, { timeoutMs: 15_000 });
    await expect(receiver.waitFor({ watchdog: true }, { timeoutMs: 500 })).rejects.toThrow("no message");
  });
});

describe("output", () => {
  test("goes on when nobody reads it any more", async () => {
    using receiver = openReceiver();
    using directory = temporaryDirectory();
    const file = join(directory.path, "end");
    const program = `i=0; while [ $i -lt 2000 ]; do echo "line $i of many"; i=$((i + 1)); done; echo ready; echo $? >${file}; exit 6`;
    const child = start(receiver, ["--ready-log=^ready$", "--", "sh", "-c", program]);
    await child.stdout.cancel().catch(() => {});
    await receiver.waitFor({ ready: true });
    expect(await child.exited).toBe(6);
    expect(readFileSync(file, "utf8")).toBe("0\n");
  });

  test("stays in its order where standard output and standard error are one", async () => {
    const program = "i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i + 1)); echo $i >&2; i=$((i + 1)); done";
    const { stdout } = await run([
      "sh",
      "-c",
      '"$@" 2>&1',
      "sh",
      ...SOURCE,
      "run",
      "--ready-log=x",
      "--",
      "sh",
      "-c",
      program,
    ]);
    const lines = stdout.split("\n").filter((line) => /^\d+$/.test(line));
    expect(lines).toEqual(Array.from({ length: 1000 }, (_, i) => `${i}`));
  });

  test("that a process left behind holds open does not keep it", async () => {
    const started = performance.now();
    const child = start(undefined, ["--ready-log=up", "--", "sh", "-c", "sleep 5 & echo up; exit 0"]);
    expect(await child.exited).toBe(0);
    expect(performance.now() - started).toBeLessThan(4000);
    expect(await child.line()).toBe("up");
  });
});

describe("usage", () => {
  test.each([
    [[], "nothing to start: give a command after --, as in sd-notify run -- bun server.ts"],
    [["--"], "nothing to start: give a command after --, as in sd-notify run -- bun server.ts"],
    [["true"], "true is no option: give the command after --"],
    [["--nosuch", "--", "true"], "unknown option --nosuch: see sd-notify run --help"],
    [["--ready-http=localhost", "--", "true"], "--ready-http=localhost: it is no URL such as http://localhost:3000/"],
    [["--ready-tcp=host", "--", "true"], "--ready-tcp=host: it is no HOST:PORT such as localhost:5432"],
    [["--ready-tcp=host:0", "--", "true"], "--ready-tcp=host:0: it is no HOST:PORT such as localhost:5432"],
    [["--ready-log=(", "--", "true"], "--ready-log=(: missing )"],
    [["--ready-file=", "--", "true"], "--ready-file=: it is empty"],
    [
      ["--ready-after=soon", "--", "true"],
      "--ready-after=soon is no time: give seconds, or a number with ms, s, min or h",
    ],
    [["--timeout=x", "--", "true"], "--timeout=x is no time: give seconds, or a number with ms, s, min or h"],
    [["--healthy-tcp=:", "--", "true"], "--healthy-tcp=:: it is no HOST:PORT such as localhost:5432"],
  ])("refuses %j before anything is started", async (args, why) => {
    const result = await run([...SOURCE, "run", ...args]);
    expect(result).toMatchObject({ code: 1, stdout: "", stderr: `sd-notify: run: ${why}\n` });
  });

  test("an environment that can't be read is an error before anything is started", async () => {
    for (const env of [{ NOTIFY_SOCKET: "nonsense" }, { WATCHDOG_USEC: "x" }] as Record<string, string>[]) {
      const result = await run([...SOURCE, "run", "--", "echo", "started"], { env });
      expect(result).toMatchObject({ code: 1, stdout: "" });
      expect(result.stderr).toMatch(/^sd-notify: run: cannot use .*\n$/);
    }
  });

  test("the help names the options", async () => {
    const { code, stdout } = await run([...SOURCE, "run", "--help"]);
    expect(code).toBe(0);
    for (const option of ["--ready-http", "--ready-log", "--healthy-exec", "--timeout", "--share"])
      expect(stdout).toContain(option);
  });
});
