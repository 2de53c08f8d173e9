/** Messages that are nearly right. */

import type { Random } from "./random.ts";
import { INHERITED } from "./random.ts";

/** Every key that the service manager knows, with values that mean something. */
const KEYS: Record<string, readonly string[]> = {
  READY: ["1", "0", "yes"],
  RELOADING: ["1"],
  STOPPING: ["1"],
  MONOTONIC_USEC: ["1", "123456789"],
  STATUS: ["", "up", "größe 🎉"],
  NOTIFYACCESS: ["none", "main", "exec", "all"],
  ERRNO: ["0", "2", "4095", "4096"],
  BUSERROR: ["org.freedesktop.DBus.Error.TimedOut"],
  VARLINKERROR: ["org.varlink.service.InvalidParameter"],
  EXIT_STATUS: ["0", "255", "256"],
  MAINPID: ["1", "2", "2147483647"],
  MAINPIDFDID: ["1"],
  MAINPIDFD: ["1"],
  WATCHDOG: ["1", "trigger"],
  WATCHDOG_USEC: ["0", "1", "18446744073709551615"],
  EXTEND_TIMEOUT_USEC: ["0", "1", "1000000"],
  RESTART_RESET: ["1"],
  FDSTORE: ["1"],
  FDSTOREREMOVE: ["1"],
  FDNAME: ["", "stored", "a:b", "x".repeat(255), "x".repeat(256)],
  FDPOLL: ["0"],
  BARRIER: ["1"],
  X_OWN: ["1"],
};

export function messageText(random: Random): string {
  if (random.once(10))
    return random.pick(["BARRIER=1", "BARRIER=1\n", "\nBARRIER=1", "BARRIER=1\0", "\ufeffBARRIER=1"]);
  if (random.once(10)) return random.text(100);
  // Many short lines are the most work.
  if (random.once(1000))
    return Array.from({ length: 1500 }, (_, i) => (random.once(2) ? i.toString(36) : "a=")).join("\n");
  const lines = random.list(12, () => {
    const key = random.once(12) ? random.pick([...INHERITED, "", random.text(8)]) : random.pick(Object.keys(KEYS));
    const known = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    const value = known && !random.once(3) ? random.pick(known) : random.once(2) ? random.digits() : random.text();
    return random.once(20) ? key : `${random.once(20) ? key.toLowerCase() : key}=${value}`;
  });
  const text = lines.join(random.once(10) ? random.pick(["\r", "\n\n", "\r\n", "\0", "\\\n"]) : "\n");
  return random.once(3) ? random.mutate(text) : text;
}
