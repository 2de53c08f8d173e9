/** Text from somebody else, without what would do something to a terminal, or to the text around it. */

/**
 * Shows control characters, line separators, invisible characters, those that turn text around, and lone
 * surrogates as `\x1b`.
 */
export function printable(text: string): string {
  return text.replace(unprintable(), (character) => {
    const code = character.codePointAt(0) ?? 0;
    // A byte that is not UTF-8, see src/linux/bytes.ts.
    if (code >= 0xdc80 && code <= 0xdcff) return `\\x${hex(code - 0xdc00, 2)}`;
    if (code > 0xffff) return `\\u{${hex(code, 4)}}`;
    return code < 256 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
  });
}

/** The first character that printable() would not leave as it is, shown; undefined where there is none. */
export function firstUnprintable(text: string): string | undefined {
  const index = text.search(unprintable());
  return index === -1 ? undefined : printable(String.fromCodePoint(text.codePointAt(index) ?? 0));
}

/**
 * What printable() does, but for newlines and colours: the last word on a text that was composed of printable
 * parts.
 */
export function printableLines(text: string): string {
  return text.split(linesAndColours()).map(printableUnlessOurs).join("");
}

/**
 * JSON, on one line, with escapes for what printable() would not leave as it is: what is read from it is the
 * value itself. But for a lone surrogate in a string: many readers would refuse all of the line.
 */
export function printableJson(value: unknown): string {
  const wellFormed = (_: string, value: unknown) => (typeof value === "string" ? value.toWellFormed() : value);
  return JSON.stringify(value, wellFormed).replace(unprintable(), (character) =>
    character
      .split("")
      .map((unit) => `\\u${hex(unit.charCodeAt(0), 4)}`)
      .join(""),
  );
}

// --- internal ---

/**
 * No constant, so that the library compiles none at its start. Of the invisible characters (Cf), the writing
 * of some languages, and emoji, need these two: the zero-width (non-)joiner.
 */
const unprintable = () => /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

// biome-ignore lint/suspicious/noControlCharactersInRegex: of ECMA-48, Select Graphic Rendition is harmless.
const linesAndColours = () => /(\n|\x1b\[[0-9;]*m)/;

/** What split() has found stands at the odd places. */
function printableUnlessOurs(piece: string, i: number): string {
  return i % 2 === 1 ? piece : printable(piece);
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, "0");
}
