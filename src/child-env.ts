/** What the service manager leaves in a service's environment. */

/** The variables that are about this process. A process that inherits them takes what is not meant for it. */
const OURS = [
  "NOTIFY_SOCKET",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
  "LISTEN_PID",
  "LISTEN_PIDFDID",
  "LISTEN_FDS",
  "LISTEN_FDNAMES",
];

/**
 * Returns the environment for a child process, without the variables by which the service manager speaks to this one.
 * Deleting them from process.env is not enough: Bun.spawn() without `env` passes on the environment that this process
 * was started with.
 *
 * @see sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3)
 * @example
 * Bun.spawn(["date"], { env: childEnv(), stdout: "ignore" });
 */
export function childEnv(env: Record<string, string | undefined> = process.env): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !OURS.includes(name)));
}
