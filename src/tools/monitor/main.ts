/** `sd-notify monitor`: systemd on the laptop. */

import { complain, inColour, isTerminal, print } from "../../console/output.ts";
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
  using _handlers = listen({
    // The standalone executable does not ignore it from the start.
    SIGPIPE: () => {},
    SIGINT: () => stop("SIGINT"),
    SIGTERM: () => stop("SIGTERM"),
    // In a timer, or any of these: the command must not go on without the monitor.
    uncaughtException: (error) => supervisor.fail(error),
    unhandledRejection: (error) => supervisor.fail(error),
  });
  if (supervisor.address.startsWith("@")) {
    complain("monitor: no directory for a socket was found, so every user of this machine can send to it");
  }
  if (terminal && process.stdin.isTTY && !options.json) print("Keys: r reload, t stop, R restart, q quit\n");
  using _keys = readKeys((key) => keys[key]?.());
  const { status } = await supervisor.run();
  if (failure !== undefined) throw failure;
  return status;
}

// --- internal ---

/** Has the process tell of events, until it is disposed of. */
function listen(handlers: Record<string, (what: unknown) => void>): Disposable {
  for (const [name, handler] of Object.entries(handlers)) process.on(name, handler);
  return {
    [Symbol.dispose]() {
      for (const [name, handler] of Object.entries(handlers)) process.off(name, handler);
    },
  };
}
