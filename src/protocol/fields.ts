/** THE table of fields: the values that each can have, in JavaScript and on the wire. */

import { checkInteger, checkLine, mustBe } from "./check.ts";
import { COMPANION_KEYS, KEYS } from "./keys.ts";
import { parseUnsigned } from "./numbers.ts";
import type { FieldName } from "./state.ts";
import { formatAssignment } from "./wire.ts";

export interface Field {
  name: FieldName;
  key: string;
  /** Its place among the fields of a message. */
  rank: number;
  /** Returns the assignment; undefined if the field says nothing. @throws TypeError or RangeError */
  assign(value: unknown, name: string): string | undefined;
  /** Returns the value of the field; undefined if the text is no value for it. */
  parse(text: string): unknown;
  /** Returns the assignment that goes with the field and whose value the system knows; undefined if it doesn't. */
  companion?: ((value: unknown, facts: Facts) => string | undefined) | undefined;
}

/** What the encoder asks the system, for the fields that need it. */
export interface Facts {
  /** CLOCK_MONOTONIC in microseconds. */
  monotonicUsec(): number;
  /** The inode number of the process' pidfd; undefined if pidfds have no inodes of their own. */
  pidfdInode(pid: number): bigint | undefined;
}

type Kind = Pick<Field, "assign" | "parse">;

const KINDS: Record<FieldName, (key: string) => Kind> = {
  reloading: flag,
  ready: flag,
  stopping: flag,
  status: line,
  mainPid: (key) => integer(key, 1, 0x7fffffff),
  notifyAccess: (key) => word(key, ["none", "main", "exec", "all"]),
  errno: (key) => integer(key, 0, 4095),
  busError: line,
  varlinkError: line,
  exitStatus: (key) => integer(key, 0, 255),
  watchdog,
  watchdogTimeoutMs: time,
  extendTimeoutMs: time,
  restartReset: flag,
};

const COMPANIONS: Partial<Record<FieldName, Field["companion"]>> = {
  reloading: (_, facts) => `${COMPANION_KEYS.reloading}=${facts.monotonicUsec()}`,
  mainPid(pid, facts) {
    const inode = facts.pidfdInode(pid as number);
    return inode === undefined ? undefined : `${COMPANION_KEYS.mainPid}=${inode}`;
  },
};

/** The name of every field, in the order in which they are sent. */
export const FIELD_NAMES = Object.keys(KEYS) as FieldName[];

/** The fields that were needed. Making all of them takes longer than sending a message. */
const made = new Map<string, Field>();

/** Returns the field of a name; undefined if there is none. */
export function fieldOf(name: string): Field | undefined {
  const known = made.get(name);
  if (known || !Object.hasOwn(KEYS, name)) return known;
  const field = make(name as FieldName);
  made.set(name, field);
  return field;
}

/** Returns the field that a key belongs to; undefined if there is none. */
export function fieldOfKey(key: string): Field | undefined {
  const name = FIELD_NAMES.find((name) => KEYS[name] === key);
  return name && fieldOf(name);
}

// --- internal ---

function make(name: FieldName): Field {
  const key = KEYS[name];
  return { name, key, rank: FIELD_NAMES.indexOf(name), ...KINDS[name](key), companion: COMPANIONS[name] };
}

function flag(key: string): Kind {
  const on = formatAssignment(key, "1");
  return {
    assign(value, name) {
      if (value === true) return on;
      if (value === false) return undefined;
      throw mustBe("notify", name, "a boolean", value);
    },
    parse: (text) => (text === "1" ? true : undefined),
  };
}

function line(key: string): Kind {
  return {
    assign(value, name) {
      if (typeof value !== "string") throw mustBe("notify", name, "a string", value);
      checkLine(name, value);
      return formatAssignment(key, value);
    },
    parse: (text) => text,
  };
}

function word(key: string, words: string[]): Kind {
  return {
    assign(value, name) {
      if (!words.includes(value as string)) throw mustBe("notify", name, `one of ${words.join(", ")}`, value);
      return formatAssignment(key, value as string);
    },
    parse: (text) => (words.includes(text) ? text : undefined),
  };
}

function integer(key: string, min: number, max: number): Kind {
  return {
    assign(value, name) {
      checkInteger("notify", name, value, min, max);
      return formatAssignment(key, `${value}`);
    },
    parse(text) {
      const value = parseNumber(text);
      return value !== undefined && value >= min && value <= max ? value : undefined;
    },
  };
}

/** Milliseconds here, microseconds on the wire. */
function time(key: string): Kind {
  return {
    assign(value, name) {
      if (typeof value !== "number") throw mustBe("notify", name, "a number of milliseconds", value);
      const usec = Math.round(value * 1000);
      if (!(value >= 0 && Number.isSafeInteger(usec))) {
        throw new RangeError(`Cannot notify: ${name} must be a finite number of milliseconds from 0, not ${value}`);
      }
      return formatAssignment(key, `${usec}`);
    },
    parse(text) {
      const usec = parseNumber(text);
      return usec === undefined ? undefined : usec / 1000;
    },
  };
}

function watchdog(key: string): Kind {
  const { assign } = flag(key);
  return {
    assign(value, name) {
      if (value === "trigger") return formatAssignment(key, value);
      if (typeof value === "boolean") return assign(value, name);
      throw mustBe("notify", name, 'a boolean or "trigger"', value);
    },
    parse: (text) => (text === "1" ? true : text === "trigger" ? text : undefined),
  };
}

function parseNumber(text: string): number | undefined {
  const value = Number(parseUnsigned(text) ?? Number.NaN);
  return Number.isSafeInteger(value) ? value : undefined;
}
