/** A receiver of notifications, for tests without systemd. @module */

import { AF_UNIX, SO_PASSCRED, SOCK_DGRAM } from "../../ffi/constants.ts";
import * as sys from "../../ffi/syscalls.ts";
import { node } from "../bun/node.ts";
import { parseAddress } from "../protocol/address.ts";
import type { State } from "../protocol/state.ts";
import { type Batch, unpack } from "./batch.ts";
import { Message, type TestUnit } from "./message.ts";

export type { Phase, Problem, UnitFacts, Verdict } from "../verdict/types.ts";
export { Message, type TestUnit } from "./message.ts";

export interface ReceiverOptions {
  /** Where to listen: `/path` or `@name`; default: a new abstract name. */
  address?: string | undefined;
  /**
   * What to do with barriers. "answer": at once, and they are no messages (as in PID 1). "show": at once, and they are
   * messages too. "hold": they are messages, and are answered when those are closed.
   */
  barriers?: "answer" | "show" | "hold" | undefined;
  /** Whether `history` is kept, which takes memory for each message. Default: true. */
  keepHistory?: boolean | undefined;
  /** The unit that it stands for: what `message.verdict` goes by. */
  unit?: TestUnit | undefined;
}

export interface WaitOptions {
  /** How long to wait, in milliseconds. Default: 5000. */
  timeoutMs?: number | undefined;
}

/**
 * Opens a receiver: a socket that takes notifications as the service manager's does, in this process. The event loop goes on while
 * it waits.
 *
 * @returns the receiver, which is Disposable: `using` closes it at the end of a scope.
 * @throws SyntaxError when the address can't be one, SystemError when it can't be listened on.
 * @example
 * using receiver = openReceiver();
 * const child = Bun.spawn(["bun", "server.ts"], { env: { ...process.env, ...receiver.env } });
 * await receiver.waitFor({ ready: true });
 */
export function openReceiver(options: ReceiverOptions = {}): Receiver {
  return new Receiver(options);
}

/** What openReceiver() opens. */
export class Receiver implements Disposable, AsyncIterable<Message> {
  /** What a sender's $NOTIFY_SOCKET has to be. */
  readonly address: string;
  /** The environment for a sender: `{ NOTIFY_SOCKET }`. */
  readonly env: { NOTIFY_SOCKET: string };
  /** Every message that has come, the oldest first, taken or not. */
  readonly history: Message[] = [];

  readonly #worker: Worker;
  readonly #barriers: "answer" | "show" | "hold";
  readonly #keepHistory: boolean;
  readonly #unit: TestUnit | undefined;
  readonly #untaken: Message[] = [];
  readonly #waiting = new Set<() => void>();
  #stop: number | undefined;
  #failure: string | undefined;

  constructor({ address = newAddress(), barriers = "answer", keepHistory = true, unit }: ReceiverOptions) {
    this.address = address;
    this.env = { NOTIFY_SOCKET: address };
    this.#barriers = barriers;
    this.#keepHistory = keepHistory;
    this.#unit = unit;
    const socket = listen(address);
    const [stopped, stop] = sys.pipe();
    this.#stop = stop;
    this.#worker = new Worker(workerUrl());
    this.#worker.unref();
    const pending = new Int32Array(new SharedArrayBuffer(4));
    this.#worker.onmessage = ({ data }: MessageEvent<Batch | "stopped">) => {
      if (data !== "stopped") {
        Atomics.sub(pending, 0, 1);
        Atomics.notify(pending, 0);
        return this.#arrive(data);
      }
      sys.close(socket);
      sys.close(stopped);
      this.#worker.terminate();
    };
    this.#worker.onerror = ({ message }) => {
      this.#failure = message;
      this.close();
    };
    this.#worker.postMessage({ socket, stop: stopped, pending });
  }

  /**
   * Takes the next message.
   *
   * @throws Error that tells what did arrive, when none comes in time or the receiver is closed.
   */
  async next({ timeoutMs = 5000 }: WaitOptions = {}): Promise<Message> {
    const message = await this.#take(() => true, timeoutMs);
    if (!message) throw this.#nothing("no message", timeoutMs);
    return message;
  }

  /**
   * Takes messages until one fits: all fields of a state have the value given, or a function returns true. Those before it
   * are taken too, and their file descriptors closed.
   *
   * @throws Error that tells what did arrive, when none comes in time or the receiver is closed.
   * @example
   * await receiver.waitFor({ status: "Listening on :3000" });
   * await receiver.waitFor((message) => message.fds.length === 2, { timeoutMs: 100 });
   */
  async waitFor(
    wanted: State | ((message: Message) => boolean),
    { timeoutMs = 5000 }: WaitOptions = {},
  ): Promise<Message> {
    const fits = typeof wanted === "function" ? wanted : (message: Message) => contains(message.state, wanted);
    const message = await this.#take(fits, timeoutMs);
    if (!message) {
      throw this.#nothing(
        `no message ${typeof wanted === "function" ? "that fits" : `with ${JSON.stringify(wanted)}`}`,
        timeoutMs,
      );
    }
    return message;
  }

  /** Yields messages until the receiver is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void> {
    for (;;) {
      const message = await this.#take(() => true, Number.POSITIVE_INFINITY);
      if (!message) return;
      yield message;
    }
  }

  /** Stops listening, and closes the file descriptors of messages that nobody took. */
  close(): void {
    if (this.#stop === undefined) return;
    sys.close(this.#stop);
    this.#stop = undefined;
    if (this.address.startsWith("/")) node.fs.rmSync(this.address, { force: true });
    for (const message of this.#untaken.splice(0)) message.close();
    for (const wake of this.#waiting) wake();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // --- internal ---

  #arrive(batch: Batch): void {
    for (const arrival of unpack(batch)) {
      const message = new Message(arrival, this.#unit);
      if (message.isBarrier && this.#barriers !== "hold") message.close();
      if (message.isBarrier && this.#barriers === "answer") continue;
      if (this.#keepHistory) this.history.push(message);
      if (this.#stop === undefined) message.close();
      else this.#untaken.push(message);
    }
    for (const wake of this.#waiting) wake();
  }

  async #take(fits: (message: Message) => boolean, timeoutMs: number): Promise<Message | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      for (let message = this.#untaken.shift(); message; message = this.#untaken.shift()) {
        if (fits(message)) return message;
        message.close();
      }
      const left = deadline - performance.now();
      if (this.#stop === undefined || left <= 0) return undefined;
      await this.#arrival(left);
    }
  }

  /** Waits until messages come, the receiver is closed, or the time is up. Meanwhile it keeps the program alive. */
  async #arrival(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = timeoutMs < 0x7fffffff ? setTimeout(resolve, timeoutMs) : undefined;
    this.#waiting.add(resolve);
    this.#worker.ref();
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
    if (this.#waiting.size === 0) this.#worker.unref();
  }

  #nothing(what: string, timeoutMs: number): Error {
    const closed = this.#failure === undefined ? "the receiver is closed" : `the receiver has failed: ${this.#failure}`;
    const why = this.#stop === undefined ? closed : `within ${timeoutMs} ms`;
    const arrived = this.history.map(({ text, pid, fds }, i) => {
      const sent = fds.length > 0 ? ` with ${fds.length} fds` : "";
      return `\n  ${i + 1}. ${JSON.stringify(text)} from process ${pid}${sent}`;
    });
    return new Error(`${what} ${why}; ${arrived.length > 0 ? `what arrived:${arrived.join("")}` : "nothing arrived"}`);
  }
}

// --- internal ---

let count = 0;

function newAddress(): string {
  return `@sd-notify-${process.pid}-${count++}-${Math.random().toString(36).slice(2)}`;
}

function listen(address: string): number {
  const parsed = parseAddress(address, "the address");
  if (parsed.family !== "unix") throw new TypeError(`Cannot listen on ${address}: only on a path or an abstract name`);
  const socket = sys.socket(AF_UNIX, SOCK_DGRAM, address);
  try {
    sys.setSocketOption(socket, SO_PASSCRED, 1);
    sys.bind(socket, parsed, address);
  } catch (error) {
    sys.close(socket);
    throw error;
  }
  return socket;
}

/** The worker stands beside this file's source; what bundles this file lies beside its directory, or in another one. */
function workerUrl(): string {
  const here = import.meta.url;
  if (here.endsWith(".ts")) return new URL("./worker.ts", here).href;
  return new URL(here.includes("/tools/") ? "../receiver/worker.js" : "./receiver/worker.js", here).href;
}

/** Whether all that is wanted is there. */
function contains(state: object, wanted: object): boolean {
  return Object.entries(wanted).every(([name, value]) => {
    const actual = (state as Record<string, unknown>)[name];
    if (typeof value !== "object" || value === null) return name in state ? actual === value : value === false;
    return typeof actual === "object" && actual !== null && contains(actual, stringified(value));
  });
}

/** `extra` is read as strings, whatever it was written as. */
function stringified(values: object): object {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}
