/** Messages that the library sends by itself. They must never hold up the program. */

import { EAGAIN, MSG_DONTWAIT } from "../ffi/constants.ts";
import { isErrno } from "../ffi/errno.ts";
import { type OnError, report } from "./report.ts";
import { send } from "./transport/send.ts";

/**
 * What happens to a message while the manager's queue is full. A "state" waits its turn. A "status" or a "ping" waits
 * too, but a newer one of the same kind takes its place.
 */
export type Kind = "state" | "status" | "ping";

export interface Outbox {
  /** Sends the message now, or when there is room. */
  send(kind: Kind, message: string): void;
  /** Forgets what is still waiting. */
  clear(): void;
}

/**
 * Opens an outbox for an address. A manager that does not read has a full queue after 512 messages
 * (net.unix.max_dgram_qlen); send(2) would then block, and with it the event loop. So a timer tries again to send what
 * does not fit. It does not keep the program alive.
 */
export function openOutbox(address: string, onError: OnError): Outbox {
  let waiting: { kind: Kind; message: string }[] = [];
  let timer: Timer | undefined;

  /** Whether the message needs no other attempt, because it was sent or can't be sent. */
  const isDone = (message: string): boolean => {
    try {
      send(message, address, undefined, MSG_DONTWAIT);
    } catch (error) {
      if (isErrno(error, EAGAIN)) return false;
      report(onError, error);
    }
    return true;
  };
  const flush = () => {
    while (waiting[0] && isDone(waiting[0].message)) waiting.shift();
    if (waiting.length === 0) stop();
  };
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
  };
  return {
    send(kind, message) {
      if (kind !== "state") waiting = waiting.filter((other) => other.kind !== kind);
      waiting.push({ kind, message });
      flush();
      if (waiting.length > 0 && timer === undefined) timer = setInterval(flush, RETRY_MS).unref();
    },
    clear() {
      waiting = [];
      stop();
    },
  };
}

// --- internal ---

/** How soon a message that did not fit is tried again. */
const RETRY_MS = 50;
