/** Bytes from Linux that most often are text: arguments, paths and names of processes. */

/**
 * Returns bytes as text. A byte that is no part of UTF-8 becomes a lone surrogate, U+DC80 to U+DCFF, as in Python (PEP
 * 383). So different bytes never become the same text, and printable() shows which byte it is.
 */
export function decodeBytes(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const text = Buffer.from(bytes).toString("latin1");
    return text.replace(character(), (sequence, stray?: string) =>
      stray === undefined
        ? Buffer.from(sequence, "latin1").toString()
        : String.fromCharCode(0xdc00 + stray.charCodeAt(0)),
    );
  }
}

// --- internal ---

/**
 * Matches well-formed UTF-8 (The Unicode Standard, table 3-7) with one character for each byte, or a byte that is not
 * part of it.
 */
const character = () => new RegExp([...WELL_FORMED, "([\\x80-\\xff])"].join("|"), "g");

const WELL_FORMED = [
  "[\\xc2-\\xdf][\\x80-\\xbf]",
  "\\xe0[\\xa0-\\xbf][\\x80-\\xbf]",
  "[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}",
  "\\xed[\\x80-\\x9f][\\x80-\\xbf]",
  "\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}",
  "[\\xf1-\\xf3][\\x80-\\xbf]{3}",
  "\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}",
];
