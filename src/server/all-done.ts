/** Several things done at once, of which none may cut the others short. */

import { errorLine } from "../report.ts";

/** Waits until all promises are settled. @throws the error of one, or an AggregateError that names all of them. */
export async function allDone(promises: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(promises);
  const errors = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  if (errors.length > 0) throw asOne(errors);
}

/** Makes one error of some, because a reader of the log may get only one line. */
export function asOne(errors: readonly unknown[]): unknown {
  const all = errors.flatMap((error) => (error instanceof AggregateError ? error.errors : [error]));
  return all.length === 1 ? all[0] : new AggregateError(all, all.map(errorLine).join("; "));
}
