/**
 * Waits for messages that come with credentials and file descriptors. Bun's event loop can't wait for an fd that it
 * does not read itself, and a thread that waits takes 8 MB. So the kernel sends a signal, SIGIO. No issue filed. This
 * goes when Bun can tell that any fd is readable.
 */

import { setAsync } from "../../ffi/process.ts";

/** Takes at most `max` messages, without waiting. Returns whether there may be more. */
export type Take = (max: number) => boolean;

/** Calls `take` when there is something to read. Disposing ends that, and leaves the fd open. */
export function onReadable(fd: number, take: Take): Disposable {
  let isOver = false;
  let isFlooded = false;
  const turn = () => {
    if (isOver || isFlooded || !take(FEW)) return;
    // Otherwise each message of a flood would send a signal, and Bun's queue of signals would lose others.
    isFlooded = true;
    setAsync(fd, false);
    setImmediate(drain);
  };
  const drain = () => {
    if (isOver) return;
    // In between, the event loop does its other work.
    if (take(MANY)) {
      setImmediate(drain);
      return;
    }
    isFlooded = false;
    setAsync(fd, true);
    // Messages that came before that have sent no signal.
    turn();
  };
  process.on("SIGIO", turn);
  // No signal is known to be lost. But if one were lost, its messages would never be read.
  const net = setInterval(turn, NET_MS);
  setAsync(fd, true);
  turn();
  return {
    [Symbol.dispose]() {
      if (isOver) return;
      // The handler stays: without it, a signal that is under way would end the process.
      isOver = true;
      setAsync(fd, false);
      clearInterval(net);
    },
  };
}

// --- internal ---

const FEW = 16;
/** As many messages as the queue of systemd's socket holds: net.unix.max_dgram_qlen. */
const MANY = 512;

const NET_MS = 5000;
