import { describe, expect, test } from "bun:test";
import { parseAddress } from "../src/protocol/address.ts";

const parse = (text: string) => parseAddress(text, "$NOTIFY_SOCKET");
const unix = (path: string) => ({ family: "unix" as const, path: new TextEncoder().encode(path) });

describe("parseAddress() reads", () => {
  const long = `/${"x".repeat(4094)}`;
  test.each([
    ["/run/systemd/notify", unix("/run/systemd/notify")],
    ["/x", unix("/x")],
    ["/größe", unix("/größe")],
    [long, unix(long)],
    ["@x", unix("\0x")],
    [`@${"x".repeat(107)}`, unix(`\0${"x".repeat(107)}`)],
    ["vsock:0x2:010", { family: "vsock" as const, cid: 2, port: 8 }],
    ["vsock:2:1234", { family: "vsock" as const, cid: 2, port: 1234 }],
    ["vsock-stream:0:0", { family: "vsock" as const, type: "stream" as const, cid: 0, port: 0 }],
    ["vsock-dgram:4294967294:1", { family: "vsock" as const, type: "dgram" as const, cid: 4294967294, port: 1 }],
    [
      "vsock-seqpacket:3:4294967294",
      { family: "vsock" as const, type: "seqpacket" as const, cid: 3, port: 4294967294 },
    ],
  ])("case %#", (text, address) => {
    expect(parse(text)).toEqual(address);
  });
});

describe("parseAddress() refuses with a SyntaxError that quotes it", () => {
  test.each([
    ["", "it is empty"],
    ["/", "nothing follows the /"],
    ["@", "nothing follows the @"],
    ["relative", "it must be /path, @name or vsock:CID:PORT"],
    ["./relative", "it must be"],
    ["unix:/path", "it must be"],
    ["constructor:1:2", "it must be"],
    ["/a\0b", "it contains a NUL"],
    [`@${"x".repeat(108)}`, "an abstract name has at most 107 bytes, not 108"],
    [`@${"ü".repeat(54)}`, "not 108"],
    [`/${"x".repeat(4095)}`, "a path has at most 4095 bytes, not 4096"],
    ["vsock:", "it must be vsock:CID:PORT"],
    ["vsock:1", "it must be vsock:CID:PORT"],
    ["vsock:1:2:3", "it must be vsock:CID:PORT"],
    ["vsock::1234", '"" is no CID'],
    ["vsock:abc:1234", '"abc" is no CID'],
    ["vsock:4294967295:1234", '"4294967295" is no CID'],
    ["vsock:-1:1234", '"-1" is no CID'],
    ["vsock:2:", '"" is no port'],
    ["vsock:2:4294967295", '"4294967295" is no port'],
    ["vsock-foo:1:1234", "it must be /path"],
    ["vsock-dgram:x:1", '"x" is no CID'],
  ])("case %#", (text, why) => {
    expect(() => parse(text)).toThrow(SyntaxError);
    expect(() => parse(text)).toThrow(`Cannot use $NOTIFY_SOCKET ${JSON.stringify(text)}: `);
    expect(() => parse(text)).toThrow(why);
  });
});
