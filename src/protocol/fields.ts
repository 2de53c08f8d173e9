/** THE table of fields: what the values of each are, in JavaScript and on the wire. */

import { checkInteger, checkLine, mustBe } from "./check.ts";
import { COMPANION_KEYS, KEYS } from "./keys.ts";
import type { FieldName } from "./state.ts";

export interface Field {
  name: FieldName;
  key: string;
  /** Its place among the fields of a message. */
  rank: number;
  /** Returns what stands after the "="; undefined when the field says nothing. @throws TypeError or RangeError */
  format(value: unknown, name: string): string | undefined;
  /** Returns the value of the field; undefined when the text is none. */
  parse(text: string): unknown;
  companion?: Companion;
}

/** An assignment that goes with a field, and is the system's to know. */
export interface Companion {
  key: string;
  /** The length of the longest value. */
  maxLength: number;
  /** Returns what stands after the "="; undefined when the system doesn't know. */
  format(value: unknown, facts: Facts): string | undefined;
}

/** What the encoder has to ask the system: it does so for the fields that need it. */
export interface Facts {
  /** CLOCK_MONOTONIC in microseconds. */
  monotonicUsec(): number;
  /** The inode number of the process' pidfd; undefined where pidfds have none of their own. */
  pidfdInode(pid: number): bigint | undefined;
}

type Kind = Pick<Field, "format" | "parse">;

const KINDS: Record<FieldName, Kind> = {
  reloading: flag(),
  ready: flag(),
  stopping: flag(),
  status: line(),
  mainPid: integer(1, 0x7fffffff),
  notifyAccess: word(["none", "main", "exec", "all"]),
  errno: integer(0, 4095),
  busError: line(),
  varlinkError: line(),
  exitStatus: integer(0, 255),
  watchdog: watchdog(),
  watchdogTimeoutMs: time(),
  extendTimeoutMs: time(),
  restartReset: flag(),
};

const COMPANIONS: Partial<Record<FieldName, Omit<Companion, "key">>> = {
  reloading: {
    maxLength: `${Number.MAX_SAFE_INTEGER}`.length,
    format: (_, facts) => `${facts.monotonicUsec()}`,
  },
  mainPid: {
    // UINT64_MAX of <stdint.h>
    maxLength: "18446744073709551615".length,
    format: (pid, facts) => facts.pidfdInode(pid as number)?.toString(),
  },
};

/** Every field, in the order in which they are sent. */
export const FIELDS: readonly Field[] = Object.entries(KEYS).map(([name, key], rank) =>
  makeField(name as FieldName, key, rank),
);

const fieldsByName = new Map<string, Field>(FIELDS.map((field) => [field.name, field]));
const fieldsByKey = new Map<string, Field>(FIELDS.map((field) => [field.key, field]));

/** Returns the field of a name; undefined when there is none. */
export function fieldOf(name: string): Field | undefined {
  return fieldsByName.get(name);
}

/** Returns the field that a key belongs to; undefined when there is none. */
export function fieldOfKey(key: string): Field | undefined {
  return fieldsByKey.get(key);
}

// --- internal ---

function makeField(name: FieldName, key: string, rank: number): Field {
  const companion = COMPANIONS[name];
  const field: Field = { name, key, rank, ...KINDS[name] };
  if (companion) field.companion = { key: COMPANION_KEYS[name as keyof typeof COMPANION_KEYS], ...companion };
  return field;
}

function flag(): Kind {
  return {
    format(value, name) {
      if (value === true) return "1";
      if (value === false) return undefined;
      throw mustBe("notify", name, "a boolean", value);
    },
    parse: (text) => (text === "1" ? true : undefined),
  };
}

function line(): Kind {
  return {
    format(value, name) {
      if (typeof value !== "string") throw mustBe("notify", name, "a string", value);
      checkLine(name, value);
      return value;
    },
    parse: (text) => text,
  };
}

function word(words: readonly string[]): Kind {
  return {
    format(value, name) {
      if (!words.includes(value as string)) throw mustBe("notify", name, `one of ${words.join(", ")}`, value);
      return value as string;
    },
    parse: (text) => (words.includes(text) ? text : undefined),
  };
}

function integer(min: number, max: number): Kind {
  return {
    format(value, name) {
      checkInteger("notify", name, value, min, max);
      return `${value}`;
    },
    parse(text) {
      const value = parseNumber(text);
      return value !== undefined && value >= min && value <= max ? value : undefined;
    },
  };
}

/** Milliseconds here, microseconds on the wire. */
function time(): Kind {
  return {
    format(value, name) {
      if (typeof value !== "number") throw mustBe("notify", name, "a number of milliseconds", value);
      const usec = Math.round(value * 1000);
      if (!(value >= 0 && Number.isSafeInteger(usec))) {
        throw new RangeError(`Cannot notify: ${name} must be a finite number of milliseconds from 0, not ${value}`);
      }
      return `${usec}`;
    },
    parse(text) {
      const usec = parseNumber(text);
      return usec === undefined ? undefined : usec / 1000;
    },
  };
}

function watchdog(): Kind {
  return {
    format(value, name) {
      if (value === true) return "1";
      if (value === "trigger") return value;
      if (value === false) return undefined;
      throw mustBe("notify", name, 'a boolean or "trigger"', value);
    },
    parse: (text) => (text === "1" ? true : text === "trigger" ? text : undefined),
  };
}

function parseNumber(text: string): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}
