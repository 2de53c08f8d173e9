/** Names of file descriptors in the fd store: FDNAME= of sd_pid_notify_with_fds(3). */

import { mustBe, show } from "./check.ts";

/** @throws TypeError, unless the service manager would accept the name. */
export function checkFdName(name: unknown): asserts name is string {
  if (typeof name !== "string") throw mustBe("use the fd store", "name", "a string", name);
  const why = whyNoFdName(name);
  if (why === undefined) return;
  throw new TypeError(`Cannot use the fd store: ${show(name)} is no name for file descriptors: ${why}`);
}

/** Returns why the service manager would refuse the name; undefined if it would not. */
export function whyNoFdName(name: string): string | undefined {
  if (name.length > 255) return `it has ${name.length} characters, and 255 are allowed`;
  if (!/^[\x20-\x39\x3b-\x7e]*$/.test(name)) return 'use ASCII without control characters and ":"';
  return undefined;
}
