/**
 * Waiting for messages that come with credentials and file descriptors. Bun's event loop waits for no fd that
 * it does not read itself, and a thread that waits takes 8 MB. So the kernel sends a signal, SIGIO. No issue
 * filed. This goes when Bun can tell that an fd of somebody else's is readable.
 */

import { setAsync } from "../../ffi/process.ts";

/** Takes some of what there is to read, without waiting. Returns whether there may be more. */
export type Take = () => boolean;

/** Has `take` called when there is something to read. Disposing of it ends that, and leaves the fd open. */
export function onReadable(fd: number, take: Take): Disposable {
  let isOver = false;
  const turn = () => {
    if (isOver) return;
    // Else each message of a flood would be a signal, and the queue that Bun has for signals would lose others.
    setAsync(fd, false);
    let more = take();
    if (!more && !isOver) {
      setAsync(fd, true);
      // What came in between sent no signal.
      more = take();
    }
    // The event loop does what else there is first.
    if (more) setImmediate(turn);
  };
  process.on("SIGIO", turn);
  // No signal is known to be lost. But if one was, this would be deaf.
  const net = setInterval(turn, NET_MS);
  turn();
  return {
    [Symbol.dispose]() {
      if (isOver) return;
      isOver = true;
      setAsync(fd, false);
      clearInterval(net);
      // It stays handled: one that is under way would end the process.
    },
  };
}

// --- internal ---

const NET_MS = 1000;
