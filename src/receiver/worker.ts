/**
 * The part of a receiver that waits: a thread of its own, because Bun's event loop can't wait for a socket whose messages come with
 * credentials and file descriptors. It waits in one poll(2) for messages and for the end.
 */

import { POLLIN } from "../../ffi/constants.ts";
import { monotonicUsec, pollAll, tryRecvmsg } from "../../ffi/syscalls.ts";
import { type Arrival, type Batch, pack } from "./batch.ts";

/** What the thread is told: the socket, and a pipe whose other end is closed when it is to stop. */
export interface Orders {
  socket: number;
  stop: number;
  /** How many batches are on their way: shared. */
  pending: Int32Array;
}

/** Messages are handed over together when many come at once. */
const BATCH = 256;

/** Batches on their way; beyond that, senders wait, as they do for a slow service manager. */
const MAX_PENDING = 16;

declare const self: {
  onmessage: (event: { data: Orders }) => void;
  postMessage(message: Batch | "stopped", transfer?: ArrayBuffer[]): void;
};

self.onmessage = ({ data: { socket, stop, pending } }) => {
  for (;;) {
    const [messages = 0, stopped = 0] = pollAll([socket, stop], POLLIN, Number.POSITIVE_INFINITY);
    while (messages !== 0) {
      const arrivals: Arrival[] = [];
      while (arrivals.length < BATCH) {
        const received = tryRecvmsg(socket);
        if (!received) break;
        arrivals.push({ ...received, receivedUsec: monotonicUsec() });
      }
      if (arrivals.length > 0) {
        const batch = pack(arrivals);
        Atomics.add(pending, 0, 1);
        self.postMessage(batch, [batch.bytes.buffer, batch.numbers.buffer]);
        waitForRoom(pending);
      }
      if (arrivals.length < BATCH) break;
    }
    if (stopped !== 0) break;
  }
  self.postMessage("stopped");
};

// --- internal ---

function waitForRoom(pending: Int32Array): void {
  for (let count = Atomics.load(pending, 0); count >= MAX_PENDING; count = Atomics.load(pending, 0)) {
    Atomics.wait(pending, 0, count);
  }
}
