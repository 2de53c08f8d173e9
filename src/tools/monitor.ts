/** `sd-notify monitor`: systemd on the laptop. */

import { inColour, isTerminal, print } from "../cli/output.ts";
import type { MonitorEvent } from "./monitor/events.ts";
import { readKeys } from "./monitor/keys.ts";
import { Limiter } from "./monitor/limiter.ts";
import { parseOptions } from "./monitor/options.ts";
import { show } from "./monitor/show.ts";
import { Supervisor } from "./monitor/supervisor.ts";

export { tool } from "./monitor/options.ts";

export async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const terminal = isTerminal();
  const colour = inColour();
  const text = (event: MonitorEvent) => show(event, { columns: terminal ? process.stdout.columns : undefined, colour });
  let failure: unknown;
  const tell = (line: string) => {
    try {
      if (failure === undefined) print(line);
    } catch (error) {
      // Nobody reads any more, or there is no room: the command is stopped all the same.
      failure = error;
      // When what it was just telling of is done: the start, at the earliest.
      setImmediate(() => supervisor.stop("what the monitor prints can't be written"));
    }
  };
  const limiter = new Limiter((event) => tell(text(event)));
  using supervisor = new Supervisor(options, (event) => {
    if (options.json) tell(`${JSON.stringify(event)}\n`);
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
