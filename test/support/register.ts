/** Programs that know nothing of a service manager, started with sd-notify/register. */

import { join } from "node:path";
import type { Message, Receiver } from "../../src/receiver/receiver.ts";
import { BUN, ROOT, temporaryDirectory } from "./command.ts";
import { readLines, within } from "./receiver.ts";

export const REGISTER = join(ROOT, "src/register.ts");
/** What a program imports that does something itself. */
export const LIBRARY = JSON.stringify(join(ROOT, "src/index.ts"));

/** A program's server. */
export const BUN_SERVE = `const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("x") });`;
export const text = async (url: string, init: BunFetchRequestInit = {}) => (await fetch(url, init)).text();

export interface Program {
  child: Bun.Subprocess;
  /** Its file. */
  path: string;
  /** The next line of its standard output; undefined when there is none. */
  line(): Promise<string | undefined>;
  /** The lines of its standard error until it ends. */
  errors: Promise<string[]>;
}

export interface ProgramOptions {
  receiver?: Pick<Receiver, "env"> | undefined;
  env?: Record<string, string>;
  /** Passed sockets, and their names, joined as in $LISTEN_FDNAMES. */
  fds?: readonly number[];
  names?: string;
  /** How the file ends. */
  extension?: string;
  flags?: readonly string[];
  /** Whether the shell stays, which was passed what there is. */
  shell?: boolean;
  /** What executes it, in place of Bun with the preload. */
  command?: readonly string[];
}

let directory: ReturnType<typeof temporaryDirectory> | undefined;
const children: Bun.Subprocess[] = [];
let count = 0;

/**
 * To be called after each test: a hook of this file's own would be for the first that imports it. A server that still
 * waits for a request would not end on SIGTERM.
 */
export async function endPrograms(): Promise<void> {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.splice(0).map(({ exited }) => exited));
}

/** To be called after all tests of a file. */
export function removePrograms(): void {
  directory?.[Symbol.dispose]();
  directory = undefined;
}

/** Writes a program, and starts it as the service manager would. */
export function startProgram(source: string, options: ProgramOptions = {}): Program {
  const { receiver, env = {}, fds = [], names, extension = "ts", flags = [] } = options;
  directory ??= temporaryDirectory();
  const path = join(directory.path, `program-${count++}.${extension}`);
  Bun.write(path, source);
  const command = options.command ?? [BUN, ...flags, "--preload", REGISTER, path];
  const child = Bun.spawn(
    [
      "sh",
      "-c",
      `LISTEN_PID=$$; export LISTEN_PID; ${options.shell ? '"$@"; exit $?' : 'exec "$@"'}`,
      "sh",
      ...command,
    ],
    {
      cwd: directory.path,
      env: {
        PATH: process.env.PATH ?? "",
        ...receiver?.env,
        ...(fds.length > 0 && {
          LISTEN_FDS: `${fds.length}`,
          LISTEN_FDNAMES: names ?? fds.map(() => "http").join(":"),
        }),
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe", ...fds] as never,
    },
  );
  children.push(child);
  const lines = readLines(child.stdout as unknown as ReadableStream<Uint8Array>);
  const line = async () => (await within(10_000, lines.next(), () => "no line within 10 seconds")).value ?? undefined;
  return {
    child,
    path,
    line,
    errors: Array.fromAsync(readLines(child.stderr as unknown as ReadableStream<Uint8Array>)),
  };
}

/** The first URL in a status. */
export function urlOf({ state }: Message): string {
  return /Listening on (http\S+?),?(\s|$)/.exec(state.status ?? "")?.[1] ?? "";
}

/** The keys of each message that was sent, but for pings and what goes into the fd store: "READY STATUS". */
export function words(receiver: Receiver): string[] {
  return receiver.history
    .map(({ text }) => text)
    .filter((text) => !/^(WATCHDOG|FDSTORE|FDSTOREREMOVE)=/.test(text))
    .map((text) =>
      text
        .split("\n")
        .map((line) => line.split("=")[0])
        .join(" "),
    );
}

/** What was sent until the stop. */
export async function life(receiver: Receiver): Promise<string[]> {
  if (!receiver.history.some(({ state }) => state.stopping)) await receiver.waitFor({ stopping: true });
  return words(receiver);
}

/** What is told of a program that register ends. */
export const WHOLE_LIFE = ["READY STATUS", "STOPPING STATUS EXTEND_TIMEOUT_USEC"];
