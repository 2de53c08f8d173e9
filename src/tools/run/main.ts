/** sd-notify run: a unit of Type=notify for a program that does not speak its protocol. */

import type { Tool } from "../options.ts";
import { live } from "./life.ts";
import { OPTIONS, readPlan } from "./options.ts";

export const tool = {
  name: "run",
  description: "Starts a program, and notifies for it when probes pass.",
  operand: "-- CMD [ARG…]",
  options: OPTIONS,
  footer: [
    "Several probes have to pass all; without one, the unit is ready when CMD was",
    "started. A TIME is a number of seconds, or has a unit: 500ms, 5min. SIGHUP",
    "reloads, SIGTERM and SIGINT stop; they and other signals are passed on to CMD.",
    "The exit status is CMD's; a signal that kills CMD kills this too. Without",
    "$NOTIFY_SOCKET it does the same, and notifies nobody.",
  ].join("\n"),
} as const satisfies Tool;

/** Does not return before CMD has ended. */
export async function main(args: readonly string[]): Promise<number> {
  const status = await live(readPlan(tool, args));
  // At once, whatever is under way: output that nobody reads must not keep it.
  process.exit(status);
}
