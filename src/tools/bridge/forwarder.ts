/**
 * Passes messages on to the manager above, with their file descriptors, as messages of this process. Nobody waits
 * for that manager: messages that it has no room for wait here.
 */

import { EAGAIN, ECONNREFUSED, ENOENT, ETOOMANYREFS, MSG_DONTWAIT } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/errno.ts";
import { monotonicUsec } from "../../../ffi/syscalls.ts";
import { barrier } from "../../barrier.ts";
import { parseAddress } from "../../protocol/address.ts";
import { encode } from "../../protocol/encode.ts";
import type { State } from "../../protocol/state.ts";
import type { Message } from "../../receiver/message.ts";
import { errorLine } from "../../report.ts";
import { send } from "../../transport/send.ts";
import { ForwardQueue, kindOf, type Waiting } from "./forward-queue.ts";
import { namesMainPid, withoutMainPid } from "./main-pid.ts";

export class Forwarder {
  readonly #address: string;
  readonly #tell: (line: string) => void;
  readonly #queue = new ForwardQueue();
  #retry: Timer | undefined;
  #delayMs = FIRST_DELAY_MS;
  #hasToldMainPid = false;

  /** `tell` gets a line on what goes wrong. @throws SyntaxError when $NOTIFY_SOCKET is no address. */
  constructor(address: string, tell: (line: string) => void) {
    parseAddress(address, "$NOTIFY_SOCKET");
    this.#address = address;
    this.#tell = tell;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get dropped(): number {
    return this.#queue.dropped;
  }

  /** Takes ownership of the message's file descriptors. */
  pass(message: Message): void {
    const fds = message.fds.splice(0);
    const kind = fds.length === 0 ? kindOf(message.fields) : undefined;
    if (!namesMainPid(message.fields)) {
      this.#push(message.bytes, fds, kind);
      return;
    }
    if (!this.#hasToldMainPid) {
      this.#hasToldMainPid = true;
      this.#tell("MAINPID= is not passed on: this process stays the main one for the manager above");
    }
    const bytes = withoutMainPid(message.bytes);
    // The fd of MAINPIDFD=1 has no other meaning.
    const kept = "MAINPIDFD" in message.fields && !("FDSTORE" in message.fields) ? [] : fds;
    message.fds.push(...fds.filter((fd) => !kept.includes(fd)));
    if (bytes.length > 0) this.#push(bytes, kept, kind);
    else message.fds.push(...kept);
  }

  /** Sends a message of the bridge itself. */
  say(state: State): void {
    this.#push(new TextEncoder().encode(encode(state, FACTS)), [], undefined);
  }

  /** Waits until the manager has read everything, but not for long. */
  async flush(): Promise<void> {
    const deadline = performance.now() + FLUSH_MS;
    while (this.#queue.length > 0 && performance.now() < deadline) await Bun.sleep(FIRST_DELAY_MS);
    clearTimeout(this.#retry);
    if (this.#queue.length > 0) this.#tell(`${this.#queue.length} messages were not passed on: nobody has read them`);
    this.#queue.clear();
    const timeoutMs = Math.max(1, deadline - performance.now());
    await barrier({ socket: this.#address, timeoutMs }).catch(() => {});
  }

  // --- internal ---

  #push(bytes: Uint8Array, fds: number[], kind: string | undefined): void {
    const isFirst = this.#queue.length === 0;
    const { dropped } = this.#queue;
    this.#queue.push({ bytes, fds, kind });
    if (dropped === 0 && this.#queue.dropped > 0) this.#tell("the manager above reads nothing: messages are dropped");
    if (isFirst) this.#sendAll();
  }

  #sendAll(): void {
    for (let entry = this.#queue.first; entry !== undefined; entry = this.#queue.first) {
      if (!this.#trySend(entry)) {
        clearTimeout(this.#retry);
        this.#retry = setTimeout(() => this.#sendAll(), this.#delayMs);
        this.#delayMs = Math.min(this.#delayMs * 2, MAX_DELAY_MS);
        return;
      }
      this.#delayMs = FIRST_DELAY_MS;
      this.#queue.shift();
    }
  }

  /** Returns false if the message has to wait. */
  #trySend({ bytes, fds }: Waiting): boolean {
    try {
      send(bytes, this.#address, { socket: this.#address, fds }, MSG_DONTWAIT);
    } catch (error) {
      // The manager is busy or restarting; or some fds have to be read first, unix(7).
      if (isErrno(error, EAGAIN, ECONNREFUSED, ENOENT, ETOOMANYREFS)) return false;
      this.#tell(`a message can't be passed on: ${errorLine(error)}`);
    }
    return true;
  }
}

// --- internal ---

const FIRST_DELAY_MS = 2;
const MAX_DELAY_MS = 250;

/** How long the manager above may take to read the last messages. */
const FLUSH_MS = 2000;

/** It says nothing of a process. */
const FACTS = { monotonicUsec, pidfdInode: () => undefined };
