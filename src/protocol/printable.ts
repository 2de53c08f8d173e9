/** Makes text from somebody else harmless to a terminal, and to the text around it. */

/**
 * Replaces characters by escapes such as `\x1b`: control characters, line separators, invisible characters, characters
 * that reverse the direction of text, and lone surrogates.
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

/** Returns the first character that printable() would replace, as its escape; undefined if there is none. */
export function firstUnprintable(text: string): string | undefined {
  const index = text.search(unprintable());
  return index === -1 ? undefined : printable(String.fromCodePoint(text.codePointAt(index) ?? 0));
}

/**
 * Like printable(), but newlines and colours stay. It is the last check of a text that was composed of printable
 * parts.
 */
export function printableLines(text: string): string {
  return text.split(linesAndColours()).map(printableUnlessOurs).join("");
}

/**
 * Returns JSON on one line, with escapes for the characters that printable() would replace. A reader gets the value
 * itself. The exception is a lone surrogate in a string: it becomes U+FFFD, because many readers would refuse the
 * whole line.
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
 * This is a function, so that the library compiles no expression at its start. Two of the invisible characters (Cf)
 * stay, the zero-width joiner and non-joiner: some languages, and emoji, need them.
 */
const unprintable = () => /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

// biome-ignore lint/suspicious/noControlCharactersInRegex: of ECMA-48, Select Graphic Rendition is harmless.
const linesAndColours = () => /(\n|\x1b\[[0-9;]*m)/;

/** split() puts what it has found at the odd places. */
function printableUnlessOurs(piece: string, i: number): string {
  return i % 2 === 1 ? piece : printable(piece);
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, "0");
}
