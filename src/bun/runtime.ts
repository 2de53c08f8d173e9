/**
 * What runs this command: the standalone executable, or Bun from the source. Bun has no documented way to tell them
 * apart. No issue filed. This goes when there is one.
 */

/** Set by the build of the standalone executable, see src/build/keep-caller-state.ts. */
declare const CALLER_STATE_KEPT: boolean | undefined;

/** Whether this is a standalone executable; else Bun runs a script. */
export const standalone = Bun.main.startsWith("/$bunfs/");

/** Whether the limits and the ignored signals of this process are still its caller's. */
export const callerStateKept = typeof CALLER_STATE_KEPT !== "undefined" && CALLER_STATE_KEPT;

/** The name of the command in errors: systemd-notify if it was called by that name. */
export function programName(): string {
  return standalone && /(^|\/)systemd-notify$/.test(process.argv0) ? "systemd-notify" : "sd-notify";
}
