/**
 * The part of a receiver that waits. It has its own thread, because Bun's event loop can't wait for a socket whose
 * messages come with credentials and file descriptors. It goes on receiving while the main thread is busy. The main
 * thread may even be sending to this socket.
 */

import { POLLIN } from "../../ffi/constants.ts";
import { SCM_MAX_FD } from "../../ffi/layouts.ts";
import { monotonicUsec, pollAll, tryRecvmsg } from "../../ffi/syscalls.ts";
import { node } from "../bun/node.ts";
import { type Batch, Packer, unpack } from "./batch.ts";
import { closeQuietly } from "./close-quietly.ts";

/** What the main thread tells this one. */
export interface Orders {
  socket: number;
  /**
   * A pipe: "+" asks for the next batch, and "-" makes senders wait until then. When the pipe ends, the thread ends.
   */
  control: number;
  /** How many file descriptors the thread may hold. */
  maxFds: number;
}

/** The thread makes senders wait, and asks whether it should go on. */
export interface Question {
  isHoldingBack: true;
}

/** The thread's last report. */
export interface Ended {
  /** What went wrong; undefined if the thread was told to end. */
  why: string | undefined;
}

declare const self: {
  onmessage: (event: { data: Orders }) => void;
  postMessage(message: Batch | Question | Ended, transfer?: ArrayBuffer[]): void;
};

self.onmessage = ({ data }) => {
  const held = new Packer();
  let why: string | undefined;
  try {
    receive(data, held);
  } catch (error) {
    why = error instanceof Error ? error.message : String(error);
  }
  for (let batch = held.take(); batch; batch = held.take()) {
    for (const { fds } of unpack(batch)) closeQuietly(fds);
  }
  self.postMessage({ why });
};

// --- internal ---

/** How much the thread holds. Beyond that, senders wait, as they do for a slow service manager. */
const MAX_SIZE = 64 << 20;

/**
 * How long senders wait before the thread asks its question. After the same time without an answer it assumes that the
 * main thread is blocked: the main thread may be sending to this socket, and only this thread can end that.
 */
const PATIENCE_MS = 50;

/** How many messages are received before the thread looks at the pipe. */
const MAX_IN_A_ROW = 256;

function receive({ socket, control, maxFds }: Orders, held: Packer): void {
  const order = Buffer.alloc(1);
  let isAsked = false;
  let isHoldingBack = false;
  let hasQuestion = false;
  const hasRoom = () => held.size < MAX_SIZE && held.fdCount + SCM_MAX_FD <= maxFds;
  for (;;) {
    const fds = !isHoldingBack && hasRoom() ? [control, socket] : [control];
    const [orders = 0, messages = 0] = pollAll(fds, POLLIN, isHoldingBack ? PATIENCE_MS : Number.POSITIVE_INFINITY);
    if (orders !== 0) {
      if (node.fs.readSync(control, order) === 0) return;
      isAsked = order.toString() === "+";
      isHoldingBack = !isAsked;
      hasQuestion = false;
    } else if (isHoldingBack) {
      if (!hasQuestion) self.postMessage({ isHoldingBack });
      else isHoldingBack = false;
      hasQuestion = true;
    }
    for (let count = messages === 0 ? MAX_IN_A_ROW : 0; count < MAX_IN_A_ROW && hasRoom(); count++) {
      const received = tryRecvmsg(socket);
      if (!received) break;
      held.add(received, monotonicUsec());
    }
    const batch = isAsked ? held.take() : undefined;
    if (batch) {
      self.postMessage(batch, [batch.bytes.buffer]);
      isAsked = false;
    }
  }
}
