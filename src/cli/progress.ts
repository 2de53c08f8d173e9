/** How far a notification has come, and what both ways to send one have to agree on. */

/** What the short way has done. */
export type Progress =
  /** Nothing has been sent. */
  | { step: "nothing" }
  /** The message, but no barrier. */
  | { step: "sent" }
  /** Both: the manager hangs up the pipe within the time that is left. */
  | { step: "asked"; readEnd: number; leftMs: number }
  /** All of it. */
  | { step: "done" };

/** How long the command waits for the manager, as systemd-notify(1). */
export const BARRIER_TIMEOUT_MS = 5000;
