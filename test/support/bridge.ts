/** `sd-notify bridge`, and what it answers. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { COMMANDS, ROOT, temporaryDirectory } from "./command.ts";
import { readLines, within } from "./receiver.ts";

export const BINARY = `${ROOT}dist/sd-notify`;

const directory = temporaryDirectory();
process.on("exit", () => directory[Symbol.dispose]());
let count = 0;

const children: Bun.Subprocess[] = [];
/** To be called after each test. */
export async function endBridges(): Promise<void> {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.splice(0).map(({ exited }) => exited));
}

export interface BridgeSettings {
  env?: Record<string, string>;
  /** What executes it. */
  prefix?: string[];
  command?: string[];
  cwd?: string;
}

/**
 * `sd-notify bridge OPTIONS -- sh -c SCRIPT`, with a socket for HTTP. The script has $N, the command; without privilege,
 * what that sends is from itself and not from the shell, so all are heard unless the options say else.
 */
export function startBridge(options: string[], script: string | string[], settings: BridgeSettings = {}) {
  const [, binary] = COMMANDS[0] as (typeof COMMANDS)[0];
  const { env = {}, prefix = [], command = binary, cwd = ROOT } = settings;
  const http = join(directory.path, `http${count++}`);
  const program = typeof script === "string" ? ["sh", "-c", script] : script;
  const args = ["bridge", `--http=unix:${http}`, "--notify-access=all", ...options, "--", ...program];
  const child = Bun.spawn([...prefix, ...command, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? "", N: BINARY, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  const lines = readLines(child.stdout);
  const stderr = child.stderr.text();
  /** The next line that the command prints. */
  const line = async () => {
    const { value } = await within(20_000, lines.next(), () => "no line of output");
    return value as string | undefined;
  };
  const get = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`http://localhost${path}`, { ...init, unix: http });
    return { status: response.status, text: (await response.text()).trimEnd(), headers: response.headers };
  };
  const status = async () => JSON.parse((await get("/status")).text);
  /** Asks until it is so. */
  const until = async (path: string, fits: (answer: { status: number; text: string }) => boolean) => {
    for (const deadline = performance.now() + 20_000; ; await Bun.sleep(5)) {
      // It may not listen yet.
      const answer = existsSync(http) ? await get(path) : { status: 0, text: "" };
      if (fits(answer)) return answer;
      if (performance.now() > deadline) throw new Error(`${path} is ${answer.status} ${answer.text}`);
    }
  };
  const end = async () => {
    const code = await child.exited;
    return { code, signal: child.signalCode, stderr: await stderr };
  };
  return { child, http, line, get, status, until, end };
}

/** A shell that lives until it is told to end. */
export const WAIT = "while :; do sleep 0.02; done";
