/** A notification: an object in JavaScript, lines of KEY=value on the wire. Nothing here calls the system. */

import { PIPE_BUF } from "../../ffi/constants.ts";
import { shorten, show } from "./check.ts";
import { type Companion, encodeExtra, FIELDS, type Field, type FieldName, nameOfKey } from "./fields.ts";
import { readLines } from "./lines.ts";

/**
 * What to tell the service manager. A field that is undefined, or false, is not sent; one at least has to be.
 *
 * @see sd_notify(3)
 */
export interface State {
  /** The configuration is being reloaded; the time that Type=notify-reload asks for is added. `RELOADING=1` */
  reloading?: boolean | undefined;
  /** Start-up, or a reload, is complete. `READY=1` */
  ready?: boolean | undefined;
  /** The service is shutting down. `STOPPING=1` */
  stopping?: boolean | undefined;
  /** One line for people, shown by systemctl status. `STATUS=` */
  status?: string | undefined;
  /** The main process; its pidfd's inode number is added where the kernel has one. `MAINPID=` */
  mainPid?: number | undefined;
  /** Who may send notifications from now on. `NOTIFYACCESS=` */
  notifyAccess?: "none" | "main" | "exec" | "all" | undefined;
  /** Why the service failed: a value of errno, 0 to 4095. `ERRNO=` */
  errno?: number | undefined;
  /** Why the service failed: a D-Bus error, such as "org.freedesktop.DBus.Error.TimedOut". `BUSERROR=` */
  busError?: string | undefined;
  /** Why the service failed: a Varlink error, such as "org.varlink.service.InvalidParameter". `VARLINKERROR=` */
  varlinkError?: string | undefined;
  /** The exit status of the service, 0 to 255. `EXIT_STATUS=` */
  exitStatus?: number | undefined;
  /** true: the service is alive. "trigger": it has failed, act as if the time were up. `WATCHDOG=` */
  watchdog?: boolean | "trigger" | undefined;
  /** A new watchdog time-out, in milliseconds. `WATCHDOG_USEC=` */
  watchdogTimeoutMs?: number | undefined;
  /** Start-up, runtime or shutdown may take this long from now, in milliseconds. `EXTEND_TIMEOUT_USEC=` */
  extendTimeoutMs?: number | undefined;
  /** Forget how often the service was restarted. `RESTART_RESET=1` */
  restartReset?: boolean | undefined;
  /** Assignments that no other field makes, such as `{ X_REQUESTS: 12 }`. */
  extra?: Record<string, string | number> | undefined;
}

/** What the encoder has to ask the system: it does so for the fields that need it. */
export interface Facts {
  /** CLOCK_MONOTONIC in microseconds. */
  monotonicUsec(): number;
  /** The inode number of the process' pidfd; undefined where pidfds have none of their own. */
  pidfdInode(pid: number): bigint | undefined;
}

/** The longest message that PID 1 reads: NOTIFY_BUFFER_MAX of its src/core/manager.c. */
export const MAX_MESSAGE_LENGTH = PIPE_BUF;

/**
 * Returns the text of a message, its fields in the order in which systemd-notify(1) sends them. Every field is checked before
 * the system is asked for anything.
 *
 * @throws TypeError or RangeError that names the field, when a value can't be sent or PID 1 would drop the message.
 */
export function encode(state: State, facts: Facts): string {
  if (typeof state !== "object" || state === null) {
    throw new TypeError(`Cannot notify: the state must be an object such as { ready: true }, not ${show(state)}`);
  }
  let only = "";
  let count = 0;
  let pieces: string[] | undefined;
  let companions: { rank: number; value: unknown; companion: Companion }[] | undefined;
  for (const name in state) {
    const value = state[name as keyof State];
    const field = fields.get(name);
    if (field === undefined) throw unknownField(name);
    if (value === undefined) continue;
    const piece = field.encode(value, name);
    if (piece === "") continue;
    if (++count === 1) only = piece;
    pieces ??= [];
    pieces[field.rank] = piece;
    if (field.companion) {
      companions ??= [];
      companions.push({ rank: field.rank, value, companion: field.companion });
    }
  }
  if (pieces === undefined) throw new TypeError("Cannot notify: nothing to say: no field of the state is set");
  const text = count === 1 ? only : join(pieces);
  if (companions === undefined) {
    checkLength(text, 0);
    return text;
  }
  checkLength(
    text,
    companions.reduce((length, { companion }) => length + companion.maxLength, 0),
  );
  for (const { rank, value, companion } of companions) pieces[rank] += companion.encode(value, facts);
  return join(pieces);
}

/**
 * Reads the text of a message as PID 1 does: the first of two equal keys wins, and a message that ends in a backslash says nothing.
 * What is no field, or not a field's value, is found in `extra`; a line that is no assignment is left out.
 */
export function decode(text: string): State {
  const state: Record<string, unknown> = {};
  const extra: [string, string][] = [];
  for (const { key, value, isFirst } of readLines(text) ?? []) {
    if (!isFirst) continue;
    const name = nameOfKey.get(key);
    const decoded = name === undefined ? undefined : FIELDS[name].decode(value);
    if (name === undefined || decoded === undefined) extra.push([key, value]);
    else state[name] = decoded;
  }
  if (extra.length > 0) state.extra = Object.fromEntries(extra);
  return state;
}

// --- internal ---

/** FIELDS for the encoder: with `extra`, and each with its place in the message. */
const fields = new Map<string, Pick<Field, "encode" | "companion"> & { rank: number }>();
for (const name in FIELDS) {
  const { encode, companion } = FIELDS[name as FieldName];
  fields.set(name, { encode, rank: fields.size, ...(companion && { companion }) });
}
fields.set("extra", { encode: encodeExtra, rank: fields.size });

/** Joins pieces at their places, of which some are empty. */
function join(pieces: string[]): string {
  return Object.values(pieces).join("\n");
}

/** Checks the length of a message that gets up to `more` bytes longer. */
function checkLength(text: string, more: number): void {
  // UTF-8 takes at most three bytes for a UTF-16 unit, so most messages need not be measured.
  if (text.length * 3 + more <= MAX_MESSAGE_LENGTH) return;
  const length = Buffer.byteLength(text) + more;
  if (length <= MAX_MESSAGE_LENGTH) return;
  const [longest = ""] = text.split("\n").sort((a, b) => b.length - a.length);
  const key = longest.slice(0, longest.indexOf("="));
  const name = nameOfKey.get(key) ?? shorten(`extra.${key}`);
  throw new RangeError(
    `Cannot notify: the message is ${length} bytes long, and the service manager drops one of more than ` +
      `${MAX_MESSAGE_LENGTH}; shorten ${name}`,
  );
}

function unknownField(name: string): TypeError {
  const field = nameOfKey.get(name) ?? [...fields.keys()].find((known) => known.toLowerCase() === name.toLowerCase());
  const hint = field === undefined ? `the fields are ${[...fields.keys()].join(", ")}` : `did you mean ${field}?`;
  return new TypeError(`Cannot notify: the state has no field ${show(name)}: ${hint}`);
}
