/** The monitor, and what it tells. */

import type { MonitorEvent } from "../../src/tools/monitor/events.ts";
import { COMMANDS, ROOT } from "./command.ts";

export type EventOf<Name extends MonitorEvent["event"]> = Extract<MonitorEvent, { event: Name }>;

export interface Monitored {
  /** The exit status. */
  code: number;
  events: MonitorEvent[];
  stderr: string;
}

/**
 * `sd-notify monitor --json OPTIONS -- sh -c SCRIPT`. The script has $N, the command; without privilege, what
 * that sends is from itself and not from the shell, so all are heard unless the options say else.
 */
export function startMonitor(
  options: string[],
  script: string | string[],
  [, command] = COMMANDS[0] as (typeof COMMANDS)[0],
) {
  const program = typeof script === "string" ? ["sh", "-c", script] : script;
  const child = Bun.spawn([...command, "monitor", "--json", "--notify-access=all", ...options, "--", ...program], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", N: `${ROOT}dist/sd-notify` },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const events: MonitorEvent[] = [];
  const waiting = new Set<() => void>();
  const reading = (async () => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) events.push(JSON.parse(line));
      for (const wake of waiting) wake();
    }
    for (const wake of waiting) wake();
  })();
  const stderr = child.stderr.text();
  const end = async (): Promise<Monitored> => {
    await reading;
    return { code: await child.exited, events, stderr: await stderr };
  };
  /** Resolves to the first event that fits. */
  const until = async <Name extends MonitorEvent["event"]>(
    name: Name,
    fits: (event: EventOf<Name>) => boolean = () => true,
  ): Promise<EventOf<Name>> => {
    for (;;) {
      const found = events.find((event) => event.event === name && fits(event as EventOf<Name>));
      if (found) return found as EventOf<Name>;
      if (child.exitCode !== null) throw new Error(`no ${name}: ${JSON.stringify(events)}${await stderr}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add(resolve);
      await promise;
      waiting.delete(resolve);
    }
  };
  return { child, events, end, until };
}

/** Runs it to its end. */
export function monitor(options: string[], script: string | string[]): Promise<Monitored> {
  return startMonitor(options, script).end();
}

/** The events of a kind. */
export function select<Name extends MonitorEvent["event"]>(events: MonitorEvent[], name: Name): EventOf<Name>[] {
  return events.filter((event): event is EventOf<Name> => event.event === name);
}
