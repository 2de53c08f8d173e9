/** Programs that manage a server, and how to speak to them. */

import type { Message, Receiver } from "../../src/receiver/receiver.ts";
import { BUN, ROOT } from "./command.ts";

export type Child = Bun.Subprocess<Blob, "pipe", "pipe">;

const children: Child[] = [];
/** To be called after each test: a hook of this file's own would be for the first that imports it. */
export async function endPrograms(): Promise<void> {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.splice(0).map(({ exited }) => exited));
}

export interface StartOptions {
  env?: Record<string, string>;
  /** Arguments for Bun. */
  flags?: string[];
  /** What executes it. */
  prefix?: string[];
}

/** Starts a program that manages a server. */
export function start(
  source: string,
  receiver?: Pick<Receiver, "env">,
  { env = {}, flags = [], prefix = [] }: StartOptions = {},
): Child {
  const child = Bun.spawn([...prefix, BUN, ...flags, "run", "-"], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? "", ...receiver?.env, WATCHDOG_USEC: "60000000", ...env },
    stdin: new Blob([`import { manageServer, startWatchdog, notify } from "./src/index.ts";\n${source}`]),
    stdout: "pipe",
    stderr: "pipe",
  });
  children.push(child);
  return child;
}

/** A server of Bun's whose handler is an expression, and that counts its requests. */
export function serve(options = "{}", handler = `new Response("x")`): string {
  return `
  let requests = 0;
  const server = Bun.serve({ port: 0, fetch: async (request, server) => { requests++; return ${handler}; } });
  const managed = manageServer(server, ${options});`;
}

/** The first URL, or the first address, in a status. */
export function urlIn({ state }: Message): string {
  const place = /Listening on ([^\s,]+?):?(?=[\s,]|$)/.exec(state.status ?? "")?.[1] ?? "";
  return place.startsWith("http") ? place : `http://${place}/`;
}

/** What was sent, but for pings. */
export function texts(receiver: Receiver): string[] {
  return receiver.history.map(({ text }) => text).filter((text) => !text.startsWith("WATCHDOG="));
}
