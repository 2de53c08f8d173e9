/** Runs modules that are passed file descriptors, as the service manager does it. */

import { BUN, ROOT } from "./command.ts";

/** Starts a module, given as text, in a process that has the fds from 3 on. `sd` is the library in it. */
export function startWithFds(source: string, fds: readonly number[], env: Record<string, string> = {}, prepare = ":") {
  return Bun.spawn(["sh", "-c", `${prepare}; LISTEN_PID=\${LISTEN_PID-$$} exec ${BUN} run -`], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", LISTEN_FDS: `${fds.length}`, ...env },
    stdio: [Buffer.from(`import * as sd from "./src/index.ts";\n${source}`), "pipe", "inherit", ...fds] as never,
  }) as Bun.Subprocess<"ignore", "pipe", "inherit">;
}

/** Runs one to its end, and returns what it prints. */
export async function runWithFds(
  source: string,
  fds: readonly number[],
  env?: Record<string, string>,
): Promise<string> {
  const child = startWithFds(source, fds, env);
  const output = await child.stdout.text();
  await child.exited;
  return output;
}
