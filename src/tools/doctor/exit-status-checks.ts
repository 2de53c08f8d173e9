/** How the failed command ended: its exit status by name, what systemd and the command wrote, and what helps. */

import { dirname } from "node:path";
import { signalName } from "../../linux/signals.ts";
import { shorten } from "../../protocol/shorten.ts";
import { failedCommand, isClean } from "./commands.ts";
import { ENDING_SIGNALS, type ExitStatus, PROGRAM_STATUSES, SYSTEMD_STATUSES } from "./exit-statuses.ts";
import type { Check, Ending, Life, OutputLine, ProgramFile, Unit } from "./facts.ts";
import { inTheWay } from "./hidden.ts";
import { cureOfWords, tellingLine } from "./program-words.ts";
import { lastInvocation } from "./said.ts";
import { isShellWord } from "./shell-syntax.ts";
import { shellWord } from "./shell-word.ts";

/** A command that did not end well. */
export interface Failure {
  /** "ExecStartPre=/bin/x" */
  command: string;
  ended: Ending;
  status: number;
  pid: number;
  /** Which start of the unit this is about. The journal may mention others. */
  invocation: string;
}

/** For a unit that failed, that is being restarted because of it, or whose starts keep failing. */
export function checkExitStatus(unit: Unit): Check[] {
  if (!hasFailed(unit)) return [];
  const failure = findFailure(unit);
  if (failure === undefined) return [];
  const { life, result } = unit;
  const title = titleOf(failure);
  const told = lastLine(life, failure);
  const name = "exit-status";
  const { why, cure } = explain(failure, unit);
  const said = told === undefined ? "" : `; its last line is ${quote(told)}`;
  // A signal that the manager itself sent explains nothing. The result does.
  if (!BY_ITSELF.has(result) && failure.ended !== "exited")
    return told === undefined ? [] : [{ name, result: "note", what: title, why: `its last line is ${quote(told)}` }];
  return [{ name, result: "failed", what: title, why: `${why}${said}`, ...(cure !== undefined && { cure }) }];
}

/** The command that made the unit fail; undefined if none did, or it is not known. */
export function findFailure({ life }: Unit): Failure | undefined {
  const command = failedCommand(life.commands);
  const invocation = lastInvocation(life);
  if (command !== undefined) {
    const { setting, line, ended, status, pid } = command;
    return { command: `${setting}=${line}`, ended, status, pid, invocation };
  }
  const { code, status, pid } = life.execMain;
  const [start] = life.commands.filter(({ setting }) => setting === "ExecStart");
  const title = start === undefined ? "the main process" : `ExecStart=${start.line}`;
  if (code !== "" && !isClean(code, status)) return { command: title, ended: code, status, pid, invocation };
  // The manager forgets it at the next start; the journal does not.
  const said = "value" in life.said ? life.said.value : [];
  const before = life.restarts > 0 ? said : said.filter((line) => line.invocation === invocation);
  for (const { text, invocation } of [...before].reverse()) {
    const [, who, code = "", number] =
      /: (Main|Control) process exited, code=(exited|killed|dumped), status=(\d+)/.exec(text) ?? [];
    const ended = code as Ending;
    if (who === undefined || isClean(ended, Number(number))) continue;
    const command = who === "Main" ? title : "a command";
    return { command, ended, status: Number(number), pid: 0, invocation };
  }
  return undefined;
}

/** The last line that a process of the failed start wrote. */
export function lastLine(life: Life, failure?: Pick<Failure, "pid" | "invocation">): string | undefined {
  const { output } = life;
  if ("unknown" in output) return undefined;
  const own = output.value.filter(
    (line) =>
      !line.ofSystemd &&
      line.text.trim() !== "" &&
      (failure === undefined || isOfStart(line, failure.invocation, life)),
  );
  return tellingLine(own.map(({ text }) => text));
}

/** Text that another program wrote: it is printed in quotes, and cut to what fits a line. */
export function quote(text: string): string {
  return JSON.stringify(shorten(text.trim(), 200));
}

export function titleOf({ command, ended, status }: Pick<Failure, "command" | "ended" | "status">): string {
  const shown = shorten(command, 120);
  if (ended === "exited") {
    const name = (SYSTEMD_STATUSES[status] ?? PROGRAM_STATUSES[status])?.name;
    return `${shown} ended with status ${status}${name ? `/${name}` : ""}`;
  }
  return `${shown} was killed by ${signalName(status)}${ended === "dumped" ? ", and dumped core" : ""}`;
}

// --- internal ---

/** Results that mean the process ended by itself, not because of the manager. */
const BY_ITSELF = new Set(["exit-code", "signal", "core-dump", "protocol", "start-limit-hit", "success", "oom-kill"]);

function hasFailed({ activeState, subState, result, life }: Unit): boolean {
  if (activeState === "deactivating") return result !== "success";
  if (activeState === "activating") return subState.startsWith("auto-restart") || life.restarts > 0;
  return activeState === "failed";
}

function explain(failure: Failure, unit: Unit): { why: string; cure?: string | undefined } {
  const { ended, status } = failure;
  if (ended !== "exited") {
    const name = signalName(status);
    const { what, cure } = ENDING_SIGNALS[name] ?? { what: `of ${name}` };
    return { why: what, cure };
  }
  const row = SYSTEMD_STATUSES[status];
  const wrote = row === undefined ? [] : stepLines(unit.life, failure);
  // A program may end with such a status too.
  if (row !== undefined && (wrote.length > 0 || "unknown" in unit.life.output)) return explainStep(row, wrote, unit);
  if (row !== undefined && lastLine(unit.life, failure) === undefined) return explainStep(row, wrote, unit);
  const known = PROGRAM_STATUSES[status];
  const option = unit.manager === "user" ? "--user-unit" : "--unit";
  const read = `what its last lines say: journalctl ${option}=${shellWord(unit.id)}`;
  const words = lastLine(unit.life, failure);
  const helps = words === undefined ? undefined : cureOfWords(words, unit);
  if (known) return { why: known.what, cure: known.cure ?? helps ?? read };
  if (status > 128 && status < 192) {
    return { why: `a shell says so of a command that was killed by ${signalName(status - 128)}`, cure: read };
  }
  return { why: "the program's own failure", cure: helps ?? read };
}

/** What systemd's process wrote before it executed the command: why it could not, and at which step it failed. */
function stepLines(life: Life, { pid, invocation }: Failure): string[] {
  const { output } = life;
  if ("unknown" in output) return [];
  const isOf = (line: OutputLine) => (pid === 0 || line.pid === pid) && isOfStart(line, invocation, life);
  const wrote = output.value.filter((line) => line.ofSystemd && isOf(line));
  return wrote.map(({ text }) => text.replace(/^\S+: /, ""));
}

/** journald does not always know which start a line belongs to. Then it belongs to the start it was written in. */
function isOfStart(line: OutputLine, invocation: string, { said }: Life): boolean {
  if (invocation === "" || line.invocation === invocation) return true;
  if (line.invocation !== "" || "unknown" in said) return false;
  const began = said.value.find((other) => other.invocation === invocation);
  return began !== undefined && line.usec >= began.usec;
}

function explainStep(row: ExitStatus, wrote: readonly string[], unit: Unit): { why: string; cure: string } {
  const { life } = unit;
  const step = wrote.findLast((text) => text.startsWith("Failed at step ")) ?? wrote.at(-1);
  const detail = wrote.findLast((text) => text !== step && !DEBUG.test(text));
  const lines = [detail, step].filter((text) => text !== undefined);
  const all = lines.join("\n");
  const path = /(?:^|[:\s'"])(\/[^\s'":]+)'?"?: (?:No such|Not a dir|Permission|Operation)/m.exec(all)?.[1];
  const place = path?.replace(/^\/run\/systemd\/(?:unit-root|mount-rootfs)(?=\/)/, "");
  const set = (row.settings ?? []).flatMap((name) => (life.settings[name] ?? []).map((value) => `${name}=${value}`));
  const obstacle = inTheWay(row.name, all, unit);
  const why = [
    row.name === "EXEC" ? (whyNotExecuted(life.program) ?? row.what) : row.what,
    ...(obstacle ? [obstacle.why] : []),
    ...(set.length > 0 ? [`its unit has ${shorten(set.join(", "), 200)}`] : []),
    ...(row.name === "NAMESPACE" && life.missingPaths.length > 0
      ? [`there is no ${shorten(life.missingPaths.join(", "), 200)}`]
      : []),
    ...(lines.length > 0 ? [`systemd says ${lines.map(quote).join(", ")}`] : []),
  ].join("; ");
  if (obstacle) return { why, cure: obstacle.cure };
  if (row.name === "EXEC") {
    const cure = cureOfProgram(life.program);
    if (cure !== undefined) return { why, cure };
  }
  const values: Values = (name) => {
    if (name === "path") return life.missingPaths[0] ?? place;
    if (name === "program") return life.program?.path;
    const [setting = "", part] = name.split(":");
    const value = life.settings[setting]?.at(-1)?.replace(/^-/, "");
    return part === "directory" ? fileOf(value, dirname) : value;
  };
  for (const [pattern, cure] of row.cures) {
    const filled = pattern.test(all) ? fill(cure, values) : undefined;
    if (filled !== undefined) return { why, cure: filled };
  }
  return { why, cure: "systemd.exec(5) tells of this step" };
}

/** Lines that only a manager at level debug adds. */
const DEBUG =
  /^((Apply|Mount|Sett|Execut|Operat|Skipp|Pass)ing|Found|Bind|Remount|Success|User lookup|Followed|Kernel)|, ignoring/;

type Values = (name: string) => string | undefined;

/** undefined if one of the placeholders has no value. */
function fill(cure: string, values: Values): string | undefined {
  let complete = true;
  const filled = cure.replace(/\{([A-Za-z]+(?::[a-z]+)?)\}/g, (_, name: string) => {
    const value = values(name);
    if (value === undefined || value === "") complete = false;
    return shellWord(value ?? "");
  });
  return complete ? filled : undefined;
}

/** The path in "append:/var/log/x/y". */
function fileOf(value: string | undefined, pick: (path: string) => string): string | undefined {
  const [, path] = /^(?:file|append|truncate):(\/.*)$/.exec(value ?? "") ?? [];
  return path === undefined ? undefined : pick(path);
}

function whyNotExecuted(program: ProgramFile | undefined): string | undefined {
  if (program === undefined) return undefined;
  const { path, found, executable, format, interpreter, interpreterFound } = program;
  if (found === "nothing" && /^\/\S+ /.test(path))
    return `there is no ${path}: quotes make one word of a whole command`;
  if (found === "nothing") return `there is no ${path}`;
  if (found !== "file") return `${path} is ${found === "directory" ? "a directory" : "no file"}`;
  if (!executable) return `${path} may be executed by nobody: its mode has no x`;
  if (interpreterFound === false) return `the first line of ${path} names ${interpreter}, and there is no such program`;
  if (format === "text") return `${path} is no binary, and its first line does not begin with #!`;
  return undefined;
}

function cureOfProgram(program: ProgramFile | undefined): string | undefined {
  if (program === undefined) return undefined;
  const { path, found, executable, interpreter, interpreterFound, format, namesake } = program;
  // The check of shell syntax says more.
  if (isShellWord(path)) return undefined;
  if (found === "nothing" && /^\/\S+ /.test(path)) return `ExecStart=${path}`;
  if (found === "nothing" || found !== "file")
    return namesake === undefined
      ? `ExecStart= with the path of a program that is there, or install ${shellWord(path)}`
      : `ExecStart= with ${namesake}, which is there`;
  if (!executable) return `chmod a+x ${shellWord(path)}`;
  if (interpreterFound === false) return `install ${interpreter}, or name another in the first line of ${path}`;
  if (format === "text") return `#!/bin/sh, or another interpreter, as the first line of ${path}`;
  return undefined;
}
