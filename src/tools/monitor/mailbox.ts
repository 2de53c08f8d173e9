/**
 * The socket of the unit. It takes messages one by one, no faster than the reader of the monitor's output can follow.
 */

import { ETIMEDOUT } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/errno.ts";
import { barrier } from "../../barrier.ts";
import { explain } from "../../console/explain.ts";
import { complain } from "../../console/output.ts";
import { type Message, openReceiver } from "../../receiver/receiver.ts";

export class Mailbox {
  readonly #receiver = openReceiver({ barriers: "hold", keepHistory: false });
  /** Returns what to wait for before more is taken, if anything. */
  readonly #room: () => Promise<void> | undefined;
  /** Resolves to true when the receiver is closed. */
  readonly #closed = Promise.withResolvers<true>();

  constructor(room: () => Promise<void> | undefined) {
    this.#room = room;
  }

  /** The value of the command's $NOTIFY_SOCKET. */
  get address(): string {
    return this.#receiver.address;
  }

  /** Calls back for each message, whose file descriptors are closed after that, until this is closed. */
  async takeAll(take: (message: Message) => void): Promise<void> {
    for await (const message of this.#receiver) {
      using _ = message;
      const room = this.#room();
      if (room && (await Promise.race([room, this.#closed.promise]))) return;
      // The monitor's own barrier.
      if (message.pid === process.pid && message.isBarrier) continue;
      try {
        take(message);
      } catch (error) {
        // Only this message failed, and the next one may be the command's last.
        complain(`monitor: a message of process ${message.pid} can't be looked at: ${explain(error)}`);
      }
    }
  }

  /**
   * Waits until all earlier messages are taken, but not for ever, because a process may still be sending. While
   * `isPatient`, only the reader of the output is slow.
   */
  async settle(isPatient: () => boolean): Promise<void> {
    for (;;) {
      try {
        await barrier({ socket: this.address, timeoutMs: SETTLE_MS });
        return;
      } catch (error) {
        if (isErrno(error, ETIMEDOUT) && this.#room() && isPatient()) continue;
        complain(`monitor: what the command sent last may be missing: ${explain(error)}`);
        return;
      }
    }
  }

  close(): void {
    this.#receiver.close();
    this.#closed.resolve(true);
  }
}

// --- internal ---

/** How long it may take to read what the main process sent before its end. */
const SETTLE_MS = 5000;
