/**
 * Finds the caller's mistakes: a TypeError for a value of the wrong kind, a RangeError for one that is out of range.
 * `doing` is what can't be done because of it, such as "notify" or "serve".
 */

import { shorten } from "./shorten.ts";

/** @throws TypeError or RangeError, unless the value is an integer from `min` to `max`. */
export function checkInteger(
  doing: string,
  name: string,
  value: unknown,
  min: number,
  max: number,
): asserts value is number {
  if (typeof value !== "number") throw mustBe(doing, name, "an integer", value);
  if (!(Number.isInteger(value) && value >= min && value <= max)) {
    throw new RangeError(`Cannot ${doing}: ${name} must be an integer from ${min} to ${max}, not ${value}`);
  }
}

/** Makes the error for a value of the wrong type. */
export function mustBe(doing: string, name: string, what: string, value: unknown): TypeError {
  return new TypeError(`Cannot ${doing}: ${name} must be ${what}, not ${show(value)}`);
}

/** @throws TypeError, unless the text can be the value of an assignment. */
export function checkLine(name: string, text: string): void {
  const control = /[\n\r\0]/.exec(text)?.[0];
  if (control !== undefined) {
    const what =
      control === "\0"
        ? "a NUL, and PID 1 would drop the message"
        : `a ${control === "\n" ? "newline" : "carriage return"}, which would begin another assignment`;
    throw new TypeError(`Cannot notify: ${name} must be one line, but contains ${what}`);
  }
  if (!text.isWellFormed())
    throw new TypeError(`Cannot notify: ${name} contains a lone surrogate, which UTF-8 can't encode`);
}

/** @throws TypeError, unless `options` is an object and each of its keys is one of `names`. */
export function checkOptionNames(doing: string, options: unknown, names: readonly string[]): asserts options is object {
  if (typeof options !== "object" || options === null) throw mustBe(doing, "the options", "an object", options);
  for (const name in options) {
    if (!names.includes(name)) {
      throw new TypeError(`Cannot ${doing}: no option ${show(name)}: there are ${names.join(", ")}`);
    }
  }
}

/** @throws TypeError, unless it is a function or undefined. */
export function checkFunction(doing: string, name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") throw mustBe(doing, name, "a function", value);
}

/** @throws TypeError or RangeError, unless it is a number of milliseconds or undefined. Infinity is allowed. */
export function checkTime(doing: string, name: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value !== "number") throw mustBe(doing, name, "a number of milliseconds", value);
  if (!(value >= 0)) throw new RangeError(`Cannot ${doing}: ${name} must be a number from 0, not ${value}`);
}

/** Returns a value, shortened, for the text of an error. */
export function show(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : isObject(value) ? nameOf(value) : String(value);
  return shorten(text, 60);
}

// --- internal ---

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

function nameOf(value: object): string {
  return Object.prototype.toString.call(value);
}
