/** THE table of fields: which key each has on the wire, and what its values are. */

import { checkInteger, checkLine, mustBe, shorten, show } from "./check.ts";
import { escapeValue } from "./lines.ts";
import type { Facts, State } from "./message.ts";
import { parseUnsigned } from "./numbers.ts";

/** The fields that have a key of their own. */
export type FieldName = Exclude<keyof State, "extra">;

export interface Field {
  key: string;
  /** Returns the assignment; "" for nothing. */
  encode(value: unknown, name: string): string;
  /** An assignment that goes with it, and is the system's to know. */
  companion?: Companion;
  /** Returns the value of the field; undefined when the text is none. */
  decode(text: string): unknown;
}

export interface Companion {
  /** The length of the longest one. */
  maxLength: number;
  /** Returns it, with the newline before it; "" for none. */
  encode(value: unknown, facts: Facts): string;
}

/** UINT64_MAX of <stdint.h>. */
const UINT64_MAX = "18446744073709551615";

/** Every field and its key, in the order in which they are sent. */
export const FIELDS: Record<FieldName, Field> = {
  reloading: {
    ...flag("RELOADING"),
    companion: {
      maxLength: `\nMONOTONIC_USEC=${Number.MAX_SAFE_INTEGER}`.length,
      encode: (_, facts) => `\nMONOTONIC_USEC=${facts.monotonicUsec()}`,
    },
  },
  ready: flag("READY"),
  stopping: flag("STOPPING"),
  status: line("STATUS"),
  mainPid: {
    ...integer("MAINPID", 1, 0x7fffffff),
    companion: {
      maxLength: `\nMAINPIDFDID=${UINT64_MAX}`.length,
      encode(pid, facts) {
        const inode = facts.pidfdInode(pid as number);
        return inode === undefined ? "" : `\nMAINPIDFDID=${inode}`;
      },
    },
  },
  notifyAccess: word("NOTIFYACCESS", ["none", "main", "exec", "all"]),
  errno: integer("ERRNO", 0, 4095),
  busError: line("BUSERROR"),
  varlinkError: line("VARLINKERROR"),
  exitStatus: integer("EXIT_STATUS", 0, 255),
  watchdog: watchdog("WATCHDOG"),
  watchdogTimeoutMs: time("WATCHDOG_USEC"),
  extendTimeoutMs: time("EXTEND_TIMEOUT_USEC"),
  restartReset: flag("RESTART_RESET"),
};

/** Which field a key belongs to. */
export const nameOfKey = new Map<string, FieldName>();
for (const name in FIELDS) nameOfKey.set(FIELDS[name as FieldName].key, name as FieldName);

/** Keys that are not a field's own, and what makes them. */
const DERIVED_KEYS: Record<string, string> = {
  MONOTONIC_USEC: "the field reloading adds it",
  MAINPIDFDID: "the field mainPid adds it",
  BARRIER: "barrier() sends it",
};

function flag(key: string): Field {
  const assignment = `${key}=1`;
  return {
    key,
    encode(value, name) {
      if (value === true) return assignment;
      if (value === false) return "";
      throw mustBe(name, "a boolean", value);
    },
    decode: (text) => (text === "1" ? true : undefined),
  };
}

function line(key: string): Field {
  return {
    key,
    encode(value, name) {
      if (typeof value !== "string") throw mustBe(name, "a string", value);
      checkLine(name, value);
      return `${key}=${escapeValue(value)}`;
    },
    decode: (text) => text,
  };
}

function word(key: string, words: string[]): Field {
  return {
    key,
    encode(value, name) {
      if (!words.includes(value as string)) throw mustBe(name, `one of ${words.join(", ")}`, value);
      return `${key}=${value}`;
    },
    decode: (text) => (words.includes(text) ? text : undefined),
  };
}

function integer(key: string, min: number, max: number): Field {
  return {
    key,
    encode(value, name) {
      checkInteger(name, value, min, max);
      return `${key}=${value}`;
    },
    decode(text) {
      const value = number(text);
      return value !== undefined && value >= min && value <= max ? value : undefined;
    },
  };
}

function time(key: string): Field {
  return {
    key,
    encode(value, name) {
      if (typeof value !== "number") throw mustBe(name, "a number of milliseconds", value);
      const usec = Math.round(value * 1000);
      if (!(value >= 0 && Number.isSafeInteger(usec))) {
        throw new RangeError(`Cannot notify: ${name} must be a finite number of milliseconds from 0, not ${value}`);
      }
      return `${key}=${usec}`;
    },
    decode(text) {
      const usec = number(text);
      return usec === undefined ? undefined : usec / 1000;
    },
  };
}

function watchdog(key: string): Field {
  return {
    key,
    encode(value, name) {
      if (value === true) return `${key}=1`;
      if (value === "trigger") return `${key}=trigger`;
      if (value === false) return "";
      throw mustBe(name, 'a boolean or "trigger"', value);
    },
    decode: (text) => (text === "1" ? true : text === "trigger" ? text : undefined),
  };
}

/** Returns the assignments of State.extra, on a line each. */
export function encodeExtra(extra: unknown): string {
  if (typeof extra !== "object" || extra === null) throw mustBe("extra", "an object", extra);
  const assignments: string[] = [];
  for (const [key, value] of Object.entries(extra)) {
    const name = shorten(`extra.${key}`);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) {
      throw new TypeError(`Cannot notify: ${show(key)} in extra is no name: use letters, digits and underscores`);
    }
    const field = nameOfKey.get(key);
    if (field !== undefined) throw new TypeError(`Cannot notify: ${name} is the field ${field}: set that instead`);
    const maker = Object.hasOwn(DERIVED_KEYS, key) ? DERIVED_KEYS[key] : undefined;
    if (maker !== undefined) throw new TypeError(`Cannot notify: ${name} is not for extra: ${maker}`);
    assignments.push(`${key}=${extraValue(value, name)}`);
  }
  return assignments.join("\n");
}

// --- internal ---

function extraValue(value: unknown, name: string): string {
  if (typeof value === "string") {
    checkLine(name, value);
    return escapeValue(value);
  }
  if (typeof value !== "number") throw mustBe(name, "a string or a number", value);
  if (!Number.isFinite(value)) throw new RangeError(`Cannot notify: ${name} must be finite, not ${value}`);
  return `${value}`;
}

function number(text: string): number | undefined {
  const value = Number(parseUnsigned(text) ?? Number.NaN);
  return Number.isSafeInteger(value) ? value : undefined;
}
