/**
 * Ends a program that has started nothing, without the work that Bun does at the end of any program. No issue filed.
 * This goes when Bun ends such a program as fast.
 */

/**
 * Ends the process with status 0, without the work that Bun does at the end of any program (0.07 ms). It calls an
 * undocumented function of Node.js. Without that function, the process ends when it has nothing left to do.
 */
export function exitNow(): void {
  (process as { reallyExit?: (status: number) => never }).reallyExit?.(0);
}
