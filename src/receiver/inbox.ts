/** A receiver of notifications without its own thread, for a process whose event loop is never busy for long. */

import { close, monotonicUsec, tryRecvmsg } from "../../ffi/syscalls.ts";
import { onReadable } from "../bun/readable.ts";
import { Message } from "./message.ts";
import type { BoundSocket } from "./private-socket.ts";

export class Inbox implements Disposable {
  readonly #socket: BoundSocket;
  readonly #take: (message: Message) => void;
  readonly #waiting: Disposable;
  #isOpen = true;

  /** Calls `take` with each message, and closes its file descriptors afterwards. */
  constructor(socket: BoundSocket, take: (message: Message) => void) {
    this.#socket = socket;
    this.#take = take;
    this.#waiting = onReadable(socket.fd, (max) => this.takeSome(max));
  }

  /** Takes the messages that have come by now, but at most `max`. Returns whether there may be more. */
  takeSome(max: number): boolean {
    for (let count = 0; count < max; count++) {
      const received = this.#isOpen ? tryRecvmsg(this.#socket.fd) : undefined;
      if (!received) return false;
      using message = new Message({ ...received, receivedUsec: monotonicUsec() });
      this.#take(message);
    }
    return true;
  }

  /** Closes the socket, and removes its path. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#waiting[Symbol.dispose]();
    close(this.#socket.fd);
    this.#socket.remove();
  }
}
