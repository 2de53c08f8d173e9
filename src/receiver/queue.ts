import type { Message } from "./message.ts";

/** Messages that nobody has taken yet. */
export class Queue {
  /** How many bytes and file descriptors they have. */
  size = 0;
  fdCount = 0;
  #entries: { message: Message; fdCount: number }[] = [];

  push(message: Message): void {
    // Whoever reads `history` may close them.
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

/** What a message takes besides its bytes, nearly. */
const MESSAGE_SIZE = 1024;
