/** `sd-notify run`, as a service manager starts it. */

import { readFileSync } from "node:fs";
import type { Receiver } from "../../src/receiver/receiver.ts";
import { BUN, ROOT } from "./command.ts";
import { readLines, within } from "./receiver.ts";

export const SOURCE = [BUN, `${ROOT}src/cli/from-source.ts`];
const children: Bun.Subprocess[] = [];
/** To be called after each test. */
export async function endAll(): Promise<void> {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.splice(0).map(({ exited }) => exited));
}

export interface StartOptions {
  command?: string[];
  env?: Record<string, string>;
  stdio?: unknown[];
}

/** Starts `sd-notify run` as a service manager does. */
export function start(receiver: Receiver | undefined, args: string[], options: StartOptions = {}) {
  const { command = SOURCE, env = {}, stdio = ["ignore", "pipe", "pipe"] } = options;
  const child = Bun.spawn([...command, "run", ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", ...receiver?.env, ...env },
    stdio: stdio as never,
  }) as Bun.Subprocess<"ignore", "pipe", "pipe">;
  children.push(child);
  const lines = child.stdout ? readLines(child.stdout) : undefined;
  const line = () => within(10_000, lines?.next() ?? Promise.reject(), () => "no line of output").then((r) => r.value);
  return Object.assign(child, { line });
}

/** A shell that runs until a file appears, or it gets SIGTERM; `on` are its traps. */
export const shell = (on: string) => ["--", "sh", "-c", `${on}\necho up\nwhile :; do sleep 0.02; done`];
export const FOREVER = ["--", "sleep", "1000"];

export async function untilGone(pid: number): Promise<void> {
  const isThere = () => {
    try {
      return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
    } catch {
      return false;
    }
  };
  for (const deadline = performance.now() + 5000; isThere(); await Bun.sleep(2)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} is still there`);
  }
}
