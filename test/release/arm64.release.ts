/**
 * The executable for arm64, run by an emulator with Debian's libc for arm64. What makes the command begin anew
 * (--fork, monitor, run) has the kernel execute it, which a kernel of another processor can't: that is not tried.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { missing, ROOT, run, temporaryDirectory, titled } from "../support/command.ts";
import { tcpListener } from "../support/listeners.ts";
import { openReceiver, readLines } from "../support/receiver.ts";
import { unpackPackages } from "./debian-files.ts";
import { unpack, version } from "./released.ts";

const lacks = missing("qemu-aarch64-static", "apt-get");
const noCross = lacks || missing("aarch64-linux-gnu-gcc");

describe.skipIf(Boolean(lacks))(titled("the executable for linux-arm64", lacks), () => {
  const directory = temporaryDirectory();
  const libc = join(directory.path, "libc");
  const emulator = [Bun.which("qemu-aarch64-static") ?? "", "-L", libc];
  let executable = "";
  let command: string[] = [];

  beforeAll(async () => {
    await unpackPackages(["libc6", "libgcc-s1"], "arm64", libc);
    executable = await unpack("linux-arm64", directory.path);
    command = [...emulator, executable];
  }, 120_000);
  afterAll(() => directory[Symbol.dispose]());

  test("says its version", async () => {
    expect((await run([...command, "--version"])).stdout).toBe(`sd-notify ${version}\n`);
  });

  test("sends --ready and --status, and waits for the barrier", async () => {
    await using receiver = await openReceiver();
    const env = { NOTIFY_SOCKET: receiver.address };
    const { code, stderr, pid } = await run([...command, "--pid=self", "--ready", "--status=grüße"], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { text } = await receiver.next();
    expect(text).toMatch(/^READY=1\nSTATUS=grüße\nMAINPID=(\d+)(\nMAINPIDFDID=\d+)?$/);
    expect(text).toContain(`MAINPID=${pid}`);
    expect((await receiver.next()).text).toBe("BARRIER=1");
  });

  test("sends a file descriptor with --fd and --fdname", async () => {
    await using receiver = await openReceiver();
    const fd = openSync("/etc/passwd", "r");
    const child = Bun.spawn([...command, "--fd=3", "--fdname=users"], {
      env: { NOTIFY_SOCKET: receiver.address },
      stdio: ["ignore", "pipe", "pipe", fd] as never,
    });
    expect(await child.exited).toBe(0);
    closeSync(fd);
    expect(await receiver.next()).toMatchObject({
      text: "FDSTORE=1\nFDNAME=users",
      fds: [{ ino: statSync("/etc/passwd").ino }],
    });
  });

  test("becomes another program with --exec", async () => {
    await using receiver = await openReceiver();
    const env = { NOTIFY_SOCKET: receiver.address };
    const { stdout, stderr } = await run([...command, "--exec", "--ready", ";", "--", "/bin/echo", "executed"], {
      env,
    });
    expect({ stdout, stderr }).toEqual({ stdout: "executed\n", stderr: "" });
    expect((await receiver.next()).text).toBe("READY=1");
  });

  test("leaves its caller's limit of open files and ignored signals alone", async () => {
    // What the program calls, as the emulator tells it: a limit is set where prlimit64() has a third argument. (To
    // look at what it hands on says nothing: the emulator hands on no ignored signal.)
    const limited = ["sh", "-c", 'ulimit -Sn 123; exec "$@"', "sh", ...emulator, "-strace", executable, "--booted"];
    const { stderr } = await run(limited);
    expect(stderr).toContain("prlimit64(0,7,0,");
    expect(stderr).not.toMatch(/rt_sigaction\(SIG(PIPE|XFSZ),0x0*[1-9a-f]|prlimit64\(0,7,[1-9]/);
  });

  test("serve() of the library answers on a passed socket", async () => {
    using socket = tcpListener();
    await using receiver = await openReceiver();
    await Bun.write(
      join(directory.path, "server.ts"),
      `import { notify, serve } from ${JSON.stringify(join(ROOT, "src/index.ts"))};
       const server = await serve({ fetch: () => new Response(process.arch) });
       notify({ ready: true });
       console.log(server.url.href);`,
    );
    const start = 'LISTEN_PID=$$ exec "$@"';
    const child = Bun.spawn(["sh", "-c", start, "sh", ...command, "run", join(directory.path, "server.ts")], {
      cwd: directory.path,
      env: { BUN_BE_BUN: "1", LISTEN_FDS: "1", NOTIFY_SOCKET: receiver.address },
      stdio: ["ignore", "pipe", "inherit", socket.fd] as never,
    });
    const lines = readLines(child.stdout as unknown as ReadableStream<Uint8Array>);
    try {
      expect((await lines.next()).value).toBe(socket.url);
      expect(await (await fetch(socket.url)).text()).toBe("arm64");
      expect((await receiver.next()).text).toBe("READY=1");
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  });

  test.skipIf(Boolean(noCross))(titled("has the structs and numbers of C for arm64", noCross), async () => {
    // The tests, by this Bun; what they compile is for arm64 too.
    const bin = join(directory.path, "bin");
    await Bun.write(join(bin, "cc"), CROSS_COMPILER);
    await run(["chmod", "755", join(bin, "cc")]);
    const tests = ["test", "--timeout=60000", "test/structs.test.ts", "test/constants.test.ts"];
    const env = { BUN_BE_BUN: "1", PATH: `${bin}:${process.env.PATH}` };
    const { code, stderr } = await run([...command, ...tests], { env });
    expect({ code, output: code === 0 ? "" : stderr }).toEqual({ code: 0, output: "" });
    expect(stderr).not.toContain("(skip)");
  });
});

// --- internal ---

/** A compiler for arm64 in whose place there is a script that has the emulator run what was compiled. */
const CROSS_COMPILER = `#!/bin/sh
for argument; do [ "$last" = -o ] && out=$argument; last=$argument; done
aarch64-linux-gnu-gcc -static "$@" || exit
[ -z "$out" ] && exit
mv "$out" "$out.arm64"
printf '#!/bin/sh\\nexec qemu-aarch64-static "$0.arm64" "$@"\\n' >"$out"
chmod 755 "$out"
`;
