/** Answers `sd-notify probe`: a client that connects gets all answers at once, and need not send anything. */

import { AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_NONBLOCK, SOCK_SEQPACKET } from "../../../ffi/constants.ts";
import { accept, listen, peerOf } from "../../../ffi/process.ts";
import * as sys from "../../../ffi/syscalls.ts";
import { onReadable } from "../../bun/readable.ts";
import { newName } from "../probe/address.ts";

/** Sends what `answers` returns, one line for each, to every process of this user or of root that connects. */
export function answerProbes(answers: () => string): Disposable {
  const name = newName();
  const fd = sys.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK);
  let waiting: Disposable | undefined;
  const close = () => {
    waiting?.[Symbol.dispose]();
    sys.close(fd);
  };
  try {
    sys.bind(fd, { family: "unix", path: Buffer.from(`\0${name}`) }, `@${name}`);
    listen(fd, `@${name}`);
    waiting = onReadable(fd, (max) => {
      for (let count = 0; count < max; count++) {
        let client: number | undefined;
        try {
          client = accept(fd);
        } catch {
          // No more can be open here. It is tried again: see NET_MS of readable.ts.
          return false;
        }
        if (client === undefined) return false;
        respond(client, answers);
      }
      return true;
    });
    return { [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

// --- internal ---

function respond(client: number, answers: () => string): void {
  try {
    const { uid } = peerOf(client);
    if (uid !== 0 && uid !== process.geteuid?.()) return;
    sys.send(client, sys.setPayload(answers()), MSG_DONTWAIT | MSG_NOSIGNAL);
  } catch {
    // The client has gone.
  } finally {
    sys.close(client);
  }
}
