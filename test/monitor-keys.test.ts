/** The keys of the monitor, and what a terminal sends that is none of them. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { KeyParser } from "../src/tools/monitor/key-parser.ts";
import { missing, ROOT, temporaryDirectory, titled } from "./support/command.ts";
import { openTmux } from "./support/terminal.ts";

const noTmux = missing("tmux");
const directory = temporaryDirectory();
const { open, close } = openTmux(directory.path);

setDefaultTimeout(30_000);

afterAll(async () => {
  if (!noTmux) await close();
  directory[Symbol.dispose]();
});

/** What a terminal sends, and then the key x. */
const SEQUENCES: [what: string, text: string][] = [
  ["Alt+R", "\x1br"],
  ["Alt+Shift+R", "\x1bR"],
  ["F3", "\x1bOR"],
  ["Ctrl+F3 of an old xterm", "\x1bO5R"],
  ["F3 of the kitty protocol", "\x1b[13~"],
  ["Shift+F3", "\x1b[1;2R"],
  ["Alt+F3 of rxvt", "\x1b\x1bOR"],
  ["F1 of the Linux console", "\x1b[[A"],
  ["an arrow", "\x1b[A"],
  ["Delete", "\x1b[3~"],
  ["a keypad's key", "\x1bOq"],
  ["a place of the cursor", "\x1b[24;80R"],
  ["a click", "\x1b[<0;12;3M\x1b[<0;12;3m"],
  ["a click in X10's way", "\x1b[M rq"],
  ["a window that has the focus", "\x1b[I"],
  ["a colour", "\x1b]11;rgb:ffff/ffff/rrrr\x1b\\"],
  ["a colour that ends with BEL", "\x1b]11;qrt\x07"],
  ["a version", "\x1bP>|tqr\x1b\\"],
  ["a character set", "\x1b(R"],
  ["a paste", "\x1b[200~quit\nrR\x1b[20t\x1b[201~"],
  ["a paste with control characters", "\x1b[200~\x03\x1a\x1c\x1b[201~"],
  ["two pastes", "\x1b[200~q\x1b[201~\x1b[200~r\x1b\x1b[201~"],
];

describe("the parser of keys", () => {
  test.each(SEQUENCES)("finds none in %s, in whatever pieces it arrives", (_, text) => {
    const bytes = Buffer.from(`${text}x`);
    expect(new KeyParser().parse(bytes, 0)).toEqual(["x"]);
    const one = new KeyParser();
    expect([...bytes].flatMap((byte, i) => one.parse(Uint8Array.of(byte), i))).toEqual(["x"]);
    for (let i = 1; i < bytes.length; i++) {
      const parser = new KeyParser();
      const keys = [...parser.parse(bytes.subarray(0, i), 0), ...parser.parse(bytes.subarray(i), 400)];
      expect(keys).toEqual(["x"]);
    }
  });

  test("finds each of several characters, and takes no byte of another character for one", () => {
    expect(new KeyParser().parse(Buffer.from("rR?"), 0)).toEqual(["r", "R", "?"]);
    const keys = new KeyParser().parse(Buffer.from("ä€😀ŲŒq"), 0);
    expect(keys.filter((key) => key < "\x80")).toEqual(["q"]);
  });

  test.each(SEQUENCES)("takes a key for one some time after the beginning of %s", (_, text) => {
    for (let i = 1; i < text.length; i++) {
      const parser = new KeyParser();
      parser.parse(Buffer.from(text.slice(0, i)), 0);
      expect(parser.parse(Buffer.from("r"), 501)).toEqual(["r"]);
    }
  });

  test.each(SEQUENCES.filter(([what]) => !what.includes("paste")))("finds Ctrl-C in the middle of %s", (_, text) => {
    for (let i = 1; i < text.length; i++) {
      expect(new KeyParser().parse(Buffer.from(`${text.slice(0, i)}\x03`), 0)).toContain("\x03");
    }
  });
});

describe.skipIf(Boolean(noTmux))(titled("on a terminal", noTmux), () => {
  test("neither function keys, nor Alt, nor a paste does what the letters in them do", async () => {
    const command = `${ROOT}dist/sd-notify monitor --notify-access=all --`;
    const terminal = await open(`${command} sh -c '${ROOT}dist/sd-notify --ready; exec sleep 1000'; cat`);
    await terminal.until(/── active/);
    await terminal.press("F3", "M-r", "M-R", "M-t", "M-q", "S-F3", "C-F3", "M-F3", "KP5");
    for (const [, text] of SEQUENCES) {
      await terminal.press("-l", text);
      // In two reads: the terminal has the first one before the second is sent.
      await terminal.press("Escape");
      await terminal.press("-l", "OR");
    }
    await terminal.paste("quit\rRt");
    await terminal.press("?");
    const screen = await terminal.until("show this");
    expect(screen).not.toMatch(/SIG(HUP|TERM|KILL) to process/);
    await terminal.press("q");
    await terminal.until("timeline");
    // The terminal marks no paste any more: cat(1) gets it as it is.
    await terminal.paste("pasted");
    expect(await terminal.until(/^.*pasted$/m)).toMatch(/^pasted$/m);
  }, 30_000);
});
