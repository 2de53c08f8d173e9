/** What inputs are thrown at. */

import type { Random } from "./random.ts";

/** One thing to try, with its own kind of input. */
export interface Target<Input> {
  /** Makes an input. It uses nothing but the generator: the same seed, the same input. */
  make(random: Random): Input;
  /** Gets ready to try inputs. */
  open(): Subject<Input> | Promise<Subject<Input>>;
}

export interface Subject<Input> {
  /** Throws if something is not as documented. */
  check(input: Input): void | Promise<void>;
  close?(): void | Promise<void>;
}

/** A target whose kind of input is nobody's business. */
export interface AnyTarget {
  open(): Promise<{
    /** Makes the input of a seed and tries it. */
    check(seed: number): void | Promise<void>;
    close(): Promise<void>;
  }>;
  /** The input of a seed, as text. */
  show(seed: number): string;
}

/** Throws unless the condition holds. */
export function assert(condition: boolean, what: string, ...values: unknown[]): asserts condition {
  if (condition) return;
  const shown = values.map((value) => Bun.inspect(value, { depth: 8 }).slice(0, 2000));
  throw new Error([what, ...shown].join("\n  "));
}

/** Throws unless the two are equal: of the same values. */
export function assertEqual(actual: unknown, expected: unknown, what: string): void {
  assert(Bun.deepEquals(actual, expected, true), `${what}: the first is, the second should be`, actual, expected);
}

/** Calls the function. Returns what it throws, which must be one of the errors that are documented. */
export function errorOf(
  action: () => unknown,
  ...documented: (abstract new (
    ...args: never
  ) => Error)[]
): Error | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    // A SyntaxError, say, and not something else that inherits from it.
    const known = documented.some((type) => error instanceof type && error.constructor === type);
    if (!known) throw error;
    const { message } = error as Error;
    assert(
      message.length > 0 && message.length < 1_000_000 && message.isWellFormed(),
      "the error has no message",
      error,
    );
    return error as Error;
  }
}
