import type { Message } from "./message.ts";

/** Messages that nobody has taken yet. */
export class Queue {
  /** How much memory they take. */
  size = 0;
  fdCount = 0;
  #entries: { message: Message; fdCount: number }[] = [];

  push(message: Message): void {
    // A reader of `history` may have closed some.
    const fdCount = message.fds.length;
    this.#entries.push({ message, fdCount });
    this.size += message.bytes.length + MESSAGE_SIZE;
    this.fdCount += fdCount;
  }

  /** Takes the oldest. */
  shift(): Message | undefined {
    const entry = this.#entries.shift();
    if (!entry) return undefined;
    this.size -= entry.message.bytes.length + MESSAGE_SIZE;
    this.fdCount -= entry.fdCount;
    return entry.message;
  }
}

/** The memory that a message takes besides its bytes, approximately. */
const MESSAGE_SIZE = 1024;
