/**
 * The lines of a message as the service manager reads them: strv_split_newlines() of its src/basic/strv.c. A carriage return ends a
 * line too, and a backslash takes the character after it as it is: a newline as well.
 */

/** A line, and what it assigns. */
export interface Line {
  /** The line, without backslashes that stand for the next character. */
  text: string;
  /** The name before "="; "" if the line is no assignment. */
  key: string;
  value: string;
  /** Whether no line before it has the same key: only the first one counts. */
  isFirst: boolean;
}

/**
 * Splits a message into its lines, without the empty ones.
 *
 * @returns undefined if the message ends in a backslash, because then the service manager drops all of it.
 */
export function readLines(message: string): Line[] | undefined {
  const lines = split(message.replace(/\0$/, ""));
  if (lines === undefined) return undefined;
  const seen = new Set<string>();
  return lines.map((text) => {
    const equals = text.indexOf("=");
    if (equals < 1) return { text, key: "", value: "", isFirst: false };
    const key = text.slice(0, equals);
    const isFirst = !seen.has(key);
    seen.add(key);
    return { text, key, value: text.slice(equals + 1), isFirst };
  });
}

/** Whether the lines are a barrier, and nothing else. */
export function isBarrier(lines: readonly Line[] | undefined): boolean {
  return lines?.length === 1 && lines[0]?.text === "BARRIER=1";
}

/** Decodes the bytes of a message. A byte order mark stays: for the service manager it is part of the first key. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Writes a value so that the service manager reads it as it is. */
export function escapeValue(value: string): string {
  return value.includes("\\") ? value.replaceAll("\\", "\\\\") : value;
}

// --- internal ---

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function split(text: string): string[] | undefined {
  if (!text.includes("\\")) return text.split(/[\n\r]+/).filter((line) => line !== "");
  const lines: string[] = [];
  let line = "";
  // Text, and what ends it: the line, the message, or a backslash with the next character.
  for (const [, plain, end, escaped] of text.matchAll(/([^\\\n\r]*)(?:([\n\r]|$)|\\([\s\S]?))/g)) {
    if (escaped === "") return undefined;
    line += plain;
    if (end === undefined) {
      line += escaped;
      continue;
    }
    if (line !== "") lines.push(line);
    line = "";
  }
  return lines;
}
