/** An event that was written with --json, and read again: it may be anybody's. Pure. */

import type { Problem, Sender, Verdict } from "../../verdict/types.ts";
import type { Ping } from "../unit/watchdog.ts";
import type { MonitorEvent, Span, UnitPhase } from "./events.ts";

/**
 * Returns the event of a line; undefined for one of a newer version.
 *
 * @throws TypeError that says what is wrong with it.
 */
export function parseEvent(line: string): MonitorEvent | undefined {
  const event = object(json(line), "the line");
  const timeUsec = number(event.timeUsec, "timeUsec");
  switch (string(event.event, "event")) {
    case "started":
      return {
        event: "started",
        timeUsec,
        pid: number(event.pid, "pid"),
        command: array(event.command, "command").map((word) => string(word, "command")),
        socket: string(event.socket, "socket"),
        fds: array(event.fds, "fds").map((name) => string(name, "fds")),
      };
    case "message":
      return {
        event: "message",
        timeUsec,
        sender: sender(event.sender),
        text: string(event.text, "text"),
        receivedUsec: number(event.receivedUsec, "receivedUsec"),
        fds: array(event.fds, "fds").map(fd),
        verdict: verdict(event.verdict),
        ...(event.ping !== undefined && { ping: ping(event.ping) }),
      };
    case "barrier":
      return {
        event: "barrier",
        timeUsec,
        sender: sender(event.sender),
        ...optional("answeredUsec", event.answeredUsec, number),
        verdict: verdict(event.verdict),
      };
    case "phase":
      return {
        event: "phase",
        timeUsec,
        from: word(event.from, PHASES, "from"),
        to: word(event.to, PHASES, "to"),
        ...optional("afterUsec", event.afterUsec, number),
        ...optional("why", event.why, string),
      };
    case "watchdog":
      return { event: "watchdog", timeUsec, timeoutUsec: number(event.timeoutUsec, "timeoutUsec") };
    case "signal":
      return {
        event: "signal",
        timeUsec,
        signal: string(event.signal, "signal"),
        pids: numbers(event.pids, "pids"),
        ...optional("refused", event.refused, numbers),
        why: string(event.why, "why"),
      };
    case "fd":
      return { event: "fd", timeUsec, name: string(event.name, "name"), what: string(event.what, "what") };
    case "exit":
      return {
        event: "exit",
        timeUsec,
        pid: number(event.pid, "pid"),
        code: event.code === null ? null : number(event.code, "code"),
        signal: event.signal === null ? null : string(event.signal, "signal"),
      };
    case "end":
      return {
        event: "end",
        timeUsec,
        timeline: array(event.timeline, "timeline").map(span),
        messages: number(event.messages, "messages"),
        ignored: number(event.ignored, "ignored"),
        ...optional("refused", event.refused, number),
        status: number(event.status, "status"),
        why: string(event.why, "why"),
      };
    default:
      return undefined;
  }
}

// --- internal ---

type Fields = Record<string, unknown>;

const ROLES: readonly Sender["role"][] = ["main", "control", "member", "stranger", "gone"];
const PHASES: readonly UnitPhase[] = ["activating", "active", "reloading", "deactivating", "inactive", "failed"];

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new TypeError("it is no JSON");
  }
}

function sender(value: unknown): Sender & { name: string } {
  const { pid, uid, role, name } = object(value, "sender");
  return {
    pid: number(pid, "pid"),
    uid: number(uid, "uid"),
    role: word(role, ROLES, "role"),
    name: string(name, "name"),
  };
}

function verdict(value: unknown): Verdict {
  const { effects, problems, phase: next } = object(value, "verdict");
  return {
    effects: array(effects, "effects").map((effect) => string(effect, "effects")),
    problems: array(problems, "problems").map(problem),
    ...(next !== undefined && { phase: word(next, PHASES.slice(0, 4) as NonNullable<Verdict["phase"]>[], "phase") }),
  };
}

function problem(value: unknown): Problem {
  const { what, why, cure } = object(value, "problems");
  return { what: string(what, "what"), why: string(why, "why"), ...optional("cure", cure, string) };
}

function ping(value: unknown): Ping {
  const { afterUsec, timeoutUsec, late } = object(value, "ping");
  if (typeof late !== "boolean") throw new TypeError("late is no boolean");
  return { afterUsec: number(afterUsec, "afterUsec"), timeoutUsec: number(timeoutUsec, "timeoutUsec"), late };
}

function fd(value: unknown): Extract<MonitorEvent, { event: "message" }>["fds"][number] {
  const { name, kind, family, type, listening } = object(value, "fds");
  const named = { name: string(name, "name") };
  const other = string(kind, "kind");
  if (other !== "socket") return { ...named, kind: other } as ReturnType<typeof fd>;
  return {
    ...named,
    kind: other,
    family: string(family, "family"),
    type: string(type, "type"),
    listening: listening === true,
  } as ReturnType<typeof fd>;
}

function span(value: unknown): Span {
  const { phase: at, startUsec, durationUsec } = object(value, "timeline");
  return {
    phase: word(at, PHASES, "phase"),
    startUsec: number(startUsec, "startUsec"),
    ...optional("durationUsec", durationUsec, number),
  };
}

function word<Word extends string>(value: unknown, words: readonly Word[], name: string): Word {
  const found = words.find((each) => each === value);
  if (found === undefined) throw new TypeError(`${name} is none of ${words.join(", ")}`);
  return found;
}

function optional<Name extends string, Value>(
  name: Name,
  value: unknown,
  parse: (value: unknown, name: string) => Value,
): Partial<Record<Name, Value>> {
  return value === undefined ? {} : ({ [name]: parse(value, name) } as Record<Name, Value>);
}

function numbers(value: unknown, name: string): number[] {
  return array(value, name).map((each) => number(each, name));
}

function number(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new TypeError(`${name} is no number`);
  return value;
}

function string(value: unknown, name: string): string {
  if (typeof value !== "string") throw new TypeError(`${name} is no string`);
  return value;
}

function array(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`${name} is no array`);
  return value;
}

function object(value: unknown, name: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError(`${name} is no object`);
  return value as Fields;
}
