/** encode() and decode(): what one makes, the other reads back, and the service manager reads the same. */

import { decode } from "../../../src/protocol/decode.ts";
import { encode } from "../../../src/protocol/encode.ts";
import { type Facts, FIELD_NAMES, fieldOf } from "../../../src/protocol/fields.ts";
import type { State } from "../../../src/protocol/state.ts";
import { MAX_MESSAGE_LENGTH } from "../../../src/protocol/wire.ts";
import { INHERITED, type Random } from "../random.ts";
import { assert, assertEqual, errorOf, type Target } from "../target.ts";
import { messageText } from "../texts.ts";

interface Input {
  state: unknown;
  /** What the system says. */
  usec: number;
  inode: bigint | undefined;
  /** Something else to decode. */
  text: string;
}

export const message: Target<Input> = {
  make: (random) => ({
    state: random.once(200) ? anything(random) : anyState(random),
    usec: random.pick([0, 1, 123456789, Number.MAX_SAFE_INTEGER]),
    inode: random.pick([undefined, 0n, 1n, 2n ** 64n - 1n]),
    text: messageText(random),
  }),
  open: () => ({ check }),
};

// --- internal ---

function check({ state, usec, inode, text }: Input): void {
  const facts: Facts = { monotonicUsec: () => usec, pidfdInode: () => inode };
  let encoded = "";
  const error = errorOf(() => (encoded = encode(state as State, facts)), TypeError, RangeError);
  if (error)
    assert(/^Cannot notify: \S[\s\S]{5,400}$/.test(error.message), "the error says too little or too much", error);
  else checkEncoded(encoded, expected(state as State, usec, inode));

  const decoded = decode(text);
  for (const [name, value] of Object.entries(decoded)) {
    assert(fieldOf(name) !== undefined || name === "extra", "there is no such field", name);
    if (name !== "extra") assert(value !== undefined, "a field has no value", name);
  }
  // What was read can be sent, or is refused: a key in lower case, say, or of a field with another value.
  let again = "";
  if (!errorOf(() => (again = encode(decoded, facts)), TypeError, RangeError)) {
    assertEqual(withoutFacts(decode(again)), withoutFacts(decoded), "decode(), encode() and decode()");
  }
}

function checkEncoded(text: string, state: State): void {
  assert(text.isWellFormed() && !/[\0\r]/.test(text), "the text can't be sent", text);
  assert(Buffer.byteLength(text) <= MAX_MESSAGE_LENGTH, "the text is too long", text.length);
  assertEqual(decode(text), state, "decode() of what encode() made");
  const { extra = {}, ...fields } = state;
  assertEqual(tags(text)?.length, Object.keys(fields).length + Object.keys(extra).length, "how many lines PID 1 finds");
  for (const tag of [`STATUS=${state.status}`, ...Object.entries(extra).map(([key, value]) => `${key}=${value}`)]) {
    if (tag !== "STATUS=undefined") assert(tags(text)?.includes(tag) === true, "PID 1 does not find", tag, text);
  }
}

/** What decode() is to return: the state without what is not sent, with what the system says. */
function expected(state: State, usec: number, inode: bigint | undefined): State {
  const result: Record<string, unknown> = {};
  for (const name in state) {
    const value = state[name as keyof State];
    if (value === undefined || value === false || name === "extra") continue;
    const isTime = name === "watchdogTimeoutMs" || name === "extendTimeoutMs";
    result[name] = isTime
      ? Math.round((value as number) * 1000) / 1000 + 0
      : typeof value === "number"
        ? value + 0
        : value;
  }
  const extra: [string, string][] = Object.entries(state.extra ?? {}).map(([key, value]) => [key, `${value}`]);
  if (state.reloading) extra.push(["MONOTONIC_USEC", `${usec}`]);
  if (state.mainPid !== undefined && inode !== undefined) extra.push(["MAINPIDFDID", `${inode}`]);
  return { ...result, ...(extra.length > 0 && { extra: Object.fromEntries(extra) }) };
}

/** Those the encoder adds each time. */
function withoutFacts({ extra = {}, ...state }: State): State {
  const { MONOTONIC_USEC: _, MAINPIDFDID: __, ...rest } = extra;
  return { ...state, extra: rest };
}

/** extract_first_word() of systemd's src/basic/extract-word.c, without flags, as strv_split_newlines() calls it. */
function tags(text: string): string[] | undefined {
  const found: string[] = [];
  for (let i = 0; i < text.length; ) {
    if (text[i] === "\n" || text[i] === "\r") {
      i++;
      continue;
    }
    let tag = "";
    for (; i < text.length && text[i] !== "\n" && text[i] !== "\r"; i++) {
      if (text[i] === "\\" && ++i === text.length) return undefined;
      tag += text[i];
    }
    found.push(tag);
  }
  return found;
}

function anyState(random: Random): object {
  const state: Record<string, unknown> = random.once(20) ? Object.create(null) : {};
  for (const name of random.list(6, () => random.pick(FIELD_NAMES))) state[name] = fieldValue(random, name);
  if (random.once(3)) state.extra = random.once(20) ? anything(random) : anyExtra(random);
  if (random.once(30))
    define(state, random.pick([...INHERITED, "READY", "Status", "", random.text()]), anything(random));
  return state;
}

function fieldValue(random: Random, name: string): unknown {
  if (random.once(60)) return anything(random);
  switch (name) {
    case "status":
    case "busError":
    case "varlinkError":
      return random.once(2)
        ? clean(random.text(200))
        : random.once(200)
          ? "ü\\".repeat(random.below(1400))
          : random.text();
    case "notifyAccess":
      return random.pick(["none", "main", "exec", "all"]);
    case "watchdog":
      return random.pick([true, false, "trigger"]);
    case "mainPid":
      return random.pick([1, 7, 0x7fffffff, random.number()]);
    case "errno":
    case "exitStatus":
      return random.pick([0, 1, 255, 256, 4095, random.number()]);
    case "watchdogTimeoutMs":
    case "extendTimeoutMs":
      return random.pick([Math.abs(random.number()), random.number()]);
    default:
      return !random.once(8);
  }
}

function anyExtra(random: Random): object {
  const extra: Record<string, unknown> = {};
  const names = random.list(8, () =>
    random.pick(["X_A", "x", "_", "FDNAME", "FDPOLL", ...INHERITED, "STATUS", "BARRIER"]),
  );
  if (random.once(40)) names.push(random.text());
  if (random.once(400)) names.push("K".repeat(random.below(5000)));
  for (const name of names) {
    const value = random.once(2) ? clean(random.text()) : random.once(4) ? random.text() : random.number();
    define(extra, name, random.once(100) ? anything(random) : value);
  }
  return extra;
}

/** Without what is refused: most messages are to be sent. */
function clean(text: string): string {
  return text.replace(/[\n\r\0]/g, "").toWellFormed();
}

function anything(random: Random): unknown {
  return random.pick<unknown>([
    ...[undefined, null, true, false, random.number(), 10n ** 30n, random.text(), Symbol("x"), [], ["a"], {}],
    ...[() => 1, new Map([["a", 1]]), new Date(0), new String("x"), new Proxy({}, {}), /x/, new Error("x")],
  ]);
}

/** Sets a property of any name, "__proto__" too. */
function define(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}
