import { expect, test } from "bun:test";
import { line, styled } from "../src/console/line.ts";
import { decodeBytes } from "../src/linux/bytes.ts";
import { printable, printableJson, printableLines } from "../src/protocol/printable.ts";
import { shorten } from "../src/protocol/shorten.ts";
import type { MonitorEvent } from "../src/tools/monitor/events.ts";
import { show } from "../src/tools/monitor/show.ts";
import { nastyWord } from "./support/nasty.ts";

/** What is neither printable nor ours: newlines, and colours where they are wanted. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are meant.
const STRANGE = /(?!\n|[\u200c\u200d]|\x1b\[\d+m)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

test.each([
  ["plain 字 é e\u0301 👨‍👩‍👧 می\u200cخواهم", "plain 字 é e\u0301 👨‍👩‍👧 می\u200cخواهم"],
  ["\x00\x1b[31m\r\n\t\x7f", "\\x00\\x1b[31m\\x0d\\x0a\\x09\\x7f"],
  ["\x85\x9b31m", "\\x85\\x9b31m"],
  ["\u2028\u2029", "\\u2028\\u2029"],
  ["\u202a\u202b\u202c\u202d\u202e", "\\u202a\\u202b\\u202c\\u202d\\u202e"],
  ["\u2066\u2067\u2068\u2069\u200e\u200f\u061c", "\\u2066\\u2067\\u2068\\u2069\\u200e\\u200f\\u061c"],
  ["RE\u200bADY\ufeff\u00ad", "RE\\u200bADY\\ufeff\\xad"],
  ["\u{e0041}", "\\u{e0041}"],
  ["\ud83d!\udcff", "\\ud83d!\\xff"],
])("printable(%j) is %s", (text, shown) => {
  expect(printable(text)).toBe(shown);
});

test("printableJson() has escapes for the same, and is read as what it was", () => {
  for (let i = 0; i < 1000; i++) {
    const value = { word: nastyWord(i).toWellFormed(), more: [1, true, null, undefined] };
    const json = printableJson(value);
    expect(json).not.toMatch(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    expect(JSON.parse(json)).toEqual({ ...value, more: [1, true, null, null] });
  }
  expect(printableJson(["\ud83d", "\udcff"])).toBe('["\ufffd","\ufffd"]');
});

test("printableLines() leaves newlines and colours, and no other sequence", () => {
  expect(printableLines("\x1b[1;31ma\x1b[0m\n\x1b]0;title\x07\x1b[2Jb\r")).toBe(
    "\x1b[1;31ma\x1b[0m\n\\x1b]0;title\\x07\\x1b[2Jb\\x0d",
  );
});

test("what is put into a line can neither end nor colour it", () => {
  const told = line`${styled("red", "a\x1b[32m\nb")} ${1} ${line`in ${styled("bold", "c\u202e")}`}`;
  expect(told.render(false)).toBe("a\\x1b[32m\\x0ab 1 in c\\u202e");
  expect(told.render(true)).toBe("\x1b[31ma\\x1b[32m\\x0ab\x1b[39m 1 in \x1b[1mc\\u202e\x1b[22m");
});

test("decodeBytes() loses nothing", () => {
  expect(decodeBytes(Buffer.from("字👨\ufeff"))).toBe("字👨\ufeff");
  expect(decodeBytes(Uint8Array.of(0x61, 0xff, 0xc3, 0xa9, 0xed, 0xb2, 0x80, 0xc3))).toBe(
    "a\udcffé\udced\udcb2\udc80\udcc3",
  );
  for (let i = 0; i < 300; i++) {
    const bytes = Uint8Array.from({ length: 20 }, (_, k) => (nastyWord(i).charCodeAt(k % 7) * 31 + k * i) & 0xff);
    const encoded = [...decodeBytes(bytes)].map((character) => {
      const code = character.charCodeAt(0);
      return character.isWellFormed() ? Buffer.from(character) : Buffer.of(code - 0xdc00);
    });
    expect(new Uint8Array(Buffer.concat(encoded))).toEqual(bytes);
  }
});

test("shorten() cuts no character in two", () => {
  expect(shorten("abc", 3)).toBe("abc");
  expect(shorten("abcd", 3)).toBe("ab…");
  expect(shorten("a👨bc", 3)).toBe("a…");
});

/** One event of each kind, with the text wherever one may be somebody else's. */
function eventsOf(text: string): MonitorEvent[] {
  const sender = { pid: 1, uid: 0, role: "main", name: text } as const;
  const verdict = { effects: [text], problems: [{ what: text, why: text, cure: text }] };
  const received = { timeUsec: 1, sender, verdict };
  return [
    { event: "started", timeUsec: 1, pid: 1, command: [text, text], socket: text, fds: [text, text] },
    { event: "message", ...received, text, receivedUsec: 1, fds: [{ name: text, kind: "memfd" }] },
    { event: "barrier", ...received, answeredUsec: 1 },
    { event: "phase", timeUsec: 1, from: "inactive", to: "failed", why: text },
    { event: "signal", timeUsec: 1, signal: "SIGTERM", pids: [1], why: text },
    { event: "fd", timeUsec: 1, name: text, what: text },
    { event: "exit", timeUsec: 1, pid: 1, code: null, signal: text },
    { event: "end", timeUsec: 1, timeline: [], messages: 1, ignored: 1, status: 1, why: text },
  ];
}

test("whatever an event has in it, the monitor prints what is printable, in its colours and lines", () => {
  for (let i = 0; i < 300; i++) {
    for (const event of eventsOf(nastyWord(i).repeat(1 + (i % 3)))) {
      for (const columns of [undefined, 60]) {
        const text = show(event, { columns, colour: true });
        expect(text).not.toMatch(STRANGE);
        expect(text).toEndWith("\n");
        const plain = show(event, { columns, colour: false });
        expect(Bun.stripANSI(text)).toBe(plain);
        const lines = plain.trimEnd().split("\n");
        if (columns) expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(columns);
      }
    }
  }
});

test("the monitor has as many lines as there are facts, whatever they are", () => {
  const count = (text: string) =>
    eventsOf(text).map((event) => show(event, { columns: undefined, colour: false }).split("\n").length);
  // The lines of a message are shown as lines.
  for (let i = 0; i < 300; i++) expect(count(nastyWord(i).replaceAll("\n", "\r"))).toEqual(count("x"));
});

test.each([
  "字".repeat(300),
  "e\u0301".repeat(300),
  "👨‍👩‍👧 ".repeat(100),
  "🇩🇪".repeat(100),
  "ﷺ".repeat(100),
  "\u0301".repeat(500),
])("wide and combining characters are cut nowhere at 60 columns: %#", (text) => {
  for (const event of eventsOf(text)) {
    const lines = show(event, { columns: 60, colour: true }).trimEnd().split("\n");
    expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(60);
    expect(lines.join("")).not.toMatch(/[\p{Cs}\ufffd]/u);
  }
});
