import { describe, expect, test } from "bun:test";
import { decode } from "../src/protocol/decode.ts";
import { encode } from "../src/protocol/encode.ts";
import { type Facts, FIELD_NAMES } from "../src/protocol/fields.ts";
import type { State } from "../src/protocol/state.ts";
import { MAX_MESSAGE_LENGTH } from "../src/protocol/wire.ts";

const facts: Facts = { monotonicUsec: () => 123456789, pidfdInode: (pid) => BigInt(pid) + 1000n };
const wire = (state: object) => encode(state as State, facts);

describe("encode()", () => {
  const cases: [State, string][] = [
    [{ ready: true }, "READY=1"],
    [{ reloading: true }, "RELOADING=1\nMONOTONIC_USEC=123456789"],
    [{ stopping: true }, "STOPPING=1"],
    [{ status: "listening on :3000" }, "STATUS=listening on :3000"],
    [{ status: "" }, "STATUS="],
    [{ status: "größe ✓ 日本語 🎉 a=b" }, "STATUS=größe ✓ 日本語 🎉 a=b"],
    [{ mainPid: 42 }, "MAINPID=42\nMAINPIDFDID=1042"],
    [{ notifyAccess: "exec" }, "NOTIFYACCESS=exec"],
    [{ errno: 2 }, "ERRNO=2"],
    [{ errno: 0 }, "ERRNO=0"],
    [{ busError: "org.freedesktop.DBus.Error.TimedOut" }, "BUSERROR=org.freedesktop.DBus.Error.TimedOut"],
    [{ varlinkError: "org.varlink.service.InvalidParameter" }, "VARLINKERROR=org.varlink.service.InvalidParameter"],
    [{ exitStatus: 255 }, "EXIT_STATUS=255"],
    [{ watchdog: true }, "WATCHDOG=1"],
    [{ watchdog: "trigger" }, "WATCHDOG=trigger"],
    [{ watchdogTimeoutMs: 20_000 }, "WATCHDOG_USEC=20000000"],
    [{ watchdogTimeoutMs: 0.0015 }, "WATCHDOG_USEC=2"],
    [{ extendTimeoutMs: 1.5 }, "EXTEND_TIMEOUT_USEC=1500"],
    [{ restartReset: true }, "RESTART_RESET=1"],
    [{ extra: { X_COLOUR: "green", X_COUNT: 12, FDSTORE: 1 } }, "X_COLOUR=green\nX_COUNT=12\nFDSTORE=1"],
  ];
  test.each(cases)("%j", (state, text) => {
    expect(wire(state)).toBe(text);
  });

  test("puts the fields in the order of systemd-notify(1), however they were given", () => {
    expect(wire({ extra: { A: 1 }, mainPid: 7, status: "s", stopping: true, ready: true, reloading: true })).toBe(
      "RELOADING=1\nMONOTONIC_USEC=123456789\nREADY=1\nSTOPPING=1\nSTATUS=s\nMAINPID=7\nMAINPIDFDID=1007\nA=1",
    );
  });

  test("writes a backslash twice, because PID 1 takes it for an escape", () => {
    expect(wire({ status: "C:\\dir\\", busError: "\\", extra: { X: "\\n" } })).toBe(
      "STATUS=C:\\\\dir\\\\\nBUSERROR=\\\\\nX=\\\\n",
    );
  });

  test("leaves out what is false or undefined", () => {
    expect(wire({ ready: false, watchdog: false, status: undefined, extra: {}, stopping: true })).toBe("STOPPING=1");
  });

  test("leaves out MAINPIDFDID where the kernel has no pidfs", () => {
    expect(encode({ mainPid: 42 }, { ...facts, pidfdInode: () => undefined })).toBe("MAINPID=42");
  });

  test("asks the system only for the fields that need it", () => {
    const ask = () => {
      throw new Error("asked");
    };
    expect(encode({ ready: true, status: "s" }, { monotonicUsec: ask, pidfdInode: ask })).toBe("READY=1\nSTATUS=s");
  });

  test("checks every field before it asks the system", () => {
    const ask = () => {
      throw new Error("asked");
    };
    const asking: Facts = { monotonicUsec: ask, pidfdInode: ask };
    expect(() => encode({ reloading: true, mainPid: 1, status: "a\nb" }, asking)).toThrow(TypeError);
    expect(() => encode({ reloading: true, status: "x".repeat(5000) }, asking)).toThrow(RangeError);
  });

  test("leaves room for what the system adds, whatever that is", () => {
    const shortest: Facts = { monotonicUsec: () => 1, pidfdInode: () => undefined };
    const longest: Facts = { monotonicUsec: () => Number.MAX_SAFE_INTEGER, pidfdInode: () => 2n ** 64n - 1n };
    const status = "x".repeat(
      4096 -
        "RELOADING=1\nMONOTONIC_USEC=9007199254740991\nSTATUS=\nMAINPID=1\nMAINPIDFDID=18446744073709551615".length,
    );
    expect(encode({ reloading: true, mainPid: 1, status }, longest)).toHaveLength(4096);
    for (const facts of [shortest, longest]) {
      expect(() => encode({ reloading: true, mainPid: 1, status: `${status}x` }, facts)).toThrow(RangeError);
    }
  });

  test("takes a message of as many bytes as PID 1 reads, and no more", () => {
    const most = "x".repeat(MAX_MESSAGE_LENGTH - "STATUS=".length);
    expect(wire({ status: most })).toHaveLength(4096);
    expect(() => wire({ status: `${most}x` })).toThrow(
      RangeError(
        "Cannot notify: the message is 4097 bytes long, and the service manager drops one of more than 4096; shorten status",
      ),
    );
    expect(() => wire({ status: "ok", extra: { X: "ü".repeat(2048) } })).toThrow(/4108 bytes long.*shorten extra\.X/);
  });
});

describe("encode() refuses", () => {
  const type: [object, string][] = [
    [{ ready: 1 }, "ready must be a boolean, not 1"],
    [{ ready: "yes" }, 'ready must be a boolean, not "yes"'],
    [{ reloading: null }, "reloading must be a boolean, not null"],
    [{ status: 5 }, "status must be a string, not 5"],
    [{ status: "a\nSTOPPING=1" }, "status must be one line, but contains a newline"],
    [{ status: "a\rSTOPPING=1" }, "status must be one line, but contains a carriage return"],
    [{ extra: { X: "\r" } }, "extra.X must be one line, but contains a carriage return"],
    [{ status: "a\0b" }, "status must be one line, but contains a NUL"],
    [{ status: "a\ud800b" }, "status contains a lone surrogate"],
    [{ busError: "a\nb" }, "busError must be one line"],
    [{ varlinkError: 1n }, "varlinkError must be a string, not 1"],
    [{ notifyAccess: "everyone" }, 'notifyAccess must be one of none, main, exec, all, not "everyone"'],
    [{ watchdog: "yes" }, 'watchdog must be a boolean or "trigger", not "yes"'],
    [{ errno: "2" }, 'errno must be an integer, not "2"'],
    [{ mainPid: {} }, "mainPid must be an integer, not [object Object]"],
    [{ watchdogTimeoutMs: "5" }, 'watchdogTimeoutMs must be a number of milliseconds, not "5"'],
    [{ extra: "X=1" }, 'extra must be an object, not "X=1"'],
    [{ extra: { "": 1 } }, '"" in extra is no name'],
    [{ extra: { "A=B": 1 } }, '"A=B" in extra is no name'],
    [{ extra: { "A\nB": 1 } }, '"A\\nB" in extra is no name'],
    [{ extra: { "1A": 1 } }, '"1A" in extra is no name'],
    [{ extra: { X: "a\nb" } }, "extra.X must be one line, but contains a newline"],
    [{ extra: { X: "\udfff" } }, "extra.X contains a lone surrogate"],
    [{ extra: { X: true } }, "extra.X must be a string or a number, not true"],
    [{ extra: { READY: 1 } }, "extra.READY is the field ready: set that instead"],
    [{ status: "s", extra: { STATUS: "t" } }, "extra.STATUS is the field status: set that instead"],
    [{ extra: { MONOTONIC_USEC: 1 } }, "extra.MONOTONIC_USEC is not for extra: the field reloading adds it"],
    [{ extra: { BARRIER: 1 } }, "extra.BARRIER is not for extra: barrier() sends it"],
    [{ redy: true }, 'the state has no field "redy": the fields are reloading, ready'],
    [{ READY: true }, 'the state has no field "READY": did you mean ready?'],
    [{ mainPID: 1 }, 'the state has no field "mainPID": did you mean mainPid?'],
    [{}, "nothing to say"],
    [{ ready: false, status: undefined }, "nothing to say"],
  ];
  test.each(type.map(([state, message]) => [message, state] as const))("%s (TypeError)", (message, state) => {
    expect(() => wire(state)).toThrow(TypeError);
    expect(() => wire(state)).toThrow(message);
  });

  test.each(["READY=1", null, undefined, 5])("a state that is %p (TypeError)", (state) => {
    expect(() => wire(state as unknown as State)).toThrow(TypeError);
  });

  const range: [object, string][] = [
    [{ errno: 1.5 }, "errno must be an integer from 0 to 4095, not 1.5"],
    [{ errno: -1 }, "errno must be"],
    [{ errno: Number.NaN }, "errno must be"],
    [{ exitStatus: 256 }, "exitStatus must be an integer from 0 to 255, not 256"],
    [{ mainPid: 0 }, "mainPid must be an integer from 1"],
    [{ mainPid: 2 ** 31 }, "mainPid must be"],
    [{ watchdogTimeoutMs: -1 }, "watchdogTimeoutMs must be a finite number of milliseconds from 0, not -1"],
    [{ watchdogTimeoutMs: Number.NaN }, "watchdogTimeoutMs must be"],
    [{ extendTimeoutMs: Number.POSITIVE_INFINITY }, "extendTimeoutMs must be"],
    [{ extendTimeoutMs: 1e300 }, "extendTimeoutMs must be"],
    [{ extra: { X: Number.POSITIVE_INFINITY } }, "extra.X must be finite, not Infinity"],
  ];
  test.each(range.map(([state, message]) => [message, state] as const))("%s (RangeError)", (message, state) => {
    expect(() => wire(state)).toThrow(RangeError);
    expect(() => wire(state)).toThrow(message);
  });
});

test("an error names what is wrong in a few words, without half a character", () => {
  const message = (state: object) => {
    try {
      return wire(state);
    } catch (error) {
      return (error as Error).message;
    }
  };
  const key = "K".repeat(5000);
  for (const state of [{ extra: { [key]: true } }, { extra: { [key]: "x" } }, { ready: `${"x".repeat(57)}🎉🎉` }]) {
    expect(message(state).length).toBeLessThan(300);
    expect(message(state).isWellFormed()).toBe(true);
  }
});

describe("decode()", () => {
  test("reads back every field that encode() writes", () => {
    const state: State = {
      reloading: true,
      ready: true,
      stopping: true,
      status: "a=b",
      mainPid: 42,
      notifyAccess: "all",
      errno: 5,
      busError: "a.b",
      varlinkError: "c.d",
      exitStatus: 3,
      watchdog: "trigger",
      watchdogTimeoutMs: 1500,
      extendTimeoutMs: 0.25,
      restartReset: true,
      extra: { X_A: "1" },
    };
    expect(Object.keys(state)).toEqual([...FIELD_NAMES, "extra"]);
    const { extra, ...decoded } = decode(wire(state));
    const { extra: _, ...typed } = state;
    expect(decoded).toEqual(typed);
    expect(extra).toEqual({ MONOTONIC_USEC: "123456789", MAINPIDFDID: "1042", X_A: "1" });
  });

  test("reads lines as PID 1 does: carriage returns end them, backslashes escape, a NUL ends all", () => {
    expect(decode("READY=1\rSTATUS=a\\\\b\n\n\rX=1\0")).toEqual({ ready: true, status: "a\\b", extra: { X: "1" } });
    expect(decode("STATUS=a\\\nREADY=1")).toEqual({ status: "a\nREADY=1" });
    expect(decode("READY=1\nSTATUS=a\\")).toEqual({});
    expect(decode("\ufeffREADY=1")).toEqual({ extra: { "\ufeffREADY": "1" } });
  });

  test("reads numbers as PID 1 does", () => {
    expect(decode("MAINPID=0x10\nERRNO=010\nWATCHDOG_USEC=+1000")).toEqual({
      mainPid: 16,
      errno: 8,
      watchdogTimeoutMs: 1,
    });
  });

  test("lets the first of two equal keys win", () => {
    expect(decode("STATUS=a\nSTATUS=b\nX=1\nX=2")).toEqual({ status: "a", extra: { X: "1" } });
  });

  test("keeps what is no value of its field in extra, and drops lines that assign nothing", () => {
    expect(decode("READY=0\nERRNO=ENOENT\nWATCHDOG_USEC=-1\nfoo\n=x\n\nMAINPID=0\n__proto__=x")).toEqual({
      extra: Object.fromEntries([
        ["READY", "0"],
        ["ERRNO", "ENOENT"],
        ["WATCHDOG_USEC", "-1"],
        ["MAINPID", "0"],
        ["__proto__", "x"],
      ]),
    });
  });
});
