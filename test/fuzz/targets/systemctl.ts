/** What systemctl, journalctl and unit files say, as the doctor reads it. */

import { formatUsec } from "../../../src/protocol/durations.ts";
import type { Unit } from "../../../src/tools/doctor/facts.ts";
import { explainLine } from "../../../src/tools/doctor/journal.ts";
import { parseSetting, parseShow, parseSpan } from "../../../src/tools/doctor/parse.ts";
import { readJournalLine } from "../../../src/tools/doctor/systemctl.ts";
import { INHERITED, type Random } from "../random.ts";
import { assert, type Target } from "../target.ts";

interface Input {
  shown: [name: string, value: string][];
  span: string;
  settings: [key: string, value: string][];
  /** A line of journalctl --output=json. */
  entry: string;
  /** What PID 1 said. */
  line: string;
}

export const systemctl: Target<Input> = {
  make: (random) => ({
    shown: random.list(9, () => [
      random.pick([...NAMES, ...INHERITED]),
      random.once(3) ? random.text() : random.pick(VALUES),
    ]),
    span: random.once(2)
      ? `${random.digits()}${random.pick(UNITS)} ${random.below(60)}${random.pick(UNITS)}`
      : random.text(40),
    settings: random.list(9, () => [
      random.pick(["ExecStart", "ExecStart ", "Exec", "[Service]", "#"]),
      anySetting(random),
    ]),
    entry: anyEntry(random),
    line: anyLine(random),
  }),
  open: () => ({ check }),
};

// --- internal ---

const NAMES = ["Id", "Description", "ExecReload", "MainPID", "Environment"] as const;
const VALUES = ["", "x.service", "0", "a=b", "first\nsecond", "first\nIdx\nthird=", "\n", "[not set]"];
const UNITS = ["", "us", "ms", "s", "min", "h", "d", "w", "month", "y", "constructor", "valueof", "infinity"];

/** As much of a unit as the journal is read with. */
const UNIT = { id: "x.service", mainPid: 42, controlPid: 7, fdStoreMax: 3, fdStored: 0 } as Unit;

function check({ shown, span, settings, entry, line }: Input): void {
  checkShow(shown);
  const usec = parseSpan(span);
  assert(usec === undefined || (Number.isFinite(usec) && usec >= 0), "parseSpan()", span, usec);
  if (usec !== undefined) assert(/^[\d.e+]+ \w+/.test(formatUsec(usec)), "formatUsec()", usec, formatUsec(usec));

  const file = ["[Service]", ...settings.map(([key, value]) => (key === "[Service]" ? key : `${key}=${value}`))].join(
    "\n",
  );
  for (const value of parseSetting(file, "ExecStart")) {
    // systemd's blanks alone: a no-break space is a part of the value.
    assert(value !== "" && !/^[ \t]|[ \t]$|\n/.test(value), "parseSetting()", file, value);
  }

  for (const { text, ours } of readJournalLine(entry, { Id: "x.service", InvocationID: "1" })) {
    assert(typeof text === "string" && typeof ours === "boolean", "readJournalLine()", text, ours);
  }
  const refusal = explainLine(line, UNIT);
  if (refusal === undefined) return;
  const { why, cure } = refusal;
  assert(why.length > 0 && (cure === undefined || cure.length > 0), "explainLine()", refusal);
  assert(!/undefined|NaN|Infinity/.test(`${why} ${cure ?? ""}`), "explainLine() makes no sense", refusal);
}

/** What was asked for is found, with all of its lines; nothing else is. */
function checkShow(shown: [name: string, value: string][]): void {
  const text = shown.map(([name, value]) => `${name}=${value}\n`).join("");
  const lines = new Set(text.split("\n"));
  const values = parseShow(text, NAMES);
  const known: readonly string[] = NAMES;
  for (const [name, value] of Object.entries(values)) {
    assert(known.includes(name) && typeof value === "string", "parseShow()", values);
    // What is shown more than once is one value, of all their lines.
    for (const line of value.split("\n")) {
      const isShown = lines.has(line) || lines.has(`${name}=${line}`);
      assert(isShown, "parseShow() makes something up", values, name);
    }
  }
  for (const [name] of shown)
    assert(!known.includes(name) || Object.hasOwn(values, name), "parseShow() loses", name, values);
}

function anySetting(random: Random): string {
  if (random.once(200)) return `a${" ".repeat(random.below(50_000))}b`;
  return random.pick(["", " /bin/true ", "/bin/a \\\n  b", "\\\n", random.text()]);
}

function anyEntry(random: Random): string {
  const entry: Record<string, unknown> = {};
  for (const name of random.list(5, () =>
    random.pick(["MESSAGE", "UNIT", "USER_UNIT", "INVOCATION_ID", ...INHERITED]),
  )) {
    const value = random.pick<unknown>([
      null,
      1,
      "1",
      "x.service",
      random.text(),
      [104, 105],
      [1e9, -1, "x"],
      { a: 1 },
      true,
    ]);
    Object.defineProperty(entry, name, { value, enumerable: true, configurable: true });
  }
  const text = JSON.stringify(random.once(20) ? random.pick<unknown>([null, 1, "x", [], true]) : entry);
  return random.once(4) ? random.mutate(text) : text;
}

function anyLine(random: Random): string {
  const pid = random.pick(["1", "42", "7", "", "9".repeat(30), random.digits()]);
  const line = random.pick([
    `x.service: Got notification message from PID ${pid}, but reception is disabled.`,
    `x.service: Got notification message from PID ${pid}, but reception only permitted for main PID 42`,
    `x.service: Got notification message from PID ${pid}, but reception only permitted for main PID 42 and control PID`,
    `Cannot find unit for notify message of PID ${pid}, ignoring.`,
    `x.service: New main PID ${pid} does not belong to service, refusing.`,
    `x.service: New main PID ${pid} doesn't exist`,
    "Got notification message from PID 1".repeat(random.below(100)),
    `Failed to parse ${random.pick(["MAINPID", "ERRNO", "WATCHDOG_USEC", "CONSTRUCTOR"])}= field`,
    "Received notify message with embedded NUL bytes. Ignoring.",
    "Received notify message exceeded maximum size. Ignoring.",
    "Cannot store more fds than FileDescriptorStoreMax=3",
  ]);
  return random.once(3) ? random.mutate(line) : line;
}
