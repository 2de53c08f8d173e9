/** Starts a receiver in a process of its own, and hands over what it receives. */

import { chmodSync, existsSync } from "node:fs";
import type { Received } from "./receiver-process.ts";

export interface Receiver extends AsyncDisposable {
  /** What a sender's $NOTIFY_SOCKET should be. */
  address: string;
  pid: number;
  /** Waits for the next message. @throws Error when none comes within 10 seconds, or the receiver has ended. */
  next(): Promise<Received>;
  /** Stops the receiver as SIGSTOP does, so that its queue fills. */
  pause(): void;
  resume(): void;
  /** Ends the receiver and closes what it holds; the socket of a path stays behind, as when a manager is killed. */
  close(): Promise<void>;
}

let count = 0;

/** Opens a receiver at the address; default: an abstract one that is not used yet. */
export async function openReceiver(
  address = `@sd-notify-test-${process.pid}-${count++}`,
  { hold = false } = {},
): Promise<Receiver> {
  const child = Bun.spawn(
    [process.execPath, `${import.meta.dir}/receiver-process.ts`, address, ...(hold ? ["--hold"] : [])],
    {
      env: { ...process.env, BUN_BE_BUN: "1" },
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  const nextLine = collectLines(child.stdout);
  const next = async () => {
    const line = await within(10_000, nextLine(), () => `no message at ${address} within 10 seconds`);
    if (line === undefined) throw new Error(`the receiver at ${address} has ended`);
    return JSON.parse(line);
  };
  const close = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  await next();
  // Whoever runs the tests, their senders may be others.
  if (existsSync(address)) chmodSync(address, 0o777);
  return {
    address,
    pid: child.pid,
    next,
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Yields the lines of a stream as they come. */
export async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

/** Waits for a promise, but not for ever. */
export async function within<T>(timeoutMs: number, promise: Promise<T>, why: () => string): Promise<T> {
  const { promise: timeUp, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(why())), timeoutMs);
  try {
    return await Promise.race([promise, timeUp]);
  } finally {
    clearTimeout(timer);
  }
}

// --- internal ---

/** Reads the lines as they come, so that their writer never waits. Returns a function that waits for the next one. */
function collectLines(stream: ReadableStream<Uint8Array>): () => Promise<string | undefined> {
  const lines: string[] = [];
  const waiting: ((line: string | undefined) => void)[] = [];
  let ended = false;
  void (async () => {
    for await (const line of readLines(stream)) {
      const resolve = waiting.shift();
      if (resolve) resolve(line);
      else lines.push(line);
    }
    ended = true;
    for (const resolve of waiting) resolve(undefined);
  })();
  return () => {
    const line = lines.shift();
    if (line !== undefined || ended) return Promise.resolve(line);
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    waiting.push(resolve);
    return promise;
  };
}
