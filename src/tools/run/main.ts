/** sd-notify run: a unit of Type=notify for a program that does not speak its protocol. */

import type { Tool } from "../options.ts";
import { live } from "./life.ts";
import { OPTIONS, readPlan } from "./options.ts";

export const tool = {
  name: "run",
  description: "Start a program, and notify for it when probes pass",
  operand: "-- CMD [ARG…]",
  options: OPTIONS,
  footer:
    "If there are several probes, each must pass once. Without a probe, the unit is ready when CMD has started. " +
    "SIGHUP reloads, SIGTERM and SIGINT stop; these and other signals are passed on to CMD. Without " +
    "$NOTIFY_SOCKET it does the same, and notifies nobody. Times are seconds, or a number with ms, s, min or h.\n\n" +
    "Exit status: that of CMD; if a signal kills CMD, the same signal; 203 if CMD can't be executed; 1 if CMD is " +
    "not ready in time, or the arguments are wrong; 129 if the SIGHUP of a reload kills CMD.",
} as const satisfies Tool;

/** Does not return before CMD has ended. */
export async function main(args: readonly string[]): Promise<number> {
  const status = await live(readPlan(tool, args));
  // Exit at once, whatever is under way. Output that nobody reads must not prevent that.
  process.exit(status);
}
