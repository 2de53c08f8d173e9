/** How the failed command ended: its exit status by name, what systemd and the command wrote, and what helps. */

import { signalName } from "../../linux/signals.ts";
import { shorten } from "../../protocol/shorten.ts";
import { failedCommand, isClean } from "./commands.ts";
import { ENDING_SIGNALS, PROGRAM_STATUSES, SYSTEMD_STATUSES } from "./exit-statuses.ts";
import type { Check, Ending, Life, OutputLine, Unit } from "./facts.ts";
import { explainStep } from "./failed-step.ts";
import { cureOfWords, tellingLine } from "./program-words.ts";
import { quote } from "./quote.ts";
import { lastInvocation } from "./said.ts";
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
  if (row !== undefined && (wrote.length > 0 || "unknown" in unit.life.output))
    return explainStep(row, wrote, unit, /^\w+/.exec(failure.command)?.[0]);
  if (row !== undefined && lastLine(unit.life, failure) === undefined)
    return explainStep(row, wrote, unit, /^\w+/.exec(failure.command)?.[0]);
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
