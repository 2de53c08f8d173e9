/**
 * Waiting for messages that come with credentials and file descriptors. Bun's event loop waits for no fd that
 * it does not read itself, and a thread that waits takes 8 MB. So the kernel sends a signal, SIGIO. No issue
 * filed. This goes when Bun can tell that an fd of somebody else's is readable.
 */

import { setAsync } from "../../ffi/process.ts";

/** Takes some of what there is to read, without waiting. Returns whether there may be more than that. */
export type Take = (max: number) => boolean;

/** Has `take` called when there is something to read. Disposing of it ends that, and leaves the fd open. */
export function onReadable(fd: number, take: Take): Disposable {
  let isOver = false;
  let isFlooded = false;
  const turn = () => {
    if (isOver || isFlooded || !take(FEW)) return;
    // Else each message of a flood would be a signal, and the queue that Bun has for signals would lose others.
    isFlooded = true;
    setAsync(fd, false);
    setImmediate(drain);
  };
  const drain = () => {
    if (isOver) return;
    // The event loop does what else there is in between.
    if (take(MANY)) {
      setImmediate(drain);
      return;
    }
    isFlooded = false;
    setAsync(fd, true);
    // What came before that sent no signal.
    turn();
  };
  process.on("SIGIO", turn);
  // No signal is known to be lost. But if one was, this would be deaf.
  const net = setInterval(turn, NET_MS);
  setAsync(fd, true);
  turn();
  return {
    [Symbol.dispose]() {
      if (isOver) return;
      // The signal stays handled: one that is under way would end the process.
      isOver = true;
      setAsync(fd, false);
      clearInterval(net);
    },
  };
}

// --- internal ---

const FEW = 16;
/** As many as a queue of systemd's holds: net.unix.max_dgram_qlen. */
const MANY = 512;

const NET_MS = 5000;
