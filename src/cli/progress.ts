/** How far a notification has come, and what both ways to send one must agree on. */

/** What the short way has done. */
export type Progress =
  /** Nothing has been sent. */
  | { step: "nothing" }
  /** The message has been sent, but no barrier. */
  | { step: "sent" }
  /** Both have been sent. The manager should hang up the pipe within the time that is left. */
  | { step: "asked"; readEnd: number; leftMs: number }
  /** Everything is done. */
  | { step: "done" };

/** How long the command waits for the manager: as long as systemd-notify(1). */
export const BARRIER_TIMEOUT_MS = 5000;
