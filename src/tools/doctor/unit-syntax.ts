/** What a unit file can say, and how: systemd.syntax(7), and systemd.service(5), "COMMAND LINES". Pure. */

import { firstUnprintable, printable } from "../../protocol/printable.ts";
import { shorten } from "../../protocol/shorten.ts";

/** A value as a unit file has it; or why no unit file can say it. */
export type Said = { text: string } | { why: string };

/** Returns a line of a unit file. It is a comment if no unit file can say the value. */
export function setting(name: string, said: Said): string {
  return "text" in said ? `${name}=${said.text}` : `# ${name}= is left out: ${said.why}`;
}

/** A value that is taken literally, except for specifiers: Description=, User=, WorkingDirectory= and most others. */
export function plainValue(text: string): Said {
  const unsayable = firstUnprintable(text);
  if (unsayable !== undefined) return { why: `it has ${unsayable}, and this setting knows no escapes` };
  if (/^\s|\s$/.test(text)) return { why: "it begins or ends with a blank, which systemd drops" };
  if (endsInBackslash(text)) return { why: JOINS };
  return fitting(text.replaceAll("%", "%%"));
}

/** A path of BindReadOnlyPaths=. */
export function bindPath(path: string): Said {
  const unsayable = firstUnprintable(path) ?? /[:\\'"]/.exec(path)?.[0];
  // systemd 252 unquotes once, 262 twice.
  if (unsayable !== undefined) return { why: `it has ${unsayable}, which each systemd reads in another way` };
  const text = path.replaceAll("%", "%%");
  return fitting(text.includes(" ") ? `"${text}"` : text);
}

/** A command line that executes a program with exactly these arguments; the first is the name by which it is called. */
export function quoteCommand(program: string, argv: readonly string[]): Said {
  // config_parse_exec() of systemd's src/core/load-fragment.c: string_is_safe().
  const unsafe = [...program].find((character) => character < " " || "\"'\\\x7f".includes(character));
  if (unsafe !== undefined) return { why: `systemd executes no path that has ${printable(unsafe)}` };
  // PID 1 would start it, but could tell nobody of it, because D-Bus strings are UTF-8.
  const stray = [program, ...argv].find((word) => !word.isWellFormed());
  if (stray !== undefined)
    return { why: `systemctl can't show a unit with what is not UTF-8, as in ${printable(shorten(stray, 40))}` };
  const [name = program, ...args] = argv;
  // A "$" in the path is literal, but in the name it would begin a variable. "@" says that a name follows.
  const path = escapeArgument(program).replaceAll("$$", "$");
  const start = name === program && !name.includes("$") ? [quote(path)] : [quote(`@${path}`), quoteArgument(name)];
  return fitting([...start, ...args.map(quoteArgument)].join(" "));
}

/** An argument of a command line, with nothing left for the manager to expand. */
export function quoteArgument(arg: string): string {
  return quote(escapeArgument(arg));
}

/** A command line as a unit file has it, with escapes for characters that should not be shown. */
export function shownCommand(line: string): Said {
  let quoted: string | undefined;
  let escaped = false;
  let text = "";
  for (const character of line) {
    if (firstUnprintable(character) === undefined) text += character;
    else if (escaped) return { why: `it has ${printable(character)} after a backslash` };
    else text += quoted === undefined && /[\t\r]/.test(character) ? " " : escapeCharacter(character);
    if (!escaped && /['"]/.test(character)) quoted = quoted === undefined ? character : leave(quoted, character);
    escaped = !escaped && character === "\\";
  }
  if (escaped) return { why: JOINS };
  return { text };
}

// --- internal ---

/** read_line() of systemd's src/basic/fileio.c: LONG_LINE_MAX, less what stands before the value. */
const MAX_LENGTH = (1 << 20) - 256;

const JOINS = "it ends with a backslash, which joins it with the next line";

function fitting(text: string): Said {
  const length = Buffer.byteLength(text);
  return length <= MAX_LENGTH ? { text } : { why: `it has ${length} bytes, too many for a line of a unit file` };
}

function quote(escaped: string): string {
  return escaped === "" || /[\s'"\\;]/.test(escaped) ? `"${escaped}"` : escaped;
}

function escapeArgument(arg: string): string {
  const escaped = arg.replaceAll(/[\\"]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$");
  return firstUnprintable(escaped) === undefined ? escaped : [...escaped].map(escapeUnlessPrintable).join("");
}

function escapeUnlessPrintable(character: string): string {
  return firstUnprintable(character) === undefined ? character : escapeCharacter(character);
}

/** systemd.syntax(7), "Quoting": the supported escapes. */
function escapeCharacter(character: string): string {
  const known = ESCAPES[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  const hex = (digits: number) => code.toString(16).padStart(digits, "0");
  if (code < 0x80) return `\\x${hex(2)}`;
  return code > 0xffff ? `\\U${hex(8)}` : `\\u${hex(4)}`;
}

const ESCAPES: Record<string, string> = { "\n": "\\n", "\t": "\\t", "\r": "\\r" };

/** The same character ends a quote. */
function leave(quoted: string, character: string): string | undefined {
  return character === quoted ? undefined : quoted;
}

function endsInBackslash(text: string): boolean {
  return (/\\*$/.exec(text)?.[0].length ?? 0) % 2 === 1;
}
