/** Variables that the service manager sets. */

/** Reads a variable that is a number. @throws SyntaxError that quotes it, if it is no number from `min` on. */
export function readNumber(name: string, min: number): number | undefined {
  const text = process.env[name];
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && Number.isSafeInteger(value))) {
    throw new SyntaxError(`Cannot use $${name} ${JSON.stringify(text)}: it must be a number from ${min}`);
  }
  return value;
}
