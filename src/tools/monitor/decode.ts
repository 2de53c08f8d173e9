/** What a value means if it does not say so itself: times, and numbers that have names. */

import { errnoName } from "../../../ffi/errno.ts";
import { formatUsec } from "../../protocol/durations.ts";

/**
 * Returns a few words on an assignment that came at a time of CLOCK_MONOTONIC; undefined if there is nothing to say.
 */
export function decodeLine(line: string, receivedUsec: number): string | undefined {
  const [, key, digits] = /^([A-Z_]+)=(\d{1,15})$/.exec(line) ?? [];
  const value = Number(digits);
  if (key === "WATCHDOG_USEC" || key === "EXTEND_TIMEOUT_USEC") return formatUsec(value);
  if (key === "ERRNO") return errnoName(value);
  if (key !== "MONOTONIC_USEC") return undefined;
  const ageUsec = receivedUsec - value;
  return ageUsec >= 0 ? `${formatUsec(ageUsec)} before it came` : `${formatUsec(-ageUsec)} after it came`;
}
