/** The caller's mistakes: a TypeError for what is not a value of the kind, a RangeError for one that is out of range. */

/** @throws TypeError or RangeError, unless the value is an integer between the two. */
export function checkInteger(name: string, value: unknown, min: number, max: number): asserts value is number {
  if (typeof value !== "number") throw mustBe(name, "an integer", value);
  if (!(Number.isInteger(value) && value >= min && value <= max)) {
    throw new RangeError(`Cannot notify: ${name} must be an integer from ${min} to ${max}, not ${value}`);
  }
}

/** Makes the error for a value of the wrong type. */
export function mustBe(name: string, what: string, value: unknown): TypeError {
  return new TypeError(`Cannot notify: ${name} must be ${what}, not ${show(value)}`);
}

/** @throws TypeError, unless the text can be the value of an assignment. */
export function checkLine(name: string, text: string): void {
  const control = /[\n\r\0]/.exec(text)?.[0];
  if (control !== undefined)
    throw new TypeError(`Cannot notify: ${name} must be one line, but contains ${LINE_ENDS[control]}`);
  if (!text.isWellFormed()) throw new TypeError(`Cannot notify: ${name} contains a lone surrogate, which has no UTF-8`);
}

/** Shows a value in a message, in short. */
export function show(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : isObject(value) ? nameOf(value) : String(value);
  return shorten(text);
}

/** Returns the beginning of a text that is too long, without half of a surrogate pair. */
export function shorten(text: string, max = 60): string {
  if (text.length <= max) return text;
  const start = text.slice(0, max - 1);
  return `${start.isWellFormed() ? start : start.slice(0, -1)}…`;
}

// --- internal ---

/** NEWLINE of systemd's src/basic/string-util.h has both ends of lines. */
const LINE_ENDS: Record<string, string> = {
  "\n": "a newline, which would begin another assignment",
  "\r": "a carriage return, which would begin another assignment",
  "\0": "a NUL, at which PID 1 drops it",
};

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

function nameOf(value: object): string {
  return Object.prototype.toString.call(value);
}
