/** What a service tells its manager: the object in JavaScript. */

/**
 * What to tell the service manager. A field that is undefined or false is not sent. At least one field must be sent.
 *
 * @see sd_notify(3)
 * @example
 * const state: State = { ready: true, status: "Listening on :3000" };
 * notify(state);
 */
export interface State {
  /** The configuration is being reloaded. Adds the time, which Type=notify-reload needs. `RELOADING=1` */
  reloading?: boolean | undefined;
  /** Start-up, or a reload, is complete. `READY=1` */
  ready?: boolean | undefined;
  /** The service is shutting down. `STOPPING=1` */
  stopping?: boolean | undefined;
  /** One line for people, shown by systemctl status. `STATUS=` */
  status?: string | undefined;
  /** The main process. Adds the inode number of its pidfd, if the kernel has one. `MAINPID=` */
  mainPid?: number | undefined;
  /** Who may send notifications from now on. `NOTIFYACCESS=` */
  notifyAccess?: "none" | "main" | "exec" | "all" | undefined;
  /** Why the service failed: a value of errno, 0 to 4095. `ERRNO=` */
  errno?: number | undefined;
  /** Why the service failed: a D-Bus error, such as "org.freedesktop.DBus.Error.TimedOut". `BUSERROR=` */
  busError?: string | undefined;
  /** Why the service failed: a Varlink error, such as "org.varlink.service.InvalidParameter". `VARLINKERROR=` */
  varlinkError?: string | undefined;
  /** The exit status of the service, 0 to 255. `EXIT_STATUS=` */
  exitStatus?: number | undefined;
  /** true: the service is alive. "trigger": it has failed; act as if the watchdog had expired. `WATCHDOG=` */
  watchdog?: boolean | "trigger" | undefined;
  /** A new watchdog time-out, in milliseconds. `WATCHDOG_USEC=` */
  watchdogTimeoutMs?: number | undefined;
  /** Start-up, runtime or shutdown may take this long from now, in milliseconds. `EXTEND_TIMEOUT_USEC=` */
  extendTimeoutMs?: number | undefined;
  /** Forget how often the service was restarted. `RESTART_RESET=1` */
  restartReset?: boolean | undefined;
  /** Assignments that no other field makes, such as `{ X_REQUESTS: 12 }`. */
  extra?: Record<string, string | number> | undefined;
}

/** The fields that have their own key. */
export type FieldName = Exclude<keyof State, "extra">;
