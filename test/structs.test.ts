import { describe, expect, test } from "bun:test";
import * as numbers from "../ffi/layouts.ts";
import { OPAQUE_SIZE } from "../ffi/process.ts";
import * as functions from "../ffi/structs.ts";
import { compileC, HEADERS, noCompiler } from "./support/c.ts";
import { titled } from "./support/command.ts";

type Layout = { size: number } & Record<string, number>;

const structs = { ...numbers, ...functions };
const { iovec, msghdr } = structs;
/** Every struct that the file describes. */
const layouts = Object.fromEntries(
  Object.entries(numbers as Record<string, unknown>)
    .filter(([, value]) => typeof value === "object")
    // An enum has the names of its numbers too.
    .map(([name, its]) => [
      name,
      Object.fromEntries(Object.entries(its as object).filter(([key]) => !/^\d/.test(key))),
    ]),
) as Record<string, Layout>;
layouts.epoll_event = structs.epollEvent(process.arch);
const bytes = (text: string) => new TextEncoder().encode(text);
const hex = (view: DataView, at: number, length: number) => Buffer.from(view.buffer, at, length).toString("hex");

/** A DataView full of ones, so that what a writer leaves out is seen. */
function dirty(size = 4096): DataView {
  return new DataView(new Uint8Array(size).fill(0xff).buffer);
}

describe.skipIf(Boolean(noCompiler))(titled("as C has it", noCompiler), () => {
  test("every struct has C's size, and every field C's offset", async () => {
    const print: string[] = [];
    for (const [name, { size, ...fields }] of Object.entries(layouts)) {
      print.push(`printf("${name} %zu\\n", sizeof(struct ${name}));`);
      for (const field of Object.keys(fields)) {
        print.push(`printf("${name}.${field} %zu\\n", offsetof(struct ${name}, ${field}));`);
      }
    }
    print.push(`printf("siginfo_t %zu %zu\\n", sizeof(siginfo_t), offsetof(siginfo_t, si_pid));`);
    print.push(`printf("sun_path %zu\\n", sizeof(((struct sockaddr_un *)0)->sun_path));`);
    print.push(`printf("CMSG_LEN %zu %zu\\n", CMSG_LEN(12), CMSG_LEN(253 * 4));`);
    print.push(`printf("CMSG_SPACE %zu %zu\\n", CMSG_SPACE(12), CMSG_SPACE(253 * 4));`);
    print.push(`printf("room %zu\\n", CMSG_SPACE(${structs.SCM_MAX_FD} * 4) + CMSG_SPACE(sizeof(struct ucred)));`);
    print.push(`printf("room %zu\\n", CMSG_SPACE(sizeof(struct ucred)));`);
    const output = await compileC(`${HEADERS}int main(void) { ${print.join("\n")} }`);
    const expected: string[] = [];
    for (const [name, { size, ...fields }] of Object.entries(layouts)) {
      expected.push(`${name} ${size}`);
      for (const [field, offset] of Object.entries(fields)) expected.push(`${name}.${field} ${offset}`);
    }
    expected.push(`siginfo_t ${structs.SIGINFO_SIZE} ${structs.SI_PID}`);
    expected.push(`sun_path ${structs.SUN_PATH_SIZE}`);
    expected.push(`CMSG_LEN ${structs.CMSG_LEN(12)} ${structs.CMSG_LEN(253 * 4)}`);
    expected.push(`CMSG_SPACE ${structs.CMSG_SPACE(12)} ${structs.CMSG_SPACE(253 * 4)}`);
    expected.push(`room ${structs.CONTROL_SIZE}`, `room ${structs.CREDENTIALS_SIZE}`);
    expect(output).toEqual(expected);
  });

  test("there is room for what <spawn.h> keeps to itself", async () => {
    const types = ["posix_spawnattr_t", "posix_spawn_file_actions_t"];
    const print = types.map((type) => `printf("%zu\\n", sizeof(${type}));`);
    const output = await compileC(`${HEADERS}int main(void) { ${print.join("\n")} }`);
    for (const size of output) expect(Number(size)).toBeLessThanOrEqual(OPAQUE_SIZE);
  });

  test("what is written is what C writes, to the byte", async () => {
    const output = await compileC(`${HEADERS}
      static void dump(const char *name, const void *p, size_t n) {
        printf("%s ", name);
        for (size_t i = 0; i < n; i++) printf("%02x", ((const unsigned char *)p)[i]);
        printf("\\n");
      }
      int main(void) {
        struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/systemd/notify" };
        dump("path", &un, offsetof(struct sockaddr_un, sun_path) + strlen(un.sun_path) + 1);
        struct sockaddr_un abstract = { .sun_family = AF_UNIX, .sun_path = "\\0name" };
        dump("abstract", &abstract, offsetof(struct sockaddr_un, sun_path) + 5);
        struct sockaddr_vm vm = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = 0x12345678 };
        dump("vsock", &vm, sizeof vm);
        struct { int fds[3]; struct ucred ucred; } in = { { 3, 4, 70000 }, { 42, 1000, 4294967294U } };
        char control[CMSG_SPACE(sizeof in.fds) + CMSG_SPACE(sizeof in.ucred)] = {};
        struct msghdr m = { .msg_control = control, .msg_controllen = sizeof control };
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof in.fds), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(c), in.fds, sizeof in.fds);
        c = CMSG_NXTHDR(&m, c);
        *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof in.ucred), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS };
        memcpy(CMSG_DATA(c), &in.ucred, sizeof in.ucred);
        dump("control", control, sizeof control);
        struct iovec iov = { (void *)0x7f0123456789, 4096 };
        dump("iovec", &iov, sizeof iov);
        struct msghdr msg = { .msg_iov = (void *)0x7f01234567a0, .msg_iovlen = 1,
                              .msg_control = (void *)0x7f01234567c0, .msg_controllen = 64 };
        dump("msghdr", &msg, sizeof msg);
        struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = 0x7f0123456789 };
        dump("epoll_event", &event, sizeof event);
        struct { uint32_t events; uint64_t data; } aligned = { .events = EPOLLIN, .data = 0x7f0123456789 };
        dump("aligned", &aligned, sizeof aligned);
        return 0;
      }`);
    const view = dirty();
    const written: string[] = [];
    const write = (name: string, length: number) => written.push(`${name} ${hex(view, 0, length)}`);
    write("path", structs.writeSocketAddress(view, 0, { family: "unix", path: bytes("/run/systemd/notify") }));
    write("abstract", structs.writeSocketAddress(view, 0, { family: "unix", path: bytes("\0name") }));
    write("vsock", structs.writeSocketAddress(view, 0, { family: "vsock", cid: 2, port: 0x12345678 }));
    const credentials = { pid: 42, uid: 1000, gid: 4294967294 };
    write("control", structs.writeControl(view, 0, { fds: [3, 4, 70000], credentials }));
    structs.writeIovec(view, 0, 0x7f0123456789, 4096);
    write("iovec", iovec.size);
    structs.writeMsghdr(view, 0, 0x7f01234567a0, 0x7f01234567c0, 64);
    write("msghdr", msghdr.size);
    structs.writeEpollEvent(view, 0, { events: 0x80000001, data: 0x7f0123456789n }, process.arch);
    write("epoll_event", structs.epollEvent(process.arch).size);
    // That of every machine but x86-64, which Bun runs on too.
    structs.writeEpollEvent(view, 0, { events: 1, data: 0x7f0123456789n }, "arm64");
    write("aligned", structs.epollEvent("arm64").size);
    expect(written).toEqual(output);
  });
});

test("readBoundAddress() reads what getsockname(2) leaves, of every family", () => {
  const of = (...bytes: number[]) =>
    structs.readBoundAddress(
      new DataView(new Uint8Array(128).fill(0, 0).map((_, i) => bytes[i] ?? 0).buffer),
      0,
      bytes.length,
    );
  const path = (text: string) => ({ family: "unix" as const, path: new Uint8Array(Buffer.from(text)) });
  expect(of(2, 0, 0x1f, 0x90, 127, 0, 0, 1)).toEqual({ family: "inet", address: "127.0.0.1", port: 8080 });
  const loopback = [10, 0, 0, 80, 0, 0, 0, 0, ...Array.from({ length: 15 }, () => 0), 1, 0, 0, 0, 0];
  expect(of(...loopback)).toEqual({ family: "inet6", address: "::1", port: 80 });
  expect(of(1, 0, ...Buffer.from("/run/x\0"))).toEqual(path("/run/x"));
  expect(of(1, 0, ...Buffer.from("/run/x"))).toEqual(path("/run/x"));
  expect(of(1, 0, ...Buffer.from("\0name"))).toEqual(path("\0name"));
  expect(of(1, 0)).toEqual(path(""));
  expect(of(40, 0, 0, 0)).toBeUndefined();
});

test("readControl() reads what writeControl() writes", () => {
  const view = dirty();
  for (const fds of [[], [0], [5, 6], Array.from({ length: structs.SCM_MAX_FD }, (_, i) => i)]) {
    for (const credentials of [undefined, { pid: 1, uid: 0, gid: 65534 }]) {
      const length = structs.writeControl(view, 8, { fds, credentials });
      expect(length).toBeLessThanOrEqual(structs.CONTROL_SIZE);
      expect(structs.readControl(view, 8, length)).toEqual({ fds, credentials });
    }
  }
});

test("readControl() stops where the control data is cut off or nonsense", () => {
  const view = dirty();
  const length = structs.writeControl(view, 0, { fds: [3], credentials: { pid: 1, uid: 2, gid: 3 } });
  expect(structs.readControl(view, 0, length - structs.CMSG_SPACE(12)).credentials).toBeUndefined();
  expect(structs.readControl(view, 0, 0)).toEqual({ fds: [], credentials: undefined });
  view.setBigUint64(0, 3n, true);
  expect(structs.readControl(view, 0, length)).toEqual({ fds: [], credentials: undefined });
});

test("writeSocketAddress() refuses what sun_path has no room for, before it writes over what comes after", () => {
  const view = dirty();
  for (const path of [`/${"x".repeat(107)}`, `\0${"x".repeat(108)}`]) {
    expect(() => structs.writeSocketAddress(view, 0, { family: "unix", path: bytes(path) })).toThrow(RangeError);
  }
  expect(hex(view, 0, 4096)).toBe("ff".repeat(4096));
});

test("a msghdr without control data has a null pointer", () => {
  const view = dirty();
  structs.writeMsghdr(view, 0, 0x1000, 0x2000, 0);
  expect(hex(view, msghdr.msg_control, 16)).toBe("00".repeat(16));
});
