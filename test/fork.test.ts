import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pipe } from "../ffi/syscalls.ts";
import { BUN, COMMANDS, ROOT, run, runModule, temporaryDirectory } from "./support/command.ts";
import { within } from "./support/receiver.ts";

/** A program that does what its source says, with the library. */
const program = (source: string) => [BUN, "-e", `import { barrier, notify } from "${ROOT}src/index.ts";\n${source}`];

const alive = (pid: number) => {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
};

describe.each(COMMANDS)("--fork of %s", (_, command) => {
  /** Starts the command; `pid` is what it prints. */
  function start(args: string[], env: Record<string, string> = {}) {
    const child = Bun.spawn([...command, ...args], {
      env: { PATH: process.env.PATH ?? "", ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const reader = child.stdout.getReader();
    const pid = within(10_000, reader.read(), () => "no pid within 10 seconds").then(({ value }) =>
      Number(Buffer.from(value ?? []).toString()),
    );
    return { child, pid };
  }

  test("prints the pid at once, and ends when the program is ready, which goes on", async () => {
    const { child, pid } = start([
      "--fork",
      "--",
      ...program("await Bun.sleep(300); notify({ ready: true }); await Bun.sleep(60_000)"),
    ]);
    const printed = await pid;
    expect(child.exitCode).toBeNull();
    expect(await child.exited).toBe(0);
    expect(alive(printed)).toBe(true);
    process.kill(printed, "SIGKILL");
    expect(await child.stderr.text()).toBe("");
  });

  test("prints nothing with -q", async () => {
    expect(await run([...command, "--fork", "-q", "--", "true"])).toMatchObject({ code: 0, stdout: "", stderr: "" });
  });

  test("waits for the program where nobody reads the pid, or what it says of that", async () => {
    const [readEnd, writeEnd] = pipe();
    closeSync(readEnd);
    const source = "await Bun.sleep(200); notify({ ready: true })";
    const child = Bun.spawn([...command, "--fork", "--", ...program(source)], {
      env: { PATH: process.env.PATH ?? "" },
      stdio: ["ignore", writeEnd, writeEnd],
    });
    closeSync(writeEnd);
    expect(await child.exited).toBe(0);
    expect(child.signalCode).toBeNull();
  });

  test("takes READY=1 for a whole line only, wherever it stands", async () => {
    const send = (text: string) =>
      `import("${ROOT}src/index.ts").then(({ notifyRaw }) => notifyRaw(${JSON.stringify(text)}))`;
    for (const [text, code] of [
      ["STATUS=x\nREADY=1\nA=1", 0],
      ["READY=1\n", 0],
      ["A=1\rREADY=1", 0],
      ["STATUS=x\\\nREADY=1", 5],
      ["READY=10", 5],
      ["NOTREADY=1", 5],
      ["STATUS=READY=1", 5],
    ] as const) {
      const source = `await ${send(text)}; process.exit(5)`;
      expect((await run([...command, "--fork", "--", BUN, "-e", source])).code).toBe(code);
    }
  });

  test("counts what the program sent before it ended", async () => {
    for (let i = 0; i < 5; i++) {
      expect(
        (await run([...command, "--fork", "--", ...program("notify({ ready: true }); process.exit(3)")])).code,
      ).toBe(0);
    }
  });

  test("answers a barrier, and reads on", async () => {
    const source = `notify({ status: "x" }); await barrier({ timeoutMs: 3000 }); notify({ ready: true }); await barrier({ timeoutMs: 100 }).catch(() => {})`;
    const { code, stderr } = await run([...command, "--fork", "--", ...program(source)]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  test("ignores what another process says, and tells of it", async () => {
    const grandchild = program("notify({ ready: true })")
      .map((arg) => JSON.stringify(arg))
      .join(", ");
    const source = `Bun.spawnSync([${grandchild}], { stdio: ["ignore", "ignore", "ignore"], env: process.env }); process.exit(4)`;
    const { code, stderr } = await run([...command, "--fork", "--", BUN, "-e", source]);
    expect(code).toBe(4);
    expect(stderr).toMatch(
      /^sd-notify: process \d+ sent a message, ignoring it: it is not the program that was started\n$/,
    );
  });

  test("tells of many messages of others in two lines", async () => {
    const stranger = program(`for (let i = 0; i < 2000; i++) notify({ ready: true })`);
    const source = `Bun.spawnSync(${JSON.stringify(stranger)}, { stdio: ["ignore", "ignore", "inherit"] }); process.exit(4)`;
    const { code, stderr } = await run([...command, "--fork", "--", BUN, "-e", source]);
    expect(code).toBe(4);
    expect(stderr).toMatch(
      /^sd-notify: process \d+ sent a message, .*\nsd-notify: ignored 1999 more messages that are not from the program .*\n$/,
    );
  });

  /**
   * Runs a script while others send as much as they can, with fds, until nobody listens any more. When the
   * script says that it is armed, `armed` is called.
   */
  async function underFlood(script: string, armed: (child: Bun.Subprocess) => void = () => {}) {
    using directory = temporaryDirectory();
    const flood = program(`
      const { openSync, writeFileSync } = require("node:fs");
      const fds = Array.from({ length: 50 }, () => openSync("/dev/null"));
      for (let i = 0, end = Date.now() + 8000; Date.now() < end; i++) {
        try { notify({ ready: true, extra: { X: i } }, { fds }) } catch { break }
        if (i === 1000) writeFileSync(process.env.FIFO, "flooding\\n");
      }`);
    const fifo = join(directory.path, "fifo");
    await run(["mkfifo", fifo]);
    // The flood is not to hold the pipes of the test.
    const start = `"$@" </dev/null >/dev/null 2>&1 & read -r line <${fifo}; ${script}`;
    const child = Bun.spawn([...command, "--fork", "-q", "--", "sh", "-c", start, "sh", ...flood], {
      env: { PATH: process.env.PATH ?? "", FIFO: fifo },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      stderr += decoder.decode(chunk, { stream: true });
      if (/^armed$/m.test(stderr)) armed(child);
    }
    const lines = stderr.split("\n").filter((line) => line.startsWith("sd-notify: ")).length;
    return { code: await child.exited, lines };
  }

  test("notices the end of the program while others flood it", async () => {
    expect(await underFlood("exit 7")).toEqual({ code: 7, lines: 2 });
  });

  test("hears that the program is ready while others flood it", async () => {
    const ready = program("notify({ ready: true })").map((arg) => `'${arg}'`);
    expect(await underFlood(`exec ${ready.join(" ")}`)).toEqual({ code: 0, lines: 2 });
  });

  test("passes a signal on, and keeps no file of theirs, while others flood it", async () => {
    let fds = Number.NaN;
    const { code, lines } = await underFlood(
      "trap 'exit 9' TERM; echo armed >&2; while :; do sleep 0.01; done",
      (child) => {
        fds = readdirSync(`/proc/${child.pid}/fd`).length;
        child.kill("SIGTERM");
      },
    );
    expect({ code, lines }).toEqual({ code: 9, lines: 2 });
    expect(fds).toBeLessThan(20);
  });

  test.each<[string[], number, string]>([
    [["true"], 0, ""],
    [["sh", "-c", "exit 3"], 3, ""],
    [["sh", "-c", "exit 203"], 203, ""],
    [["sh", "-c", "exit 255"], 255, ""],
    [["sh", "-c", "kill -9 $$"], 1, "sd-notify: sh: killed by SIGKILL before it was ready\n"],
    [["nosuch-program"], 203, "sd-notify: execve nosuch-program: No such file or directory\n"],
    [["/etc/passwd"], 203, "sd-notify: execve /etc/passwd: Permission denied\n"],
    [["A=1"], 203, "sd-notify: execve A=1: No such file or directory\n"],
  ])("of %j exits with %d", async (args, code, complaint) => {
    const result = await run([...command, "--fork", "--", ...args]);
    expect(result).toMatchObject({ code, stderr: complaint });
    expect(result.stdout).toMatch(/^\d+\n$/);
  });

  test.each<[string[], string]>([
    [["--fork"], "--fork starts nothing: give a command after --"],
    [["--fork", "--"], "--fork starts nothing: give a command after --"],
    [["--fork", "--ready", "--", "true"], "--fork sends no message: call it without --ready"],
    [["--fork", "--pid", "--", "true"], "--fork sends no message: call it without --pid"],
    [["--fork", "--fd=0", "--", "true"], "--fork sends no message: call it without --fd"],
    [["--fork", "--booted", "--", "true"], "--booted sends no message: call it without true"],
    [["--fork", "sh", "-c", "exit 5"], "unknown option -c: see --help"],
  ])("refuses %j", async (args, why) => {
    expect(await run([...command, ...args])).toMatchObject({ code: 1, stdout: "", stderr: `sd-notify: ${why}\n` });
  });

  test("waits for the program also where the caller ignores SIGCHLD", async () => {
    const script = `exec perl -e '$SIG{CHLD} = "IGNORE"; exec @ARGV' "$@"`;
    const shell = Bun.which("perl") ? ["sh", "-c", script, "sh"] : [];
    expect(await run([...shell, ...command, "--fork", "-q", "--", "sh", "-c", "exit 3"])).toMatchObject({
      code: 3,
      stderr: "",
    });
  });

  test("takes a file without #! for a script of the shell, as execvp(3) does", async () => {
    using directory = temporaryDirectory();
    const path = `${directory.path}/script`;
    await Bun.write(path, "echo said >&2; exit 5\n");
    await run(["chmod", "+x", path]);
    expect(await run([...command, "--fork", "-q", "--", path])).toMatchObject({ code: 5, stderr: "said\n" });
  });

  test("waits for the program also where its pid can't be printed", async () => {
    const { code, stderr } = await run([
      "sh",
      "-c",
      `"$@" >/dev/full`,
      "sh",
      ...command,
      "--fork",
      "--",
      "sh",
      "-c",
      "exit 3",
    ]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^sd-notify: the pid \d+ can't be printed: .*\n$/);
  });

  test("gives the program the caller's environment, arguments, directory and fds, no blocked signal, and a socket of its own", async () => {
    const look = `
      exec >&2
      printf "[%s]" "$@"; echo
      pwd; while read -r line; do case $line in Sig[BI]*) echo "$line" ;; esac; done </proc/$$/status
      echo "$X $NOTIFY_SOCKET $SD_NOTIFY_SIGNALS_BLOCKED."
      readlink /proc/$$/fd/0 /proc/$$/fd/3 /proc/$$/fd/4
      ls /proc/$$/fd`;
    const script = `cd /; trap '' HUP; "$@"; exit $?`;
    const child = Bun.spawn(
      ["sh", "-c", script, "sh", ...command, "--fork", "--", "sh", "-c", look, "sh", "", "a b", "ü"],
      {
        env: { PATH: process.env.PATH ?? "", X: "1", NOTIFY_SOCKET: "/other" },
        stdio: ["pipe", "pipe", "pipe", openSync("/etc/passwd", "r"), openSync("/dev/null", "r")],
      },
    );
    const stderr = await (child.stderr as ReadableStream<Uint8Array>).text();
    const [args, cwd, blocked, ignored, environment, ...fds] = stderr.trimEnd().split("\n");
    expect([args, cwd]).toEqual(["[][a b][ü]", "/"]);
    expect(blocked).toBe("SigBlk:\t0000000000000000");
    expect(ignored).toBe("SigIgn:\t0000000000000001");
    expect(environment).toMatch(/^1 @sd-notify\/[0-9a-f-]{36} \.$/);
    expect(fds).toEqual(["/dev/null", "/etc/passwd", "/dev/null", "0", "1", "2", "3", "4"]);
  });

  test.each(["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGTSTP"] as const)(
    "passes %s on",
    async (signal) => {
      const source = `process.on("${signal}", () => process.exit(7)); console.error("armed"); await Bun.sleep(60_000)`;
      const { child, pid } = start(["--fork", "--", BUN, "-e", source]);
      await pid;
      await child.stderr.getReader().read();
      child.kill(signal);
      expect(await child.exited).toBe(7);
    },
  );

  test("leaves nothing of its own, whenever it is killed", async () => {
    const marker = `marker-${process.pid}-${Math.random()}`;
    for (let i = 0; i < 25; i++) {
      const child = Bun.spawn([...command, "--fork", "--", "sleep", "60"], {
        env: { PATH: process.env.PATH ?? "", MARKER: marker },
        stdio: ["ignore", "ignore", "ignore"],
      });
      await Bun.sleep(i);
      child.kill("SIGKILL");
      await child.exited;
    }
    // Whatever has the marker by now is the program, which is not ended with the command, as with systemd-notify(1).
    const { stdout } = await run(["sh", "-c", `grep -alsF ${marker} /proc/[0-9]*/environ`]);
    for (const path of stdout.split("\n").filter((line) => line !== "")) {
      const pid = Number(path.split("/")[2]);
      if (pid === process.pid || !alive(pid)) continue;
      expect(readFileSync(`/proc/${pid}/cmdline`, "latin1")).toBe("sleep\x0060\0");
      process.kill(pid, "SIGKILL");
    }
    expect(await Bun.file("/proc/net/unix").text()).not.toContain("@sd-notify/");
  }, 20_000);

  test("waits in one system call, and not in a loop", async () => {
    const { child, pid } = start(["--fork", "--", "sleep", "60"]);
    await pid;
    const switches = () =>
      Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]);
    await Bun.sleep(50);
    const before = switches();
    await Bun.sleep(300);
    expect(switches() - before).toBeLessThanOrEqual(2);
    child.kill("SIGTERM");
    await child.exited;
  });
});

test("the private socket is gone with the command", async () => {
  const source = `
    const { notify } = await import("../src/index.ts");
    const child = Bun.spawn(["${ROOT}dist/sd-notify", "--fork", "--", "sh", "-c", "echo $NOTIFY_SOCKET >&2"], { stderr: "pipe", stdout: "ignore" });
    const socket = (await child.stderr.text()).trim();
    await child.exited;
    try { notify({ ready: true }, { socket }); } catch (error) { console.log(error.code); }`;
  expect((await runModule(source)).stdout).toBe("ECONNREFUSED\n");
});
