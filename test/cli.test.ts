import { describe, expect, test } from "bun:test";
import { chmodSync, cpSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { version } from "../package.json";
import { OPTIONS } from "../src/cli/options.ts";
import { COMMANDS, isRoot, missing, type Result, run, temporaryDirectory, titled } from "./support/command.ts";
import { openReceiver, type Receiver } from "./support/receiver.ts";
import type { Received } from "./support/receiver-process.ts";

/** What a receiver got from one call of the command: the message, and the barrier if there was one. */
async function receive(receiver: Receiver, barrier = true): Promise<Received> {
  const message = await receiver.next();
  if (barrier) {
    const { text, pid, uid, gid, fds } = await receiver.next();
    expect({ text, pid, uid, gid }).toEqual({
      text: "BARRIER=1",
      pid: message.pid,
      uid: message.uid,
      gid: message.gid,
    });
    expect(fds).toHaveLength(1);
  }
  return message;
}

/** Expects one line of complaint, and no stack. */
function complaint(result: Result): string {
  expect(result).toMatchObject({ code: 1, stdout: "" });
  expect(result.stderr).toMatch(/^sd-notify: [^\n]+\n$/);
  return result.stderr.slice("sd-notify: ".length, -1);
}

const usec = (text: string) => text.replace(/(MONOTONIC_USEC|MAINPIDFDID)=\d+/g, "$1=…");

describe.each(COMMANDS)("%s", (_, command) => {
  const notify = (receiver: Receiver, ...args: string[]) =>
    run([...command, ...args], { env: { NOTIFY_SOCKET: receiver.address } });

  test.each<[string[], string]>([
    [["--ready"], "READY=1"],
    [["--reloading"], "RELOADING=1\nMONOTONIC_USEC=…"],
    [["--stopping"], "STOPPING=1"],
    [["--status=Listening on :3000"], "STATUS=Listening on :3000"],
    [["--status", "--ready"], "STATUS=--ready"],
    [["--status="], "STATUS="],
    [["--status=größe ✓ 日本語 🎉"], "STATUS=größe ✓ 日本語 🎉"],
    [["--status=line 1\nREADY=1"], "STATUS=line 1\nREADY=1"],
    [["--status=a", "--status=b"], "STATUS=b"],
    [
      ["A=1", "--stopping", "--status=s", "--ready", "B", "--reloading"],
      "RELOADING=1\nMONOTONIC_USEC=…\nREADY=1\nSTOPPING=1\nSTATUS=s\nA=1\nB",
    ],
    [["--ready", "--status=option", "A=1", "STATUS=argument", "READY"], "READY\nSTATUS=argument\nA=1"],
    [["--read", "--rel"], "RELOADING=1\nMONOTONIC_USEC=…\nREADY=1"],
    [["--", "--ready", "-q", "--"], "--\n-q"],
    [["--", "--", "A=1"], "--\nA=1"],
    [["--ready", "--", "-q"], "READY=1\n-q"],
    [[""], ""],
    [["-"], "-"],
    [["-q", "--ready"], "READY=1"],
    [["A=$HOME `x` \"q\" 's' \\n %s *"], "A=$HOME `x` \"q\" 's' \\n %s *"],
    [["\uFFFD=ü"], "\uFFFD=ü"],
  ])("%j", async (args, text) => {
    await using receiver = await openReceiver();
    expect(await notify(receiver, ...args)).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(usec((await receive(receiver)).text)).toBe(text);
  });

  test("--no-block sends no barrier", async () => {
    await using receiver = await openReceiver(undefined, { hold: true });
    await notify(receiver, "--no-block", "--ready");
    await notify(receiver, "A=1", "--no-b");
    expect((await receiver.next()).text).toBe("READY=1");
    expect((await receiver.next()).text).toBe("A=1");
  });

  test("sends arguments that are not UTF-8 as the bytes that they are", async () => {
    await using receiver = await openReceiver();
    const script = `exec "$@" --status="$(printf 'a\\377\\376b')" "$(printf '\\303\\274=\\200')"`;
    const env = { NOTIFY_SOCKET: receiver.address };
    expect(await run(["sh", "-c", script, "sh", ...command], { env })).toMatchObject({ code: 0, stderr: "" });
    const bytes = Buffer.from("STATUS=a\xff\xfeb\n\xc3\xbc=\x80", "latin1");
    expect(await receive(receiver)).toMatchObject({
      length: bytes.length,
      sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex"),
    });
  });

  test.skipIf(!isRoot)(titled("sends 1 MB", !isRoot && "not root"), async () => {
    await using receiver = await openReceiver();
    const args = Array.from({ length: 10 }, (_, i) => `V${i}=${"0123456789abcdef".repeat(6554)}`);
    expect(await notify(receiver, ...args)).toMatchObject({ code: 0, stderr: "" });
    const text = args.join("\n");
    expect(await receive(receiver)).toMatchObject({
      length: text.length,
      sha256: new Bun.CryptoHasher("sha256").update(text).digest("hex"),
    });
  });

  describe("the sender", () => {
    const own = { uid: process.getuid?.(), gid: process.getgid?.() };

    test("is the parent with the privilege, and else the command", async () => {
      await using receiver = await openReceiver();
      const { pid } = await notify(receiver, "--ready");
      expect(await receive(receiver)).toMatchObject({ ...own, text: "READY=1", pid: isRoot ? process.pid : pid });
    });

    test.each<[string, (self: number) => number]>([
      ["--pid", () => process.pid],
      ["--pid=", () => process.pid],
      ["--pid=auto", () => process.pid],
      ["--pid=parent", () => process.pid],
      ["--pid=self", (self) => self],
      ["--p=self", (self) => self],
      [`--pid=${process.ppid}`, () => process.ppid],
      ["--pid= +0x1", () => 1],
    ])("%s says which process is the main one", async (option, expected) => {
      await using receiver = await openReceiver();
      const { pid, stderr } = await notify(receiver, option, "A=1");
      expect(stderr).toBe("");
      const message = await receive(receiver);
      expect(message.text).toMatch(new RegExp(`^MAINPID=${expected(pid)}\n(MAINPIDFDID=\\d+\n)?A=1$`));
      expect(message.pid).toBe(isRoot ? expected(pid) : pid);
    });

    test("is the command itself when the service manager is its parent", async () => {
      await using receiver = await openReceiver();
      const env = { NOTIFY_SOCKET: receiver.address, MANAGERPID: `${process.pid}` };
      const { pid, stderr } = await run([...command, "--pid"], { env });
      expect(stderr).toBe("");
      const message = await receive(receiver);
      expect(message.pid).toBe(pid);
      expect(message.text).toStartWith(`MAINPID=${pid}`);
      // The inode number of this process' pidfd, which is the manager here.
      await run([...command, "--no-block", "--pid=parent"], { env: { NOTIFY_SOCKET: receiver.address } });
      const inode = /MAINPIDFDID=(\d+)/.exec((await receiver.next()).text)?.[1];
      for (const [MANAGERPIDFDID, isManager] of [
        ["1", false],
        ["bogus", false],
        [inode ?? "1", inode !== undefined],
      ] as const) {
        const result = await run([...command, "--ready"], { env: { ...env, MANAGERPIDFDID } });
        const warning = "sd-notify: $MANAGERPIDFDID is no inode number, ignoring $MANAGERPID: bogus\n";
        expect(result.stderr).toBe(MANAGERPIDFDID === "bogus" ? warning : "");
        expect((await receive(receiver)).pid).toBe(isRoot && !isManager ? process.pid : result.pid);
      }
    });

    test.each(["bogus", "", "0", "-1", "2147483647", "99999999999"])(
      "warns of MANAGERPID=%s, and ignores it",
      async (MANAGERPID) => {
        await using receiver = await openReceiver();
        const result = await run([...command, "--ready"], { env: { NOTIFY_SOCKET: receiver.address, MANAGERPID } });
        expect(result).toMatchObject({
          code: 0,
          stderr: `sd-notify: $MANAGERPID is no process, ignoring it: ${MANAGERPID}\n`,
        });
        expect((await receive(receiver)).pid).toBe(isRoot ? process.pid : result.pid);
      },
    );

    const noUnshare = isRoot ? missing("unshare") : "not root";
    test.skipIf(Boolean(noUnshare))(titled("is the command itself when PID 1 is its parent", noUnshare), async () => {
      await using receiver = await openReceiver();
      const prefix = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", '"$@"; exit $?', "sh"];
      const env = { NOTIFY_SOCKET: receiver.address };
      expect(await run([...prefix, ...command, "--pid=auto"], { env })).toMatchObject({ code: 0, stderr: "" });
      const auto = await receive(receiver);
      expect(auto.text).toStartWith("MAINPID=2\n");
      expect(auto.name).not.toBe("sh");
      await run([...prefix, ...command, "--pid=parent"], { env });
      const parent = await receive(receiver);
      expect(parent.text).toStartWith("MAINPID=1\n");
      expect(parent.name).toBe("sh");
    });

    const noSetpriv = isRoot ? missing("setpriv") : "not root";
    test.skipIf(Boolean(noSetpriv))(
      titled("is the command itself for another user, while the text names the parent", noSetpriv),
      async () => {
        // Where this checkout lies, another user may not get to.
        using directory = temporaryDirectory();
        chmodSync(directory.path, 0o755);
        const executable = join(directory.path, "command");
        const [program = ""] = command;
        const args = command.slice(1);
        cpSync(program, executable);
        if (args.length > 0)
          for (const part of ["src", "ffi", "package.json"])
            cpSync(join(import.meta.dir, "..", part), join(directory.path, part), { recursive: true });
        await using receiver = await openReceiver();
        const prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        const source = args.length > 0 ? [join(directory.path, "src/cli/from-source.ts")] : [];
        const result = await run([...prefix, executable, ...source, "--pid=parent"], {
          env: { NOTIFY_SOCKET: receiver.address },
          cwd: directory.path,
        });
        expect(result).toMatchObject({ code: 0, stderr: "" });
        const message = await receive(receiver);
        expect(message).toMatchObject({ pid: result.pid, uid: 65534, gid: 65534 });
        expect(message.text).toStartWith(`MAINPID=${process.pid}`);
      },
    );
  });

  describe("the barrier", () => {
    test("is waited for 5 seconds, and then exit 1 says that nobody answered", async () => {
      await using receiver = await openReceiver(undefined, { hold: true });
      const start = performance.now();
      expect(complaint(await notify(receiver, "--ready"))).toBe(
        `poll ${receiver.address}: the service manager did not answer the barrier within 5000 ms: the message was sent, but may not have been read; --no-block does not wait`,
      );
      expect(performance.now() - start).toBeWithin(4900, 7000);
    }, 10_000);

    test("is waited for until it is answered", async () => {
      await using receiver = await openReceiver(undefined, { hold: true });
      const running = notify(receiver, "--ready");
      await receive(receiver);
      await receiver.close();
      expect(await running).toMatchObject({ code: 0, stderr: "" });
    });
  });

  describe("what is wrong is said in one line", () => {
    test.each<[string[], string]>([
      [[], "nothing to send: give an option such as --ready, or an assignment such as STATUS=text"],
      [["-q"], "nothing to send: give an option such as --ready, or an assignment such as STATUS=text"],
      [["--no-block"], "nothing to send: give an option such as --ready, or an assignment such as STATUS=text"],
      [["--"], "nothing to send: give an option such as --ready, or an assignment such as STATUS=text"],
      [["--bogus"], "unknown option --bogus: see --help"],
      [["--ready", "--st=x"], "option --st is ambiguous: --stopping or --status"],
      [["--status"], "option --status needs a value: --status=TEXT"],
      [["--ready=1"], "option --ready takes no value: --ready=1"],
      [["--pid=abc"], "--pid=abc is no process: it must be a number, auto, parent or self"],
      [["--pid=0"], "--pid=0 is no process: it must be a number, auto, parent or self"],
      [["--pid=2147483647"], "--pid=2147483647 is no process: 2147483647 does not exist"],
      [["--pid=99999999999999"], "--pid=99999999999999 is no process: it must be a number, auto, parent or self"],
      [["--booted", "--ready"], "--booted sends no message: call it without --ready"],
      [["--booted", "--pid"], "--booted sends no message: call it without --pid"],
      [["--booted", "A=1"], "--booted sends no message: call it without A=1"],
      [["--bogus", "--help"], "unknown option --bogus: see --help"],
    ])("%j", async (args, message) => {
      await using receiver = await openReceiver();
      expect(complaint(await notify(receiver, ...args))).toBe(message);
      // Nothing was sent before.
      await notify(receiver, "--ready");
      expect((await receive(receiver)).text).toBe("READY=1");
    });

    test("of the socket", async () => {
      using directory = temporaryDirectory();
      const attempt = async (NOTIFY_SOCKET?: string) =>
        complaint(await run([...command, "--ready"], { env: NOTIFY_SOCKET === undefined ? {} : { NOTIFY_SOCKET } }));
      expect(await attempt()).toBe(
        "$NOTIFY_SOCKET is not set: only a service that systemd started has it, with Type=notify or NotifyAccess=all in its unit",
      );
      expect(await attempt("")).toBe('cannot use $NOTIFY_SOCKET "": it is empty');
      expect(await attempt("notify")).toBe(
        'cannot use $NOTIFY_SOCKET "notify": it must be /path, @name or vsock:CID:PORT',
      );
      const path = join(directory.path, "notify");
      expect(await attempt(path)).toBe(
        `connect ${path}: No such file or directory: is the manager's socket visible in this container or mount namespace?`,
      );
      await (await openReceiver(path)).close();
      expect(await attempt(path)).toStartWith(`connect ${path}: Connection refused: nobody reads from this socket`);
      rmSync(path);
      using stream = Bun.listen({ unix: path, socket: { data() {} } });
      expect(await attempt(path)).toBe(`connect ${path}: Protocol wrong type for socket: it is not a datagram socket`);
      expect(stream.unix).toBe(path);
    });
  });

  describe("a mistyped subcommand", () => {
    test.each([
      [["montor", "--", "x"], "montor is no subcommand: did you mean monitor?"],
      [["Monitor"], "Monitor is no subcommand: did you mean monitor?"],
      [["docotr", "x.service"], "docotr is no subcommand: did you mean doctor?"],
      [["runn", "--ready-tcp=80", "--", "x"], "runn is no subcommand: did you mean run?"],
      [["run=", "--", "x"], "$NOTIFY_SOCKET is not set"],
      [["montor=1"], "$NOTIFY_SOCKET is not set"],
      [["start"], "$NOTIFY_SOCKET is not set"],
      [["--ready", "montor"], "$NOTIFY_SOCKET is not set"],
      [["--", "montor"], "$NOTIFY_SOCKET is not set"],
    ])("is asked about where there is nobody to send it to: %j", async (args, message) => {
      expect(complaint(await run([...command, ...args]))).toStartWith(message);
    });

    test("is sent as it is where there is somebody, as systemd-notify(1) does", async () => {
      await using receiver = await openReceiver();
      expect(await notify(receiver, "montor", "--", "x")).toMatchObject({ code: 0, stdout: "", stderr: "" });
      expect((await receive(receiver)).text).toBe("montor\nx");
    });

    test("is asked about there where its options are mistaken for a message's", async () => {
      await using receiver = await openReceiver();
      expect(complaint(await notify(receiver, "montor", "--json", "--", "x"))).toBe(
        "unknown option --json: see --help; or did you mean sd-notify monitor?",
      );
    });
  });

  describe("without a message", () => {
    // No FFI is needed for any of these, so they work without the JIT.
    const env = { BUN_JSC_useJIT: "0" };

    test("--help tells of every option, in 80 columns", async () => {
      for (const args of [["--help"], ["-h"], ["-qh"], ["--ready", "--help"], ["--help", "--bogus"]]) {
        const { code, stdout, stderr } = await run([...command, ...args], { env });
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
        for (const line of stdout.split("\n")) expect(line).toMatch(/^.{0,80}$/);
        expect(stdout).toBe(Bun.stripANSI(stdout));
        for (const option of OPTIONS) expect(stdout.includes(`--${option.long}`)).toBe("help" in option);
        expect(stdout).toContain("USAGE sd-notify [OPTIONS] [VARIABLE=VALUE]");
      }
    });

    test("--version is that of the package", async () => {
      expect(await run([...command, "--version"], { env })).toMatchObject({
        code: 0,
        stdout: `sd-notify ${version}\n`,
        stderr: "",
      });
    });

    test("--introspect-cli lists the options as JSON", async () => {
      const { code, stdout } = await run([...command, "--intro"], { env });
      expect(code).toBe(0);
      const { mediaType, commands } = JSON.parse(stdout);
      expect(mediaType).toBe("application/vnd.io.systemd.cli-introspection-0");
      expect(commands[0].options).toHaveLength(OPTIONS.length);
      expect(commands[0].options[0]).toEqual({
        names: ["-h", "--help"],
        argument: "no_argument",
        help: "Show this help",
      });
    });

    const noUnshare = isRoot ? missing("unshare", "mount") : "not root";
    test.skipIf(Boolean(noUnshare))(titled("--booted answers by its exit status", noUnshare), async () => {
      for (const [prepare, code] of [
        ["mkdir -p /run/systemd/system", 0],
        ["mkdir -p /run/systemd", 1],
      ] as const) {
        const script = `mount -t tmpfs none /run && ${prepare} && exec "$@"`;
        const prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh"];
        for (const args of [["--booted"], ["--booted", "-q", "--no-block"]]) {
          expect(await run([...prefix, ...command, ...args], { env })).toMatchObject({ code, stdout: "", stderr: "" });
        }
      }
    });
  });
});

test("under the name systemd-notify a mistyped subcommand is a message like any other", async () => {
  using directory = temporaryDirectory();
  const command = join(directory.path, "systemd-notify");
  symlinkSync(COMMANDS[0]?.[1][0] ?? "", command);
  const { stderr } = await run([command, "montor", "--", "x"]);
  expect(stderr).toStartWith("systemd-notify: $NOTIFY_SOCKET is not set");
});
