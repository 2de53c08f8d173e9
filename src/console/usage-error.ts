/** A mistake in the command line; the message is for the person who made it. */
export class UsageError extends Error {
  override name = "UsageError";
}
