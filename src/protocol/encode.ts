/** From the object to the text of a message. */

import { checkLine, mustBe, show } from "./check.ts";
import { type Facts, FIELD_NAMES, type Field, fieldOf, fieldOfKey } from "./fields.ts";
import { COMPANION_KEYS } from "./keys.ts";
import { shorten } from "./shorten.ts";
import type { State } from "./state.ts";
import { formatAssignment, MAX_MESSAGE_LENGTH } from "./wire.ts";

/**
 * Returns the text of a message: the assignment of each field, in the order of systemd-notify(1). Every field is
 * checked before the system is asked for anything.
 *
 * @throws TypeError or RangeError that names the field, if a value can't be sent or PID 1 would drop the message.
 */
export function encode(state: State, facts: Facts): string {
  const fields = givenFields(state);
  const text = write(fields, state, LONGEST);
  if (text === "") throw new TypeError("Cannot notify: nothing to say: no field of the state is set");
  checkLength(text);
  return fields.some(({ companion }) => companion) ? write(fields, state, facts) : text;
}

// --- internal ---

/** The longest answers that the system can give. They stand in for it until everything is checked. */
const LONGEST: Facts = {
  monotonicUsec: () => Number.MAX_SAFE_INTEGER,
  // UINT64_MAX of <stdint.h>
  pidfdInode: () => 0xffff_ffff_ffff_ffffn,
};

/** How much of a name in `extra` an error repeats. */
const MAX_NAME_LENGTH = 60;

/** Keys that no field has, and what sends them. */
const DERIVED_KEYS: Record<string, string> = {
  [COMPANION_KEYS.reloading]: "the field reloading adds it",
  [COMPANION_KEYS.mainPid]: "the field mainPid adds it",
  BARRIER: "barrier() sends it",
};

/** Returns the fields that have a value, in the order in which they are sent. */
function givenFields(state: State): Field[] {
  if (typeof state !== "object" || state === null) {
    throw new TypeError(`Cannot notify: the state must be an object such as { ready: true }, not ${show(state)}`);
  }
  const given: Field[] = [];
  for (const name in state) {
    const field = fieldOf(name);
    if (field === undefined) {
      if (name !== "extra") throw unknownField(name);
    } else if (state[field.name] !== undefined) given.push(field);
  }
  return given.length > 1 ? given.sort((a, b) => a.rank - b.rank) : given;
}

/** Returns the assignments, one on each line. */
function write(fields: readonly Field[], state: State, facts: Facts): string {
  let text = "";
  const add = (line: string | undefined) => {
    if (line !== undefined) text = text === "" ? line : `${text}\n${line}`;
  };
  for (const { name, assign, companion } of fields) {
    const line = assign(state[name], name);
    add(line);
    if (line !== undefined && companion) add(companion(state[name], facts));
  }
  if (state.extra !== undefined) for (const line of assignExtra(state.extra)) add(line);
  return text;
}

function unknownField(name: string): TypeError {
  const names = [...FIELD_NAMES, "extra"];
  const meant = fieldOfKey(name)?.name ?? names.find((known) => known.toLowerCase() === name.toLowerCase());
  const hint = meant === undefined ? `the fields are ${names.join(", ")}` : `did you mean ${meant}?`;
  return new TypeError(`Cannot notify: the state has no field ${show(name)}: ${hint}`);
}

function assignExtra(extra: unknown): string[] {
  if (typeof extra !== "object" || extra === null) throw mustBe("notify", "extra", "an object", extra);
  return Object.entries(extra).map(([key, value]) => {
    const name = shorten(`extra.${key}`, MAX_NAME_LENGTH);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) {
      throw new TypeError(`Cannot notify: ${show(key)} in extra is no name: use letters, digits and underscores`);
    }
    const field = fieldOfKey(key);
    if (field !== undefined) throw new TypeError(`Cannot notify: ${name} is the field ${field.name}: set that instead`);
    const maker = Object.hasOwn(DERIVED_KEYS, key) ? DERIVED_KEYS[key] : undefined;
    if (maker !== undefined) throw new TypeError(`Cannot notify: ${name} is not for extra: ${maker}`);
    if (typeof value === "string") checkLine(name, value);
    else if (typeof value !== "number") throw mustBe("notify", name, "a string or a number", value);
    else if (!Number.isFinite(value)) throw new RangeError(`Cannot notify: ${name} must be finite, not ${value}`);
    return formatAssignment(key, `${value}`);
  });
}

/** @throws RangeError if PID 1 would not read all of it. */
function checkLength(text: string): void {
  // UTF-8 takes at most three bytes for a UTF-16 unit, so most messages need not be measured.
  if (text.length * 3 <= MAX_MESSAGE_LENGTH) return;
  const length = Buffer.byteLength(text);
  if (length <= MAX_MESSAGE_LENGTH) return;
  const [longest = ""] = text.split("\n").sort((a, b) => b.length - a.length);
  const key = longest.slice(0, longest.indexOf("="));
  throw new RangeError(
    `Cannot notify: the message is ${length} bytes long, and the service manager drops one of more than ` +
      `${MAX_MESSAGE_LENGTH}; shorten ${fieldOfKey(key)?.name ?? shorten(`extra.${key}`, MAX_NAME_LENGTH)}`,
  );
}
