/**
 * The end of a program that has begun nothing, without what Bun does at the end of one that may have. No issue filed.
 * This goes when Bun ends such a program as fast.
 */

/**
 * Ends the process with status 0, without what Bun does at the end of a program that may have begun something
 * (0.07 ms). It is done by a function of Node.js that is not documented. Without it the process ends when it
 * has nothing left to do.
 */
export function exitNow(): void {
  (process as { reallyExit?: (status: number) => never }).reallyExit?.(0);
}
