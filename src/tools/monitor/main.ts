/** `sd-notify monitor`: systemd on the laptop. */

import { inColour, isTerminal, print, printJson } from "../../console/output.ts";
import type { MonitorEvent } from "./events.ts";
import { readKeys } from "./keys.ts";
import { Limiter } from "./limiter.ts";
import { parseOptions } from "./options.ts";
import { show } from "./show.ts";
import { Supervisor } from "./supervisor.ts";

export { tool } from "./options.ts";

export async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const terminal = isTerminal();
  const colour = inColour();
  const text = (event: MonitorEvent) => show(event, { columns: terminal ? process.stdout.columns : undefined, colour });
  let failure: unknown;
  const tell = (write: () => void) => {
    try {
      if (failure === undefined) write();
    } catch (error) {
      // Nobody reads any more, or there is no room: the command is stopped all the same.
      failure = error;
      // When what it was just telling of is done: the start, at the earliest.
      setImmediate(() => supervisor.stop("what the monitor prints can't be written"));
    }
  };
  const limiter = new Limiter((event) => tell(() => print(text(event))));
  using supervisor = new Supervisor(options, (event) => {
    if (options.json) tell(() => printJson(event));
    else limiter.emit(event);
  });
  const stop = (why: string) => supervisor.stop(why);
  const keys: Record<string, () => void> = {
    r: () => supervisor.reload(),
    t: () => stop("key t"),
    q: () => stop("key q"),
    "\x03": () => stop("Ctrl-C"),
    R: () => supervisor.restart(),
  };
  // The standalone executable does not ignore it from the start.
  process.on("SIGPIPE", () => {});
  process.on("SIGINT", () => stop("SIGINT"));
  process.on("SIGTERM", () => stop("SIGTERM"));
  if (terminal && process.stdin.isTTY && !options.json) print("Keys: r reload, t stop, R restart, q quit\n");
  using _ = readKeys((key) => keys[key]?.());
  const { status } = await supervisor.run();
  if (failure !== undefined) throw failure;
  return status;
}
