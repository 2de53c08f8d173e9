import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { AF_UNIX, SOCK_DGRAM } from "../ffi/constants.ts";
import * as sys from "../ffi/syscalls.ts";
import { BUN, isRoot, missing, ROOT, temporaryDirectory, titled } from "./support/command.ts";

/**
 * No machine of the tests has a vsock peer, so strace(1) answers in the kernel's place: the sender runs with fd 3 as
 * "its vsock socket", and what it asks of that is what the tests look at.
 */
const skipped = missing("strace");

interface Trace {
  /** The system calls on the socket, as strace prints them. */
  calls: string[];
  stdout: string;
}

async function trace(address: string, inject: string[], options = "{}"): Promise<Trace> {
  using directory = temporaryDirectory();
  const output = join(directory.path, "trace");
  const socket = sys.socket(AF_UNIX, SOCK_DGRAM);
  const source = `
    import { notify } from "./src/index.ts";
    try {
      console.log(notify({ ready: true }, ${options}));
    } catch (error) {
      console.log(error.code, error.syscall, error.address);
    }`;
  const injections = ["connect:retval=0", ...inject].flatMap((injection) => ["-e", `inject=${injection}`]);
  const child = Bun.spawn(
    [
      "strace",
      "-qq",
      "-e",
      "trace=socket,bind,connect,sendto,sendmsg,recvmsg,shutdown",
      ...injections,
      "-o",
      output,
      BUN,
      "run",
      "-",
    ],
    {
      cwd: ROOT,
      env: { PATH: process.env.PATH, NOTIFY_SOCKET: address },
      stdio: [Buffer.from(source), "pipe", "inherit", socket],
    },
  );
  const stdout = await child.stdout.text();
  await child.exited;
  sys.close(socket);
  const lines = (await Bun.file(output).text()).split("\n").filter((line) => line !== "");
  return { calls: lines.map((line) => line.replace(/ {2,}/, " ").replace(" (INJECTED)", "")), stdout };
}

const peer = "{sa_family=AF_VSOCK, svm_cid=VMADDR_CID_HOST, svm_port=0x4d2, svm_flags=0}";
const from = (port: string) => `{sa_family=AF_VSOCK, svm_cid=VMADDR_CID_ANY, svm_port=${port}, svm_flags=0}`;
const message = (text: string) =>
  `sendmsg(3, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="${text}", iov_len=${text.length}}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, MSG_NOSIGNAL)`;
const END_OF_FILE = ["shutdown:retval=0", "recvmsg:retval=0"];

/** A system call's name, and its result. */
const outline = (call: string) => call.replace(/^(\w+)\(.* = (-?\w+).*$/, "$1 $2");

describe.skipIf(Boolean(skipped))(titled("vsock", skipped), () => {
  test("vsock-seqpacket: binds to a privileged port, connects, sends, and waits for the end of the connection", async () => {
    const { calls, stdout } = await trace("vsock-seqpacket:2:1234", [
      "socket:retval=3",
      "bind:retval=0",
      "sendto:retval=7",
      ...END_OF_FILE,
    ]);
    expect(stdout).toBe("true\n");
    expect(calls.slice(0, 5)).toEqual([
      "socket(AF_VSOCK, SOCK_SEQPACKET|SOCK_CLOEXEC, 0) = 3",
      `bind(3, ${from("0x3ff")}, 16) = 0`,
      `connect(3, ${peer}, 16) = 0`,
      'sendto(3, "READY=1", 7, MSG_NOSIGNAL, NULL, 0) = 7',
      "shutdown(3, SHUT_WR) = 0",
    ]);
    expect(calls.slice(5).map(outline)).toEqual(["recvmsg 0"]);
  });

  test("vsock-stream: writes until all is out, then shuts down and waits", async () => {
    const { calls, stdout } = await trace("vsock-stream:2:1234", [
      "socket:retval=3",
      "bind:retval=0",
      "sendmsg:retval=3",
      "shutdown:retval=0",
      "recvmsg:retval=0",
    ]);
    // Three bytes, three bytes, and then strace's three are more than the one that is left.
    expect(stdout).toBe("EIO send vsock-stream:2:1234\n");
    expect(calls.slice(0, 6)).toEqual([
      "socket(AF_VSOCK, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3",
      `bind(3, ${from("0x3ff")}, 16) = 0`,
      `connect(3, ${peer}, 16) = 0`,
      `${message("READY=1")} = 3`,
      `${message("DY=1")} = 3`,
      `${message("1")} = 3`,
    ]);
    const whole = await trace("vsock-stream:2:1234", [
      "socket:retval=3",
      "bind:retval=0",
      "sendmsg:retval=7",
      ...END_OF_FILE,
    ]);
    expect(whole.stdout).toBe("true\n");
    expect(whole.calls.map(outline)).toEqual([
      "socket 3",
      "bind 0",
      "connect 0",
      "sendmsg 7",
      "shutdown 0",
      "recvmsg 0",
    ]);
  });

  test("vsock-dgram: sends a datagram and goes on", async () => {
    const { calls, stdout } = await trace("vsock-dgram:2:1234", [
      "socket:retval=3",
      "bind:retval=0",
      "sendto:retval=7",
    ]);
    expect(stdout).toBe("true\n");
    expect(calls.map(outline)).toEqual(["socket 3", "bind 0", "connect 0", "sendto 7"]);
    expect(calls[0]).toStartWith("socket(AF_VSOCK, SOCK_DGRAM|SOCK_CLOEXEC, 0)");
  });

  test.each(["ESOCKTNOSUPPORT", "EOPNOTSUPP", "EPROTONOSUPPORT", "EAFNOSUPPORT", "ENODEV"])(
    "vsock: tries datagrams, packets and a stream where the type is not there (%s)",
    async (error) => {
      const { calls, stdout } = await trace("vsock:2:1234", [`socket:error=${error}`]);
      expect(stdout).toBe(`${error} socket vsock:2:1234\n`);
      expect(calls.map((call) => /SOCK_[A-Z]+/.exec(call)?.[0])).toEqual([
        "SOCK_DGRAM",
        "SOCK_SEQPACKET",
        "SOCK_STREAM",
      ]);
    },
  );

  test("vsock: tries nothing more after another error", async () => {
    const { calls, stdout } = await trace("vsock:2:1234", ["socket:error=EPERM"]);
    expect(stdout).toBe("EPERM socket vsock:2:1234\n");
    expect(calls).toHaveLength(1);
  });

  test("takes the next lower port where one is in use", async () => {
    const { calls } = await trace("vsock-dgram:2:1234", [
      "socket:retval=3",
      "bind:error=EADDRINUSE:when=1..2",
      "sendto:retval=7",
    ]);
    // strace answers the first two; the third is the unix socket's own answer to a vsock address.
    expect(calls.slice(1, 4).map((call) => /svm_port=\w+/.exec(call)?.[0])).toEqual([
      "svm_port=0x3ff",
      "svm_port=0x3fe",
      "svm_port=0x3fd",
    ]);
  });

  test("goes on without a port where the privilege is not there", async () => {
    for (const error of ["EACCES", "EPERM"]) {
      const { calls, stdout } = await trace("vsock-dgram:2:1234", [
        "socket:retval=3",
        `bind:error=${error}`,
        "sendto:retval=7",
      ]);
      expect(stdout).toBe("true\n");
      expect(calls.map(outline)).toEqual(["socket 3", "bind -1", "connect 0", "sendto 7"]);
    }
  });

  test("refuses a peer that answers", async () => {
    const { stdout } = await trace("vsock-seqpacket:2:1234", [
      "socket:retval=3",
      "bind:retval=0",
      "sendto:retval=7",
      "shutdown:retval=0",
      "recvmsg:retval=1",
    ]);
    expect(stdout).toBe("EPROTO recvmsg vsock-seqpacket:2:1234\n");
  });

  test.skipIf(!isRoot)(
    titled("keeps the credentials of another process, and does without where that fails", !isRoot && "not root"),
    async () => {
      const { calls, stdout } = await trace(
        "vsock-dgram:2:1234",
        ["socket:retval=3", "bind:retval=0", "sendmsg:error=EPERM:when=1"],
        "{ pid: 1 }",
      );
      expect(stdout).not.toBe("true\n");
      const messages = calls.filter((call) => call.startsWith("sendmsg"));
      expect(messages[0]).toContain(
        "msg_control=[{cmsg_len=28, cmsg_level=SOL_SOCKET, cmsg_type=SCM_CREDENTIALS, cmsg_data={pid=1, uid=0, gid=0}}], msg_controllen=32",
      );
      expect(messages[1]).toContain("msg_controllen=0");
      expect(messages).toHaveLength(2);
    },
  );
});
