import { describe, expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { parseAddress } from "../src/protocol/address.ts";
import { connect } from "../src/transport/connection.ts";
import { noCompiler } from "./support/c.ts";
import { BUN, COMMANDS, ROOT, run, temporaryDirectory, titled } from "./support/command.ts";
import { openReceiver } from "./support/receiver.ts";

/** What MemoryDenyWriteExecute=yes does to Bun: no JIT, and so no bun:ffi. */
const noJit = { BUN_JSC_useJIT: "0" };

/**
 * Stands in for systemd's command, on machines that have it and on those that have it not: it tells how it
 * was called.
 */
const SYSTEMD_NOTIFY = `
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char *argv[]) {
  printf("%d %s", getpid(), getenv("NOTIFY_SOCKET"));
  for (int i = 0; i < argc; i++) printf(" [%s]", argv[i]);
  return 42;
}`;

describe.each(COMMANDS)("where bun:ffi can't be used, %s", (_, command) => {
  test.skipIf(Boolean(noCompiler))(
    titled("executes systemd-notify in its place, with the same arguments and pid", noCompiler),
    async () => {
      using directory = temporaryDirectory();
      await Bun.write(join(directory.path, "systemd-notify.c"), SYSTEMD_NOTIFY);
      await run(["cc", "-o", "systemd-notify", "systemd-notify.c"], { cwd: directory.path });
      const env = { ...noJit, PATH: `/nowhere:${directory.path}:${process.env.PATH}`, NOTIFY_SOCKET: "/socket" };
      const result = await run([...command, "--ready", "--status", "a b", "", "ü", "--", "--x"], { env });
      expect(result).toMatchObject({ code: 42, stderr: "" });
      expect(result.stdout).toBe(`${result.pid} /socket [systemd-notify] [--ready] [--status] [a b] [] [ü] [--] [--x]`);
    },
  );

  test("says what to change where there is no other systemd-notify than itself", async () => {
    using directory = temporaryDirectory();
    const [program = ""] = command;
    symlinkSync(program, join(directory.path, "systemd-notify"));
    await run(["sh", "-c", `mkdir copy && cp ${program} copy/systemd-notify`], { cwd: directory.path });
    await Bun.write(join(directory.path, "bin/systemd-notify"), '#!/bin/sh\nexec sd-notify "$@"\n');
    await run(["chmod", "+x", join(directory.path, "bin/systemd-notify")]);
    const env = {
      ...noJit,
      PATH: `${directory.path}:${directory.path}/copy:${directory.path}/bin`,
      NOTIFY_SOCKET: "/socket",
    };
    const { code, stderr } = await run([...command, "--ready"], { env });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        "sd-notify: cannot call libc: bun:ffi needs the JIT: set MemoryDenyWriteExecute=no in the unit, and not BUN_JSC_useJIT=0; under LimitAS=, Environment=BUN_JSC_jitMemoryReservationSize=16777216; " +
        "and there is no systemd-notify here that could send instead\n",
    });
  });

  test("still answers what needs none", async () => {
    const usage = async (...args: string[]) =>
      (await run([...command, ...args], { env: { ...noJit, PATH: "/nowhere" } })).stderr;
    expect(await usage("--bogus")).toBe("sd-notify: unknown option --bogus: see --help\n");
    expect(await usage("--pid=x")).toStartWith("sd-notify: --pid=x is no process");
    expect(await usage("--pid=self", "--bogus")).toStartWith("sd-notify: unknown option --bogus");
    expect(await usage("--pid=2147483647", "--ready")).toStartWith("sd-notify: --pid=2147483647 is no process");
    expect(await usage("--uid=1", "--bogus")).toStartWith("sd-notify: unknown option --bogus");
    for (const args of [
      ["--pid=parent", "--help"],
      ["--uid=0", "--version"],
    ]) {
      expect(await run([...command, ...args], { env: { ...noJit, PATH: "/nowhere" } })).toMatchObject({
        code: 0,
        stderr: "",
      });
    }
    expect(await usage("--ready")).toStartWith("sd-notify: $NOTIFY_SOCKET is not set");
    expect(await usage()).toStartWith("sd-notify: nothing to send");
  });
});

describe("the library, where bun:ffi can't be used", () => {
  /** Runs a module with fd 3 connected to the receiver, as with `OpenFile=/run/systemd/notify:notify` in the unit. */
  async function runWithPassedSocket(address: string, source: string, names = "other:notify"): Promise<string> {
    const { fd } = connect(parseAddress(address, "the address"), address);
    const script = `LISTEN_PID=$$ exec ${BUN} run -`;
    const child = Bun.spawn(["sh", "-c", script], {
      cwd: ROOT,
      env: {
        ...noJit,
        PATH: process.env.PATH ?? "",
        NOTIFY_SOCKET: "/run/systemd/notify",
        LISTEN_FDS: "2",
        LISTEN_FDNAMES: names,
      },
      stdio: [Buffer.from(`import { notify } from "./src/index.ts";\n${source}`), "pipe", "inherit", "ignore", fd],
    });
    return await child.stdout.text();
  }

  test("sends through the socket that the unit passes, without pid and fds", async () => {
    await using receiver = await openReceiver();
    const source = `
      console.log(notify({ ready: true, status: "ü" }), notify({ watchdog: true }, { pid: process.pid, fds: [] }), process.pid);
      for (const options of [{ fds: [0] }, { pid: 1 }, { socket: "/x" }]) {
        try { notify({ ready: true }, options); } catch (error) { console.log(error.code); }
      }`;
    const stdout = await runWithPassedSocket(receiver.address, source);
    const { text, pid } = await receiver.next();
    expect(text).toBe("READY=1\nSTATUS=ü");
    expect((await receiver.next()).text).toBe("WATCHDOG=1");
    expect(stdout).toBe(`true true ${pid}\n${"ERR_FFI_UNAVAILABLE\n".repeat(3)}`);
  });

  test("throws the reason where the unit passes no such socket, or passes it to another process", async () => {
    await using receiver = await openReceiver();
    const source = `try { notify({ ready: true }); } catch (error) { console.log(error.code); }`;
    for (const prepare of [
      "",
      "process.env.LISTEN_PID = '1';",
      "delete process.env.LISTEN_PID;",
      "process.env.LISTEN_FDS = '1';",
    ]) {
      const names = prepare === "" ? "other:another" : "other:notify";
      expect(await runWithPassedSocket(receiver.address, prepare + source, names)).toBe("ERR_FFI_UNAVAILABLE\n");
    }
  });

  test("has the system's error where the manager has gone", async () => {
    const receiver = await openReceiver();
    const source = `
      process.stdin.resume();
      try { notify({ ready: true }); } catch (error) { console.log(error.name, error.code, error.errno, error.syscall); }
      process.exit();`;
    const { fd } = connect(parseAddress(receiver.address, "the address"), receiver.address);
    await receiver.close();
    const child = Bun.spawn(["sh", "-c", `LISTEN_PID=$$ exec ${BUN} run -`], {
      cwd: ROOT,
      env: { ...noJit, PATH: process.env.PATH ?? "", NOTIFY_SOCKET: "/x", LISTEN_FDS: "1", LISTEN_FDNAMES: "notify" },
      stdio: [Buffer.from(`import { notify } from "./src/index.ts";\n${source}`), "pipe", "inherit", fd],
    });
    expect(await child.stdout.text()).toBe("SystemError ECONNREFUSED 111 write\n");
  });
});
