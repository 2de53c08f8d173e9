/** Reads a unit file as the manager does: config_parse() of systemd's src/shared/conf-parser.c. Pure. */

/** An assignment of a unit file. */
export interface Assignment {
  section: string;
  name: string;
  value: string;
  /** The lines of the file that it takes, from 1. The manager's own words name the last. */
  line: number;
  lastLine: number;
}

/**
 * Returns the assignments of a unit file, in its order. A backslash at the end of a line joins it with the next one
 * that is no comment.
 */
export function parseUnitFile(text: string): Assignment[] {
  const assignments: Assignment[] = [];
  let section = "";
  let joined: { text: string; line: number } | undefined;
  let number = 0;
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  for (const line of lines) {
    number++;
    if (/^[ \t]*[#;]/.test(line)) continue;
    const whole: { text: string; line: number } = {
      text: `${joined?.text ?? ""}${line}`,
      line: joined?.line ?? number,
    };
    if (endsInBackslash(whole.text) && number < lines.length) {
      joined = { ...whole, text: `${whole.text.slice(0, -1)} ` };
      continue;
    }
    joined = undefined;
    const said = strip(whole.text);
    section = /^\[(.*)\]$/.exec(said)?.[1] ?? section;
    const equals = said.indexOf("=");
    if (said.startsWith("[") || equals < 1) continue;
    const [name, value] = [strip(said.slice(0, equals)), strip(said.slice(equals + 1))];
    assignments.push({ section, name, value, line: whole.line, lastLine: number });
  }
  return assignments;
}

/**
 * Returns the part of a value that is meant as a comment, and the value without it. systemd.syntax(7) allows comments
 * only on separate lines. A command has one if "#" is an unquoted word; another value, if a word begins with "#".
 */
export function inlineComment(name: string, value: string): { value: string; comment: string } | undefined {
  if (FREE_TEXT.has(name)) return undefined;
  const isCommand = /^(Exec[A-Z]|Environment$)/.test(name);
  let quote = "";
  for (let i = 0; i < value.length; i++) {
    const character = value[i] ?? "";
    if (character === "\\") i++;
    else if (quote !== "") quote = character === quote ? "" : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (isBlank(value[i - 1]) && (isCommand ? /^#([ \t]|$)/ : /^[#;]/).test(value.slice(i)))
      return { value: strip(value.slice(0, i)), comment: value.slice(i) };
  }
  return undefined;
}

// --- internal ---

/** Values that may say anything. */
const FREE_TEXT = new Set([
  ..."Description Documentation SyslogIdentifier SetCredential SetCredentialEncrypted".split(" "),
]);

/** WHITESPACE of src/fundamental/string-util-fundamental.h, where it can be in a line. */
function strip(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return text.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t";
}

function endsInBackslash(text: string): boolean {
  let backslashes = 0;
  while (text.at(-1 - backslashes) === "\\") backslashes++;
  return backslashes % 2 === 1;
}
