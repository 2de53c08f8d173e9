/** THE table of the fields and their keys on the wire, in the order in which systemd-notify(1) sends them. */

import type { FieldName } from "./state.ts";

export const KEYS = {
  reloading: "RELOADING",
  ready: "READY",
  stopping: "STOPPING",
  status: "STATUS",
  mainPid: "MAINPID",
  notifyAccess: "NOTIFYACCESS",
  errno: "ERRNO",
  busError: "BUSERROR",
  varlinkError: "VARLINKERROR",
  exitStatus: "EXIT_STATUS",
  watchdog: "WATCHDOG",
  watchdogTimeoutMs: "WATCHDOG_USEC",
  extendTimeoutMs: "EXTEND_TIMEOUT_USEC",
  restartReset: "RESTART_RESET",
} as const satisfies Record<FieldName, string>;

/** Keys that go with a field, and whose values the system knows. */
export const COMPANION_KEYS = {
  reloading: "MONOTONIC_USEC",
  mainPid: "MAINPIDFDID",
} as const satisfies Partial<Record<FieldName, string>>;
