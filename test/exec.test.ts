import { describe, expect, test } from "bun:test";
import { openSync } from "node:fs";
import { BUN, COMMANDS, isRoot, missing, openFds, ROOT, run, titled } from "./support/command.ts";
import { openReceiver } from "./support/receiver.ts";

/** Prints what a program can see of what it was given. */
const LOOK = `
  echo "pid $$ parent $PPID"
  echo "cwd $(pwd) umask $(umask)"
  # Without another process: some shells block their signals while they start one.
  while read -r line; do case $line in Sig[BI]*|[UG]id*|Groups*) echo "$line" ;; esac; done </proc/$$/status
  grep "Max open files" /proc/$$/limits | tr -s " "
  cut -d" " -f19 /proc/$$/stat
  for fd in /proc/$$/fd/*; do echo "\${fd##*/} $(readlink "$fd") $(grep flags "/proc/$$/fdinfo/\${fd##*/}")"; done
`;

describe.each(COMMANDS)("--exec of %s", (name, command) => {
  test("sends, waits for the barrier, and becomes the program, with its arguments and its pid", async () => {
    await using receiver = await openReceiver();
    const program = [
      "sh",
      "-c",
      'echo "$$ $NOTIFY_SOCKET"; printf "[%s]" "$@"',
      "sh",
      "",
      "a b",
      "*",
      "ü",
      "q'\"",
      "x\ny",
      "--ready",
    ];
    const result = await run([...command, "--exec", "--ready", "A=1", ";", "--", ...program], {
      env: { NOTIFY_SOCKET: receiver.address },
    });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toBe(`${result.pid} ${receiver.address}\n[][a b][*][ü][q'"][x\ny][--ready]`);
    expect((await receiver.next()).text).toBe("READY=1\nA=1");
    expect((await receiver.next()).text).toBe("BARRIER=1");
  });

  test("hands over arguments that are not UTF-8, byte for byte", async () => {
    await using receiver = await openReceiver();
    const script = `exec "$@" --exec A=1 ';' -- printf '%s' "$(printf 'a\\377\\303\\274')"`;
    const child = Bun.spawn(["sh", "-c", script, "sh", ...command], {
      env: { PATH: process.env.PATH ?? "", NOTIFY_SOCKET: receiver.address },
      stdout: "pipe",
    });
    expect(Buffer.from(await child.stdout.bytes()).toString("latin1")).toBe("a\xff\xc3\xbc");
  });

  test("has the exit status of the program, and its signal", async () => {
    await using receiver = await openReceiver();
    const env = { NOTIFY_SOCKET: receiver.address };
    expect((await run([...command, "--exec", "A=1", ";", "--", "sh", "-c", "exit 7"], { env })).code).toBe(7);
    expect((await run([...command, "--exec", "A=1", ";", "--", "sh", "-c", "kill -9 $$"], { env })).signal).toBe(
      "SIGKILL",
    );
  });

  test("executes nothing when the notification fails", async () => {
    const env = { NOTIFY_SOCKET: "@sd-notify-nobody" };
    const { code, stdout } = await run([...command, "--exec", "--ready", ";", "echo", "executed"], { env });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  });

  test.each([
    ["nosuch-program", "execve nosuch-program: No such file or directory"],
    ["/etc/passwd", "execve /etc/passwd: Permission denied"],
    ["", "execve : No such file or directory"],
  ])("exits with 1 when %p can't be executed, after the message has gone out", async (program, why) => {
    await using receiver = await openReceiver();
    const result = await run([...command, "--exec", "A=1", ";", program], { env: { NOTIFY_SOCKET: receiver.address } });
    expect(result).toMatchObject({ code: 1, stdout: "", stderr: `sd-notify: ${why}\n` });
    expect((await receiver.next()).text).toBe("A=1");
  });

  test.each<[string[], string]>([
    [["--exec", "A=1"], "--exec executes nothing: give the command after a ; of its own, in a shell after \\;"],
    [
      ["--exec", "A=1;", "echo"],
      "--exec executes nothing: give the command after a ; of its own, in a shell after \\;",
    ],
    [["--exec", "A=1", ";"], "--exec executes nothing: no command follows the ;"],
    [["--exec", ";", "echo"], "nothing to send: give an option such as --ready, or an assignment such as STATUS=text"],
    [["--exec", "A=1", ";", "echo", "--unknown"], "unknown option --unknown: see --help"],
  ])("refuses %j", async (args, why) => {
    expect(await run([...command, ...args], { env: { NOTIFY_SOCKET: "@sd-notify-nobody" } })).toMatchObject({
      code: 1,
      stdout: "",
      stderr: `sd-notify: ${why}\n`,
    });
  });

  // The caller is a shell, whose state the test sets. With the binary it may change its state and be replaced
  // by the command; of such a caller nothing is left that the source could ask.
  const caller = name === "the binary" ? 'exec "$@"' : '"$@"; exit $?';

  test.each([
    ["with nothing special", "true"],
    ["with signals ignored", "trap '' PIPE USR1 HUP"],
    ["with a low limit", "ulimit -Sn 200"],
    ["with a lower hard limit", "ulimit -n 300"],
    ["with another umask, nice value and directory", "umask 027; cd /; renice -n 3 -p $$ >/dev/null"],
  ])("gives the program what the caller had, %s", async (_, prepare) => {
    await using receiver = await openReceiver();
    const env = { NOTIFY_SOCKET: receiver.address, X: "1" };
    const shell = ["sh", "-c", `${prepare}; ${caller}`, "sh"];
    const look = (...command: string[]) => run([...shell, ...command, "sh", "-c", LOOK], { env });
    const direct = await look();
    const through = await look(...command, "--exec", "A=1", ";", "--");
    expect(through.stderr).toBe("");
    // Which process it is, and which pipe its output goes to, differs.
    const same = (text: string) =>
      text
        .replace(/^pid \d+ parent \d+$/m, "pid")
        .replace(/\[\d+\]/g, "")
        .replace(/spawn_stdio_\w+/g, "");
    expect(same(through.stdout)).toBe(same(direct.stdout));
    expect(direct.stdout).toMatch(/^SigIgn/m);
  });

  const noPerl = missing("perl");
  test.skipIf(Boolean(noPerl))(titled("keeps the signal mask", noPerl), async () => {
    await using receiver = await openReceiver();
    const perl = "use POSIX; sigprocmask(SIG_SETMASK, POSIX::SigSet->new(SIGUSR1, SIGTERM)); exec @ARGV";
    const program = ["grep", "SigBlk", "/proc/self/status"];
    const { stdout } = await run(["perl", "-e", perl, ...command, "--exec", "A=1", ";", "--", ...program], {
      env: { NOTIFY_SOCKET: receiver.address },
    });
    expect(stdout).toBe("SigBlk:\t0000000000004200\n");
  });

  test.skipIf(Boolean(noPerl))(titled("leaves O_NONBLOCK on where the caller has it on", noPerl), async () => {
    await using receiver = await openReceiver();
    const perl =
      "use Fcntl; fcntl(STDIN, F_SETFL, O_NONBLOCK); fcntl(STDOUT, F_SETFL, O_WRONLY | O_NONBLOCK); exec @ARGV";
    const look = 'for fd in 0 1; do echo "$(grep flags /proc/$$/fdinfo/$fd)" >&2; done';
    const pipeline = 'cat /dev/null | perl -e "$0" "$@" | cat';
    const args = [...command, "--exec", "A=1", ";", "--", "sh", "-c", look];
    const { stderr } = await run(["sh", "-c", pipeline, perl, ...args], { env: { NOTIFY_SOCKET: receiver.address } });
    const flags = [...stderr.matchAll(/flags:\t(\d+)/g)].map(([, flags = ""]) => Number.parseInt(flags, 8) & 0o4000);
    expect(flags).toEqual([0o4000, 0o4000]);
  });

  test("passes every inherited file descriptor on, and none of Bun's own", async () => {
    await using receiver = await openReceiver();
    const child = Bun.spawn(
      [...command, "--exec", "A=1", ";", "--", "sh", "-c", "ls /proc/$$/fd; cat <&5 | head -c 15"],
      {
        env: { PATH: process.env.PATH ?? "", NOTIFY_SOCKET: receiver.address },
        stdio: [
          "ignore",
          "pipe",
          "inherit",
          openSync("/dev/null", "r"),
          openSync("/dev/null", "r"),
          openSync("/etc/passwd", "r"),
        ],
      },
    );
    const lines = (await child.stdout.text()).split("\n");
    expect(lines.slice(0, 6)).toEqual(["0", "1", "2", "3", "4", "5"]);
    expect(lines.slice(6).join()).toStartWith("root:");
  });

  test("leaves an epoll and an eventfd of the caller's alone, which Bun has too", async () => {
    await using receiver = await openReceiver();
    // This process is Bun as well: the new process gets its own as 3 and 4.
    const own = (kind: string) =>
      Number(
        openFds()
          .find((fd) => fd.endsWith(`anon_inode:[${kind}]`))
          ?.split(" ")[0],
      );
    const child = Bun.spawn(
      [...command, "--exec", "A=1", ";", "--", "sh", "-c", "readlink /proc/$$/fd/3 /proc/$$/fd/4; ls /proc/$$/fd"],
      {
        env: { PATH: process.env.PATH ?? "", NOTIFY_SOCKET: receiver.address },
        stdio: ["ignore", "pipe", "inherit", own("eventpoll"), own("eventfd")],
      },
    );
    expect(await child.stdout.text()).toBe("anon_inode:[eventpoll]\nanon_inode:[eventfd]\n0\n1\n2\n3\n4\n");
  });

  test("closes file descriptors that --fd has sent, and warns of others", async () => {
    await using receiver = await openReceiver();
    const child = Bun.spawn([...command, "--fd=3", "--exec", ";", "--", "sh", "-c", "ls /proc/$$/fd"], {
      env: { PATH: process.env.PATH ?? "", NOTIFY_SOCKET: receiver.address },
      stdio: ["ignore", "pipe", "pipe", openSync("/etc/passwd", "r"), openSync("/dev/null", "r")],
    });
    const [stdout, stderr] = await Promise.all([
      child.stdout.text(),
      (child.stderr as ReadableStream<Uint8Array>).text(),
    ]);
    expect(stdout).toBe("0\n1\n2\n");
    expect(stderr).toBe("sd-notify: not sending the open file descriptors 4: no --fd names them\n");
    expect((await receiver.next()).text).toBe("FDSTORE=1");
  });

  const noScript = missing("script");
  test.skipIf(Boolean(noScript))(
    titled("leaves O_NONBLOCK of the caller's terminal and pipes as it was", noScript),
    async () => {
      await using receiver = await openReceiver();
      const env = { NOTIFY_SOCKET: receiver.address };
      const flags = 'for fd in 0 1 2; do echo "$(grep flags /proc/$$/fdinfo/$fd)" >&3; done';
      for (const args of ["--ready", "--help >/dev/null", "--bogus", "--version"]) {
        const script = `exec 3>$LOG; ${flags}; ${command.join(" ")} ${args} 3>&-; ${flags}`;
        for (const prefix of [
          ["sh", "-c", script],
          ["script", "-qec", script, "/dev/null"],
        ]) {
          const log = `/tmp/sd-notify-flags-${process.pid}`;
          await run(prefix, { env: { ...env, LOG: log } });
          const lines = (await Bun.file(log).text()).trimEnd().split("\n");
          await Bun.file(log).delete();
          expect(lines).toHaveLength(6);
          expect(lines.slice(3)).toEqual(lines.slice(0, 3));
        }
      }
    },
  );

  test.skipIf(!isRoot)(
    titled("sets the real ids for --uid, and the program has them", !isRoot && "not root"),
    async () => {
      await using receiver = await openReceiver();
      const env = { NOTIFY_SOCKET: receiver.address };
      const program = ["grep", "-E", "^[UG]id", "/proc/self/status"];
      const result = await run([...command, "--uid=daemon", "--exec", "A=1", ";", "--", ...program], { env });
      expect(result).toMatchObject({ code: 0, stdout: "Uid:\t1\t0\t0\t0\nGid:\t1\t0\t0\t0\n" });
      expect(await receiver.next()).toMatchObject({ text: "A=1", uid: 1, gid: 1, pid: process.pid });
      expect(await receiver.next()).toMatchObject({ text: "BARRIER=1", uid: 1, gid: 1, pid: process.pid });
    },
  );
});

describe.each(COMMANDS)("--uid of %s", (_, command) => {
  test.skipIf(!isRoot).each<[string, number, number]>([
    ["nobody", 65534, 65534],
    ["0", 0, 0],
    ["1", 1, 1],
    ["12345", 12345, 0],
    ["4294967294", 4294967294, 0],
  ])(titled("sends as %s", !isRoot && "not root"), async (user, uid, gid) => {
    await using receiver = await openReceiver();
    const { stderr } = await run([...command, `--uid=${user}`, "--ready"], {
      env: { NOTIFY_SOCKET: receiver.address },
    });
    expect(stderr).toBe("");
    expect(await receiver.next()).toMatchObject({ text: "READY=1", uid, gid });
  });

  test.each([
    "nosuchuser",
    "",
    "-1",
    "+5",
    "007",
    "0x10",
    " 5",
    "nobody:nogroup",
    "65535",
    "4294967295",
    "99999999999",
  ])("refuses %p", async (user) => {
    const { code, stderr } = await run([...command, `--uid=${user}`, "--ready"], { env: { NOTIFY_SOCKET: "@nobody" } });
    expect(code).toBe(1);
    expect(stderr).toStartWith(`sd-notify: --uid=${user} is no user: `);
  });
});

describe.each(COMMANDS)("--fd of %s", (_, command) => {
  async function sendFds(args: string[], fds: string[]) {
    await using receiver = await openReceiver();
    const child = Bun.spawn([...command, ...args], {
      env: { NOTIFY_SOCKET: receiver.address },
      stdio: ["ignore", "pipe", "pipe", ...fds.map((path) => openSync(path, "r"))] as never,
    });
    const stderr = await (child.stderr as unknown as ReadableStream<Uint8Array>).text();
    const code = await child.exited;
    return { code, stderr, message: code === 0 ? await receiver.next() : undefined };
  }

  test.each<[string[], string, number]>([
    [["--fd=3"], "FDSTORE=1", 1],
    [["--fd", "0x3", "--fd= +4", "--fdname=a.b-c d"], "FDSTORE=1\nFDNAME=a.b-c d", 2],
    [["--fd=0", "--fd=0", "--fd=3", "--fd=4"], "FDSTORE=1", 4],
    [["--fd=3", "--fd=4", "--fdname=x", "--fdname="], "FDSTORE=1\nFDNAME=", 2],
    [["--ready", "--fd=3", "--fd=4", "--fdname=a", "FDNAME=b", "X=1"], "READY=1\nFDSTORE=1\nFDNAME=b\nX=1", 2],
  ])("%j", async (args, text, count) => {
    const sent = await sendFds(args, ["/etc/passwd", ROOT]);
    expect(sent.code).toBe(0);
    expect(sent.message?.text).toBe(text);
    expect(sent.message?.fds).toHaveLength(count);
    expect(sent.stderr).toBe(
      args.some((arg) => arg.includes("4"))
        ? ""
        : "sd-notify: not sending the open file descriptors 4: no --fd names them\n",
    );
  });

  test.each<[string[], string]>([
    [["--fd=3", "--fd=3"], "--fd=3 can't be sent: it is given twice"],
    [["--fd=9"], "--fd=9 can't be sent: it is not open: pass it with a redirection such as 4<file"],
    // Bun's own, which the caller does not know of.
    [["--fd=5"], "--fd=5 can't be sent: it is not open: pass it with a redirection such as 4<file"],
    [["--fd="], "--fd= is no file descriptor: it must be a number"],
    [["--fd=-1"], "--fd=-1 is no file descriptor: it must be a number"],
    [["--fd=99999999999"], "--fd=99999999999 is no file descriptor: it must be a number"],
    [["--fdname=x", "--ready"], "--fdname names nothing: give the file descriptors with --fd"],
    [["--fd=3", "--fdname=a:b"], '--fdname="a:b" is no name: use ASCII without control characters and ":"'],
    [["--fd=3", "--fdname=a\nb"], '--fdname="a\\nb" is no name: use ASCII without control characters and ":"'],
    [["--fd=3", "--fdname=ü"], '--fdname="ü" is no name: use ASCII without control characters and ":"'],
    [
      ["--fd=3", `--fdname=${"n".repeat(256)}`],
      `--fdname="${"n".repeat(256)}" is no name: it has 256 characters, and 255 are allowed`,
    ],
  ])("refuses %j", async (args, why) => {
    expect(await sendFds(args, ["/etc/passwd", ROOT])).toEqual({
      code: 1,
      stderr: `sd-notify: ${why}\n`,
      message: undefined,
    });
  });
});

test("called as systemd-notify, it says so", async () => {
  const link = `/tmp/sd-notify-test-${process.pid}/systemd-notify`;
  await run(["sh", "-c", `mkdir -p ${link.replace(/\/[^/]+$/, "")} && ln -s ${ROOT}dist/sd-notify ${link}`]);
  try {
    expect((await run([link, "--bogus"])).stderr).toBe("systemd-notify: unknown option --bogus: see --help\n");
    expect((await run([link, "--version"])).stdout).toStartWith("systemd-notify ");
    expect((await run([link, "--help"])).stdout).toContain("USAGE systemd-notify ");
  } finally {
    await run(["rm", "-r", link.replace(/\/[^/]+$/, "")]);
  }
  expect((await run([BUN, `${ROOT}src/cli/from-source.ts`, "--bogus"])).stderr).toStartWith("sd-notify: ");
});
