/** Programs that call serve(), started as the service manager does it. */

import { BUN, ROOT } from "./command.ts";
import { readLines, within } from "./receiver.ts";

const children: Bun.Subprocess[] = [];

/**
 * To be called after each test: a hook of this file's own would be for the first that imports it. A server that still
 * waits for a request would not end on SIGTERM.
 */
export async function endServers(): Promise<void> {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.splice(0).map(({ exited }) => exited));
}

export interface Started {
  child: Bun.Subprocess;
  /** The next line of its standard output; undefined when there is none. */
  line(): Promise<string | undefined>;
  /** The lines of its standard error until it ends. */
  errors: Promise<string[]>;
}

/** Starts a server that was passed sockets, as the service manager does it. The shell runs `first`, if it is given. */
export function start(
  source: string,
  fds: readonly number[] = [],
  env: Record<string, string> = {},
  bun = BUN,
  first = ":",
): Started {
  const child = Bun.spawn(["sh", "-c", `${first}; LISTEN_PID=$$ exec "$@"`, "sh", bun, "run", "-"], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH ?? "",
      ...(fds.length > 0 && { LISTEN_FDS: `${fds.length}`, LISTEN_FDNAMES: fds.map(() => "http").join(":") }),
      ...env,
    },
    stdio: [Buffer.from(`import { serve } from "./src/index.ts";\n${source}`), "pipe", "pipe", ...fds] as never,
  });
  return watch(child);
}

/** Reads what a server that was started prints. */
export function watch(child: Bun.Subprocess): Started {
  children.push(child);
  const lines = readLines(child.stdout as ReadableStream<Uint8Array>);
  const line = async () => (await within(10_000, lines.next(), () => "no line within 10 seconds")).value ?? undefined;
  return { child, line, errors: Array.fromAsync(readLines(child.stderr as ReadableStream<Uint8Array>)) };
}
