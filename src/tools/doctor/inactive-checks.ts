/** Why a unit does not run: a job that waits, a unit that it needs, a condition, or its own end. */

import { formatUsec } from "../../protocol/durations.ts";
import { lastLine } from "./exit-status-checks.ts";
import type { Check, Job, Need, SaidLine, Unit } from "./facts.ts";
import { quote } from "./quote.ts";
import { saidOfLast } from "./said.ts";
import { shellWord } from "./shell-word.ts";

/** For a unit that is inactive. */
export function checkInactive(unit: Unit): Check[] {
  const { id, life } = unit;
  const name = "start";
  const what = `${id} is inactive`;
  const failed = (why: string, cure: string): Check[] => [{ name, result: "failed", what, why, cure }];
  if (life.job?.state === "waiting") return failed(...explainJob(unit, life.job));
  const missing = life.needs.find(({ loadState }) => loadState === "not-found" || loadState === "masked");
  if (missing) return failed(...explainMissing(missing));
  const last = lastEvent(unit);
  const explained = last && explainEvent(unit, last);
  if (explained) return failed(...explained);
  if (last?.event === "ended") return checkEnd(unit, last.line);
  const why = unit.result === "success" ? "" : `its last result is ${unit.result}; `;
  if (last !== undefined)
    return [{ name, result: "note", what, why: `${why}it was stopped; ${ONLY}`, cure: startOf(unit) }];
  const enabled = life.unitFileState === "disabled" ? "; it is not enabled, so nothing starts it at boot" : "";
  return [
    {
      name,
      result: "note",
      what,
      why: `${why}it has not been started since the boot${enabled}; ${ONLY}`,
      cure: startOf(unit),
    },
  ];
}

// --- internal ---

const ONLY = "only its settings can be looked at";

function systemctlOf({ manager }: Unit): string {
  return manager === "user" ? "systemctl --user" : "systemctl";
}

function startOf(unit: Unit): string {
  const enable =
    unit.life.unitFileState === "disabled" ? `, or ${systemctlOf(unit)} enable --now ${shellWord(unit.id)}` : "";
  return `${systemctlOf(unit)} start ${shellWord(unit.id)}${enable}`;
}

function doctorOf({ manager }: Unit, id: string): string {
  return `sd-notify doctor ${manager === "user" ? "--user " : ""}${shellWord(id)}`;
}

function explainJob(unit: Unit, { type, waitsFor }: Job): [why: string, cure: string] {
  const [first] = waitsFor;
  if (first === undefined) return [`its ${type} waits for another job`, `${systemctlOf(unit)} list-jobs --before`];
  const names = waitsFor.map((need) => `${need.id}, which is ${stateOf(need)}`).join("; and ");
  const why = `its ${type} waits for ${names} (After=)`;
  if (!first.id.endsWith(".service"))
    return [why, `${systemctlOf(unit)} status ${shellWord(first.id)}, or no After= for it`];
  const own =
    first.type === "oneshot" && first.subState === "start"
      ? `Type=exec in ${first.id}, if it is to go on running`
      : `${doctorOf(unit, first.id)} tells what that waits for`;
  return [why, `${own}; or no After=${first.id}`];
}

function explainMissing({ id, by, loadState }: Need): [why: string, cure: string] {
  const why = `it needs ${id} (${by}=), and ${loadState === "masked" ? "that is masked" : "there is no such unit"}`;
  if (loadState === "masked") return [why, `systemctl unmask ${shellWord(id)}, or no ${by}=${id}`];
  return [why, `${by}= with a unit that is there, or Wants=${id}, which does without`];
}

function stateOf({ activeState, subState, type, result }: Need): string {
  const how = type === "" ? "" : `, Type=${type}`;
  const ended = result === "success" || result === "" ? "" : `, Result=${result}`;
  return `${activeState} (${subState}${how}${ended})`;
}

interface LastEvent {
  event: "condition" | "triggers" | "assert" | "exec-condition" | "dependency" | "timeout" | "ended" | "stopped";
  line: SaidLine;
  match: RegExpExecArray;
}

/** job.c, unit.c and service.c of systemd 252 to 262. */
const EVENTS: readonly [LastEvent["event"], RegExp][] = [
  ["condition", /skipped(?: because of an|,) unmet condition check \(?(.*?)\)?\.?$/],
  ["triggers", /skipped(?: because|,) no trigger condition checks were met/],
  ["assert", /Starting requested but asserts failed|^Assertion failed for/],
  ["exec-condition", /Skipped due to 'exec-condition'/],
  ["dependency", /^Dependency failed for/],
  ["timeout", /Job \S+\/start timed out/],
  ["stopped", /^Stopping |^Stopped /],
  ["ended", /: Deactivated successfully|: Succeeded\.$/],
];

/** Why it does not run any more, or was not started at all. */
function lastEvent({ life }: Unit): LastEvent | undefined {
  const lines = "value" in life.said ? life.said.value : [];
  let stopped: LastEvent | undefined;
  let ended: LastEvent | undefined;
  for (const line of [...lines].reverse()) {
    if (ended !== undefined && line.invocation !== ended.line.invocation) break;
    for (const [event, pattern] of EVENTS) {
      const match = pattern.exec(line.text);
      if (match === null) continue;
      const found: LastEvent = { event, line, match };
      if (event === "ended") ended = found;
      else if (event !== "stopped") return ended ?? found;
      // systemd logs "Stopped" also when the service has ended by itself.
      else if (match[0] === "Stopping " || ended === undefined) stopped ??= found;
      if (match[0] === "Stopping ") return found;
      break;
    }
    if (ended !== undefined && /^(Starting|Started) /.test(line.text)) break;
  }
  return ended ?? stopped;
}

function explainEvent(unit: Unit, { event, line, match }: LastEvent): [why: string, cure: string] | undefined {
  const { life } = unit;
  switch (event) {
    case "condition":
      return [`it was not started, because ${match[1]} is not so`, `no ${match[1]}, or what it asks for`];
    case "triggers": {
      const triggers = life.conditions.filter((text) => /=\s*\|/.test(text)).join(", ");
      return [
        `it was not started, because none of ${triggers || "its conditions"} is so`,
        "one of these, or none of them in the unit",
      ];
    }
    case "assert": {
      const failed = saidOfLast(life).findLast(({ text }) => /: Assert\w+=.* failed\.?$/.test(text))?.text;
      const [, which] = /: (Assert\w+=.*?) failed\.?$/.exec(failed ?? "") ?? [];
      const asserts = which ?? life.conditions.filter((text) => text.startsWith("Assert")).join(", ");
      return [
        `it was not started, because ${asserts || "an Assert…="} is not so`,
        `no ${asserts}, or what it asks for`,
      ];
    }
    case "exec-condition": {
      const command = life.commands.find(({ setting }) => setting === "ExecCondition");
      const ended = saidOfLast(life).findLast(({ text }) => /process exited, code=/.test(text))?.text;
      const status = /status=(\S+)/.exec(ended ?? "")?.[1];
      const told = lastLine(life, { pid: 0, invocation: line.invocation });
      const how = status === undefined ? "" : ` ended with status ${status}, which`;
      const title = command === undefined ? "ExecCondition=" : `ExecCondition=${command.line}`;
      const output = told === undefined ? "" : `; its last line is ${quote(told)}`;
      return [
        `${title}${how} means that it is not to be started${output}`,
        "ExecCondition=, or what the command asks for",
      ];
    }
    case "dependency":
      return explainDependency(unit);
    case "timeout":
      return [
        "its start waited for longer than JobTimeoutSec=",
        `${systemctlOf(unit)} list-dependencies ${shellWord(unit.id)}`,
      ];
    default:
      return undefined;
  }
}

function explainDependency(unit: Unit): [why: string, cure: string] {
  const { life } = unit;
  const guilty =
    life.needs.find(({ activeState }) => activeState === "failed") ??
    life.needs.find(({ activeState }) => activeState === "inactive");
  if (guilty === undefined)
    return ["a unit that it needs did not start", `${systemctlOf(unit)} list-dependencies ${shellWord(unit.id)}`];
  const { id, by } = guilty;
  const look = id.endsWith(".service") ? doctorOf(unit, id) : `${systemctlOf(unit)} status ${shellWord(id)}`;
  return [
    `it needs ${id} (${by}=), which is ${stateOf(guilty)}`,
    `${look} tells why; or Wants=${id}, which does without`,
  ];
}

/** A service that ended by itself and reported success. */
function checkEnd(unit: Unit, line: SaidLine): Check[] {
  const { id, type, life } = unit;
  const name = "start";
  const what = `${id} is inactive`;
  if (type === "oneshot") {
    const why = "it has run, and ended with status 0; RemainAfterExit=yes would keep it active";
    return [{ name, result: "passed", what, why }];
  }
  const began = saidOfLast(life).findLast(
    ({ text, invocation }) => invocation === line.invocation && /^(Starting|Started) /.test(text),
  );
  const ranForUsec = began === undefined ? undefined : line.usec - began.usec;
  const after = ranForUsec === undefined ? "" : ` after ${formatUsec(Math.round(ranForUsec))}`;
  const said = saidOfLast(life).filter(({ invocation }) => invocation === line.invocation);
  const signal = said.map(({ text }) => KILLED.exec(text)?.[1]).findLast((name) => name !== undefined);
  const reload = said.findLast(({ text }) => /^Reload(ed|ing) /.test(text));
  const sinceUsec = reload === undefined ? Number.POSITIVE_INFINITY : line.usec - reload.usec;
  if (signal === undefined ? sinceUsec < SOON_USEC : signal === "HUP" && reload !== undefined) {
    const how = "a signal of ExecReload= ends a program that has no handler for it";
    const why = `it ended ${formatUsec(Math.round(sinceUsec))} after a reload: ${how}`;
    const cure = 'a handler for SIGHUP: manageServer({ reload }), process.on("SIGHUP", …); or no ExecReload=';
    return [{ name, result: "failed", what, why, cure }];
  }
  if (signal !== undefined) {
    const why = `it was ended by SIG${signal}${after}, which systemd takes for success`;
    return [{ name, result: "note", what, why, cure: "Restart=always, if it is to be started again" }];
  }
  const why = `it ended by itself${after}, with status 0; what it left behind was ended too`;
  const told = lastLine(life, { pid: 0, invocation: line.invocation });
  const last = told === undefined ? "" : `; its last line is ${quote(told)}`;
  // A job that a timer starts is often of this type.
  const short = ranForUsec !== undefined && ranForUsec < SHORT_USEC && life.triggeredBy.length === 0;
  if (!short) return [{ name, result: "note", what, why: `${why}${last}`, cure: CURE_OF_END }];
  return [{ name, result: "failed", what, why: `${why}${last}`, cure: CURE_OF_END }];
}

/** A signal that stops a daemon properly counts as success. systemd tells it only at level debug. */
const KILLED = /: Main process exited, code=killed, status=\d+\/([A-Z]+)/;

/** So long after a reload, nobody but its signal has ended the program. */
const SOON_USEC = 1e6;

/** A daemon that ends sooner has gone to the background, or had nothing to do. */
const SHORT_USEC = 10e6;

const CURE_OF_END =
  "Type=forking, or the option of the program that keeps it in the foreground, if it goes to the background; " +
  "or Type=oneshot, if it is a job that ends";
