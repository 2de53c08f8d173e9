/**
 * The environment: $NOTIFY_SOCKET, $WATCHDOG_…, $LISTEN_…, $MANAGERPID and names for the fd store, as
 * somebody hostile sets them.
 */

import { closeSync, openSync } from "node:fs";
import { SystemError } from "../../../ffi/errors.ts";
import { isCloseOnExec, keepOnExec } from "../../../ffi/syscalls.ts";
import { childEnv, listenFds, loadState, watchdogTimeoutMs } from "../../../src/index.ts";
import { isManager } from "../../../src/linux/manager.ts";
import { parseAddress } from "../../../src/protocol/address.ts";
import { whyNoFdName } from "../../../src/protocol/fd-name.ts";
import { parseUnsigned } from "../../../src/protocol/numbers.ts";
import { INHERITED, type Random } from "../random.ts";
import { assert, assertEqual, errorOf, type Target } from "../target.ts";

interface Input {
  /** "PID" stands for this process, "FDS" for those up to the ones that were passed. */
  variables: Record<string, string>;
  address: string;
  number: string;
  name: string;
}

export const environment: Target<Input> = {
  make: (random) => ({
    variables: anyVariables(random),
    address: anyAddress(random),
    number: random.once(2) ? random.digits() : random.mutate(random.digits()),
    name: random.once(2) ? random.text() : random.text(600),
  }),
  open() {
    // What was passed; and those that were not, and are nobody's business.
    const fds = Array.from({ length: 4 }, () => openSync("/dev/null", "r"));
    const before = { ...process.env };
    return {
      check: (input) => check(input, fds),
      close() {
        for (const fd of fds) closeSync(fd);
        for (const name of NAMES) delete process.env[name];
        Object.assign(process.env, before);
      },
    };
  },
};

// --- internal ---

const NAMES = [
  ...["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "MANAGERPID", "MANAGERPIDFDID"],
  ...["LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES"],
];

function check({ variables, address, number, name }: Input, fds: readonly number[]): void {
  checkAddress(address);
  assertEqual(parseUnsigned(number), readUnsigned(number), `parseUnsigned(${JSON.stringify(number)})`);
  const isName = [...name].every((character) => /[ -9;-~]/.test(character)) && name.length <= 255;
  assertEqual(whyNoFdName(name) === undefined, isName, "whyNoFdName()");

  for (const name of NAMES) delete process.env[name];
  // Names that are passed are the last two but one.
  const passed = `${(fds[1] ?? 0) - 2}`;
  for (const [name, value] of Object.entries(variables)) {
    process.env[name] = value.replace(/^PID$/, `${process.pid}`).replace(/^FDS$/, passed);
  }
  checkWatchdog();
  checkListenFds(fds, name);
  isManager(1, (warning) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are meant.
    assert(!/[\x00-\x1f\x7f-\x9f]/.test(warning), "the warning is more than a line of text", warning);
  });
  const env = childEnv({ ...variables, OTHER: "1" });
  assertEqual(
    Object.keys(env).filter((key) => /^(NOTIFY|WATCHDOG|LISTEN)_/.test(key)),
    [],
    "what childEnv() leaves",
  );
  assertEqual(env.OTHER, "1", "what childEnv() keeps");
}

function checkAddress(text: string): void {
  let address: ReturnType<typeof parseAddress> | undefined;
  if (errorOf(() => (address = parseAddress(text, "the socket")), SyntaxError)) return;
  if (address?.family === "unix") {
    const { path } = address;
    assert(path.length >= 2 && path.length < 4096 && !path.subarray(1).includes(0), "no path", text, path);
    assert(path[0] === (text.startsWith("@") ? 0 : 47) && (path[0] !== 0 || path.length <= 108), "no path", text, path);
  } else if (address) {
    assert(/^vsock(-stream|-dgram|-seqpacket)?:/.test(text), "no scheme", text);
    const [, cid = "", port = ""] = text.split(":");
    assertEqual([BigInt(address.cid), BigInt(address.port)], [readUnsigned(cid), readUnsigned(port)], "CID and port");
    assert(address.cid < 0xffffffff && address.port < 0xffffffff, "no CID or port", address);
  }
}

function checkWatchdog(): void {
  let timeoutMs: number | undefined;
  if (errorOf(() => (timeoutMs = watchdogTimeoutMs()), SyntaxError)) return;
  assert(timeoutMs === undefined || (timeoutMs > 0 && Number.isFinite(timeoutMs)), "no time", timeoutMs);
}

function checkListenFds(fds: readonly number[], name: string): void {
  for (const fd of fds) keepOnExec(fd, true);
  let found: ReturnType<typeof listenFds> = [];
  const error = errorOf(() => (found = listenFds()), SyntaxError, SystemError);
  const last = found.at(-1)?.fd ?? 0;
  assert(
    found.every(({ fd, kind }, i) => fd === 3 + i && typeof kind === "string"),
    "no fds",
    found,
  );
  // Those that are not passed are left alone.
  if (!(error instanceof SystemError)) {
    for (const fd of fds) assertEqual(isCloseOnExec(fd), fd <= last, `close-on-exec of fd ${fd}, passed up to ${last}`);
  }
  let state: Uint8Array | undefined;
  errorOf(() => (state = loadState(name)), TypeError, SyntaxError, SystemError);
  assert(state === undefined, "there is no state", state);
}

/** The grammar of safe_atou64(), a character at a time. */
function readUnsigned(text: string): bigint | undefined {
  let i = 0;
  while (" \t\n\v\f\r".includes(text[i] ?? "x")) i++;
  if (text[i] === "+") i++;
  let [base, digits] = [10n, "0123456789"];
  const prefix = text.slice(i, i + 2).toLowerCase();
  if (prefix === "0x") [base, digits, i] = [16n, "0123456789abcdef", i + 2];
  else if (prefix === "0b") [base, digits, i] = [2n, "01", i + 2];
  else if (prefix === "0o") [base, digits, i] = [8n, "01234567", i + 2];
  else if (text[i] === "0") [base, digits] = [8n, "01234567"];
  if (i === text.length) return undefined;
  let value = 0n;
  for (; i < text.length; i++) {
    const digit = digits.indexOf((text[i] as string).toLowerCase());
    if (digit === -1) return undefined;
    value = value * base + BigInt(digit);
    if (value >= 2n ** 64n) value = 2n ** 64n;
  }
  return value < 2n ** 64n ? value : undefined;
}

function anyVariables(random: Random): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const name of NAMES) if (!random.once(3)) variables[name] = anyValue(random, name).replaceAll("\0", "");
  return variables;
}

function anyValue(random: Random, name: string): string {
  if (random.once(12)) return random.text();
  if (name === "NOTIFY_SOCKET") return anyAddress(random);
  if (name === "LISTEN_FDNAMES")
    return random.once(2) ? random.list(8, () => random.text(4)).join(":") : ":".repeat(random.below(9));
  if (name.endsWith("PID") && !random.once(4)) return "PID";
  if (name === "LISTEN_FDS" && !random.once(3)) return random.once(2) ? "FDS" : `${random.below(12)}`;
  return random.digits();
}

function anyAddress(random: Random): string {
  const scheme = random.pick(["vsock", "vsock-stream", "vsock-dgram", "vsock-seqpacket", "vsock-", ...INHERITED]);
  const text = random.pick([
    ...[
      "/run/systemd/notify",
      "@name",
      "/",
      "@",
      "",
      "relative",
      `@${"x".repeat(107)}`,
      `/${"y".repeat(106 + random.below(4))}`,
    ],
    ...[`/${"z/".repeat(2047)}`, `${scheme}:${random.digits()}:${random.digits()}`, `${scheme}:2:${random.digits()}`],
  ]);
  return random.once(3) ? random.mutate(text) : text;
}
