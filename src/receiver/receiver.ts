/** A receiver of notifications, for tests without systemd. @module */

import { SCM_MAX_FD } from "../../ffi/layouts.ts";
import { getNofileLimit } from "../../ffi/process.ts";
import * as sys from "../../ffi/syscalls.ts";
import { node } from "../bun/node.ts";
import { parseAddress } from "../protocol/address.ts";
import type { State } from "../protocol/state.ts";
import { type Batch, unpack } from "./batch.ts";
import { closeQuietly } from "./close-quietly.ts";
import { Message, type TestUnit } from "./message.ts";
import { type BoundSocket, bindPrivately, bindSocket } from "./private-socket.ts";
import { Queue } from "./queue.ts";
import { startWorker } from "./start-worker.ts";
import type { Ended, Orders, Question } from "./worker.ts";

export type { Phase, Problem, UnitFacts, Verdict } from "../verdict/types.ts";
export { Message, type TestUnit } from "./message.ts";

/**
 * Where a receiver listens, and what it does with messages.
 *
 * @example
 * const options: ReceiverOptions = { barriers: "show", unit: { type: "notify" } };
 * using receiver = openReceiver(options);
 * console.log(receiver.address);
 */
export interface ReceiverOptions {
  /**
   * Where to listen: `/path` or `@name`. Default: a new path that nobody can guess and all users can reach. If there
   * is no suitable directory, it is a new abstract name.
   */
  address?: string | undefined;
  /**
   * What to do with barriers. "answer": answers them at once, and does not show them, as PID 1 does. "show": answers
   * them at once, and shows them as messages. "hold": shows them as messages, and answers each when its message is
   * closed.
   */
  barriers?: "answer" | "show" | "hold" | undefined;
  /** Whether to keep `history`. It takes memory for each message. Default: true. */
  keepHistory?: boolean | undefined;
  /** The unit that the receiver stands for. `message.verdict` depends on it. */
  unit?: TestUnit | undefined;
}

/**
 * How long to wait for a message.
 *
 * @example
 * using receiver = openReceiver();
 * const options: WaitOptions = { timeoutMs: 2000 };
 * notify({ ready: true }, { socket: receiver.address });
 * await receiver.next(options);
 */
export interface WaitOptions {
  /** How long to wait, in milliseconds. Default: 5000. */
  timeoutMs?: number | undefined;
}

/**
 * Opens a receiver: a socket that takes notifications as the service manager's does, in this process. The event loop
 * goes on while it waits.
 *
 * @returns the receiver, which is Disposable: `using` closes it at the end of a scope.
 * @throws SyntaxError for an address that can't be used, SystemError if the receiver can't listen there.
 * @example
 * using receiver = openReceiver();
 * Bun.spawn(["sd-notify", "--ready"], { env: { ...process.env, ...receiver.env } });
 * await receiver.waitFor({ ready: true });
 */
export function openReceiver(options: ReceiverOptions = {}): Receiver {
  return new Receiver(options);
}

/**
 * What openReceiver() opens.
 *
 * @example
 * const receiver: Receiver = openReceiver();
 * notify({ ready: true }, { socket: receiver.address });
 * notify({ stopping: true }, { socket: receiver.address });
 * for await (const { text } of receiver) {
 *   console.log(text);
 *   if (text === "STOPPING=1") receiver.close();
 * }
 */
export class Receiver implements Disposable, AsyncIterable<Message> {
  /** The value for a sender's $NOTIFY_SOCKET. */
  readonly address: string;
  /** The environment for a sender: `{ NOTIFY_SOCKET }`. */
  readonly env: { NOTIFY_SOCKET: string };
  /** Every message that has come, taken or not, the oldest first. */
  readonly history: Message[] = [];

  readonly #socket: BoundSocket;
  readonly #worker: Worker;
  readonly #barriers: "answer" | "show" | "hold";
  readonly #keepHistory: boolean;
  readonly #unit: TestUnit | undefined;
  readonly #untaken = new Queue();
  readonly #waiting = new Set<() => void>();
  /** One end of a pipe is the thread's. The other one asks it for more messages. Closing that one ends the thread. */
  readonly #threadEnd: number;
  #control: number | undefined;
  readonly #maxFds = Math.max(SCM_MAX_FD, Math.floor(getNofileLimit().soft / 4));
  /** The last order to the thread since its last report. */
  #order: "+" | "-" | undefined;
  #isEnded = false;
  #failure: string | undefined;
  /** When the event loop last had its turn. */
  #turnMs = 0;

  constructor({ address, barriers = "answer", keepHistory = true, unit }: ReceiverOptions) {
    this.#barriers = barriers;
    this.#keepHistory = keepHistory;
    this.#unit = unit;
    this.#socket = address === undefined ? bindPrivately() : bindTo(address);
    this.address = this.#socket.address;
    this.env = { NOTIFY_SOCKET: this.address };
    let ends: number[] = [];
    try {
      ends = sys.pipe();
      this.#worker = startWorker();
    } catch (error) {
      closeQuietly([this.#socket.fd, ...ends]);
      this.#socket.remove();
      throw error;
    }
    [this.#threadEnd = -1, this.#control] = ends;
    this.#worker.unref();
    this.#worker.onmessage = ({ data }: MessageEvent<Batch | Question | Ended>) => {
      this.#order = undefined;
      if ("bytes" in data) this.#arrive(data);
      else if ("isHoldingBack" in data) this.#askForMore();
      else this.#end(data.why);
    };
    this.#worker.onerror = ({ message }) => this.#end(message);
    const orders: Orders = { socket: this.#socket.fd, control: this.#threadEnd, maxFds: this.#maxFds };
    this.#worker.postMessage(orders);
    this.#askForMore();
    removeAtExit(this);
  }

  /**
   * Takes the next message.
   *
   * @throws Error that lists what did arrive, if none comes in time or the receiver is closed.
   */
  async next({ timeoutMs = 5000 }: WaitOptions = {}): Promise<Message> {
    const message = await this.#take(() => true, timeoutMs);
    if (!message) throw this.#nothing("no message", timeoutMs);
    return message;
  }

  /**
   * Takes messages until one fits: all fields of a state have the value given, or a function returns true. Earlier
   * messages are taken too, and their file descriptors are closed.
   *
   * @throws Error that lists what did arrive, if none comes in time or the receiver is closed.
   * @example
   * using receiver = openReceiver();
   * notify({ status: "Listening on :3000" }, { socket: receiver.address });
   * await receiver.waitFor((message) => message.fds.length === 0, { timeoutMs: 2000 });
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

  /** Yields messages until the receiver is closed. @throws Error if it has failed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void> {
    for (;;) {
      const message = await this.#take(() => true, Number.POSITIVE_INFINITY);
      if (message) yield message;
      else if (this.#failure === undefined) return;
      else throw new Error(`the receiver has failed: ${this.#failure}`);
    }
  }

  /** Stops listening, and closes the file descriptors of messages that nobody took. */
  close(): void {
    if (this.#control === undefined) return;
    sys.close(this.#control);
    this.#control = undefined;
    open.delete(this);
    for (let message = this.#untaken.shift(); message; message = this.#untaken.shift()) message.close();
    for (const wake of this.#waiting) wake();
    this.#socket.remove();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // --- internal ---

  /** The thread has ended. If `why` is given, it has failed. */
  #end(why?: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#failure = why;
    this.close();
    // If it has failed, somebody may have closed the socket, and its number may be another file's by now.
    closeQuietly(why === undefined ? [this.#socket.fd, this.#threadEnd] : [this.#threadEnd]);
    this.#worker.terminate();
  }

  #arrive(batch: Batch): void {
    this.#turnMs = performance.now();
    for (const arrival of unpack(batch)) {
      const message = new Message(arrival, this.#unit);
      if (message.isBarrier && this.#barriers !== "hold") message.close();
      if (message.isBarrier && this.#barriers === "answer") continue;
      if (this.#keepHistory) this.history.push(message);
      if (this.#control === undefined) message.close();
      else this.#untaken.push(message);
    }
    this.#askForMore();
    for (const wake of this.#waiting) wake();
  }

  /**
   * Asks the thread for the messages that it holds or receives next. If many messages have not been taken, it tells
   * the thread to make senders wait instead: more messages for a busy program would only delay the sender of the last
   * one.
   */
  #askForMore(): void {
    if (this.#order === "+" || this.#control === undefined) return;
    // Messages in the history take their memory anyway.
    const isFull =
      this.#untaken.fdCount > this.#maxFds || (!this.#keepHistory && this.#untaken.size > MAX_UNTAKEN_SIZE);
    const order = isFull ? "-" : "+";
    if (order === this.#order) return;
    this.#order = order;
    node.fs.writeSync(this.#control, order);
  }

  async #take(fits: (message: Message) => boolean, timeoutMs: number): Promise<Message | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      // Otherwise, if messages came as fast as they are taken, the event loop would do nothing else.
      if (performance.now() - this.#turnMs > MAX_TURN_MS) await this.#turn();
      for (let message = this.#untaken.shift(); message; message = this.#untaken.shift()) {
        this.#askForMore();
        if (fits(message)) return message;
        message.close();
      }
      const left = deadline - performance.now();
      if (this.#control === undefined || left <= 0) return undefined;
      await this.#arrival(left);
    }
  }

  /** Lets the event loop do its other work. */
  async #turn(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    setImmediate(resolve);
    await promise;
    this.#turnMs = performance.now();
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
    const why = this.#control === undefined ? closed : `within ${timeoutMs} ms`;
    const arrived = this.history.map(({ text, pid, fds }, i) => {
      const sent = fds.length > 0 ? ` with ${fds.length} fds` : "";
      return `\n  ${i + 1}. ${JSON.stringify(text)} from process ${pid}${sent}`;
    });
    return new Error(`${what} ${why}; ${arrived.length > 0 ? `what arrived:${arrived.join("")}` : "nothing arrived"}`);
  }
}

// --- internal ---

/** How much memory messages that nobody has taken may use, if they are not kept in `history` anyway. */
const MAX_UNTAKEN_SIZE = 1 << 20;

/** How long messages are taken before the event loop gets a turn. */
const MAX_TURN_MS = 10;

function bindTo(address: string): BoundSocket {
  const parsed = parseAddress(address, "the address");
  if (parsed.family !== "unix") throw new TypeError(`Cannot listen on ${address}: use a path or an abstract name`);
  const remove = () => {
    if (address.startsWith("/")) node.fs.rmSync(address, { force: true });
  };
  return { fd: bindSocket(parsed.path, address), address, remove };
}

/** Open receivers. A program may end without closing them. */
const open = new Set<Receiver>();
let isListening = false;

function removeAtExit(receiver: Receiver): void {
  open.add(receiver);
  if (isListening) return;
  isListening = true;
  process.on("exit", () => {
    for (const receiver of open) receiver.close();
  });
}

/** Whether the state has all wanted values. */
function contains(state: object, wanted: object): boolean {
  return Object.entries(wanted).every(([name, value]) => {
    const actual = (state as Record<string, unknown>)[name];
    if (typeof value !== "object" || value === null) return name in state ? actual === value : value === false;
    return typeof actual === "object" && actual !== null && contains(actual, stringified(value));
  });
}

/** The values of `extra` are always read as strings, even if they were written as numbers. */
function stringified(values: object): object {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}
