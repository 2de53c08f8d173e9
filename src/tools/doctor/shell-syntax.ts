/** Finds in a command line what only a shell understands. systemd runs none, systemd.service(5), "COMMAND LINES". */

export interface ShellSyntax {
  /** "&&", ">/var/log/x", "PORT=80", "cd" */
  word: string;
  /** It stands where systemd expects the program. */
  isProgram: boolean;
  /** Settings that do the same; undefined if there are none. */
  instead?: readonly string[] | undefined;
}

/** Looks at a command line of a unit file. `setting` is what it belongs to: "ExecStart". */
export function shellSyntax(setting: string, line: string, type: string): ShellSyntax | undefined {
  const [, prefixes = "", rest = ""] = /^([-:+!|@]*)(.*)$/s.exec(line) ?? [];
  const words = wordsOf(rest);
  const [first] = words;
  if (first === undefined) return undefined;
  const isProgram = isShellWord(first.text);
  const found = isProgram ? first : words.find(isSyntax);
  if (found === undefined) return undefined;
  const command = (from: number, to: number) => `${setting}=${prefixes}${textOf(rest, words.slice(from, to))}`;
  const instead =
    withoutAssignments(words, command) ??
    withoutExec(words, command) ??
    withoutDirectory(words, command) ??
    withoutRedirections(words, command, type) ??
    inShell(setting, prefixes, rest, words, type);
  return { word: found.text, isProgram, instead };
}

/** Whether it stands for no program, but for something that a shell does. */
export function isShellWord(word: string): boolean {
  return ASSIGNMENT.test(word) || BUILTINS.has(word);
}

// --- internal ---

interface Word {
  text: string;
  /** It has no quotes and no backslash. */
  bare: boolean;
  start: number;
  end: number;
}

/** A part of the line, as the value of the setting. */
type Part = (from: number, to: number) => string;

const ASSIGNMENT = /^[A-Za-z_]\w*=/;

/** What is no program, and what is one only to satisfy POSIX. */
const BUILTINS = new Set("cd exec export source . ulimit umask set eval trap if for while until".split(" "));

/** A redirection, with its target if there is no blank between them. ">=1.0" and "<html>" are none. */
const REDIRECTION = /^([012]?>>?|<|&>>?)(&[12]|[\w/.$~%{}-]*)$/;

const UNFINISHED = /^(&&?|\|\|?|[012&]?>>?|<)$/;

const OPERATORS = new Set(["&&", "||", "|", "&"]);

function isSyntax({ text, bare }: Word): boolean {
  return bare && (OPERATORS.has(text) || REDIRECTION.test(text) || /\$\(|`/.test(text));
}

/** The words of a line, as extract_first_word() of systemd's src/basic/extract-word.c separates them. */
function wordsOf(line: string): Word[] {
  return [...line.matchAll(/(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|\\.|[^\s"'\\])+/gs)].map((match) => {
    const [text] = match;
    return { text, bare: !/["'\\]/.test(text), start: match.index, end: match.index + text.length };
  });
}

function textOf(line: string, words: readonly Word[]): string {
  const [first, last] = [words[0], words.at(-1)];
  return first && last ? line.slice(first.start, last.end) : "";
}

/** "PORT=80 /usr/bin/server" */
function withoutAssignments(words: readonly Word[], command: Part): string[] | undefined {
  const count = words.findIndex(({ text }) => !ASSIGNMENT.test(text));
  if (count < 1 || words.slice(count).some(isSyntax)) return undefined;
  return [...words.slice(0, count).map(({ text }) => `Environment=${text}`), command(count, words.length)];
}

/** "exec /usr/bin/server" */
function withoutExec(words: readonly Word[], command: Part): string[] | undefined {
  if (words[0]?.text !== "exec" || words.length === 1 || words.some(isSyntax)) return undefined;
  return [command(1, words.length)];
}

/** "cd /srv && /usr/bin/server" */
function withoutDirectory(words: readonly Word[], command: Part): string[] | undefined {
  const [cd, directory, and] = words;
  const isAbsolute = directory?.bare && directory.text.startsWith("/");
  if (cd?.text !== "cd" || !isAbsolute || and?.text !== "&&" || words.slice(3).some(isSyntax)) return undefined;
  return words.length === 3 ? undefined : [`WorkingDirectory=${directory.text}`, command(3, words.length)];
}

/** "/usr/bin/server >>/var/log/server 2>&1 &" */
function withoutRedirections(words: readonly Word[], command: Part, type: string): string[] | undefined {
  const isLast = words.at(-1)?.text === "&";
  const end = words.length - (isLast ? 1 : 0);
  const found = words.findIndex(isSyntax);
  const start = found === -1 ? end : Math.min(found, end);
  if (start === 0 || (start === end && !isLast)) return undefined;
  const streams: string[] = [];
  for (let i = start; i < end; i++) {
    const [, operator = "", glued = ""] = REDIRECTION.exec(words[i]?.text ?? "") ?? [];
    // Both streams have the same target: that is the default of StandardError=.
    if (operator === "2>" && glued === "&1") continue;
    const target = glued === "" ? words[++i] : undefined;
    const path = target?.bare && i < end ? target.text : glued;
    if (operator === "" || !/^\/[\w/.-]+$/.test(path)) return undefined;
    const stream = operator === "<" ? "StandardInput" : operator.startsWith("2") ? "StandardError" : "StandardOutput";
    const how = operator === "<" ? "file" : operator.endsWith(">>") ? "append" : "truncate";
    streams.push(`${stream}=${path === "/dev/null" ? "null" : `${how}:${path}`}`);
  }
  // What the shell would have put into the background stays the main process.
  return [...(isLast && type === "forking" ? ["Type=exec"] : []), ...streams, command(0, start)];
}

/** A shell runs the line. The last command takes its place, if that can be. */
function inShell(
  setting: string,
  prefixes: string,
  line: string,
  words: readonly Word[],
  type: string,
): string[] | undefined {
  // The prefix "@" would need a name, and a line that ends so is no command.
  if (line.includes("'") || prefixes.includes("@") || UNFINISHED.test(words.at(-1)?.text ?? "")) return undefined;
  const [shell, option] = words;
  const isShell = /(^|\/)(ba|da|z|k)?sh$/.test(shell?.text ?? "") && /^-\w*c$/.test(option?.text ?? "");
  const all = words.slice(isShell ? 2 : 0);
  const operators = all.flatMap(({ text, bare }, i) => (bare && OPERATORS.has(text) ? [i] : []));
  const last = all.slice((operators.at(-1) ?? -1) + 1);
  const [first] = last;
  const isCommand = last.some(({ text }) => !ASSIGNMENT.test(text));
  if (!first || !isCommand || BUILTINS.has(first.text) || REDIRECTION.test(first.text)) return undefined;
  const isReplaced = operators.every((i) => all[i]?.text === "&&") && !ASSIGNMENT.test(first.text);
  const before = textOf(line, all.slice(0, -last.length));
  const script = isReplaced ? `${before} exec ${textOf(line, last)}`.trimStart() : textOf(line, all);
  const sends = type.startsWith("notify") && !isReplaced ? ["NotifyAccess=all"] : [];
  const start = isShell ? textOf(line, words.slice(0, 2)) : "/bin/sh -c";
  return [...sends, `${setting}=${prefixes}${start} '${script}'`];
}
