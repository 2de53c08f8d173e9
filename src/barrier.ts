/** Waits until the service manager has processed everything that was sent before. */

import { EAGAIN, ETIMEDOUT, MSG_DONTWAIT } from "../ffi/constants.ts";
import { isErrno, systemError } from "../ffi/errno.ts";
import type { SystemError } from "../ffi/errors.ts";
import * as sys from "../ffi/syscalls.ts";
import { startTimer } from "./bun/timers.ts";
import { checkTime } from "./protocol/check.ts";
import { checkSendOptions, managerAddress, type SendOptions } from "./transport/options.ts";
import { send } from "./transport/send.ts";

/**
 * How long to wait, and for whom.
 *
 * @example
 * const options: BarrierOptions = { timeoutMs: 1000 };
 * await barrier(options);
 */
export interface BarrierOptions extends Pick<SendOptions, "pid" | "socket"> {
  /** How long to wait for the manager, in milliseconds; Infinity: for ever. Default: 5000, as in systemd-notify(1). */
  timeoutMs?: number | undefined;
}

/**
 * Waits until the service manager has processed every message sent before. A process can then exit, and the manager
 * still knows which unit the messages came from. The event loop goes on meanwhile.
 *
 * @returns true if the manager has processed them, false if this process is not supervised ($NOTIFY_SOCKET is not
 *   set).
 * @throws SystemError with code "ETIMEDOUT" if the manager does not answer within `timeoutMs`; otherwise what
 *   notify() throws.
 * @see sd_notify_barrier(3)
 * @example
 * await barrier({ timeoutMs: 5000 });
 */
export async function barrier(options?: BarrierOptions): Promise<boolean> {
  const waiting = begin(options);
  if (waiting === undefined) return false;
  try {
    // Bun can't wait for room in the queue of a socket that it did not open, and a blocking call would stop the event
    // loop.
    while (!waiting.trySend()) await Bun.sleep(RETRY_MS);
    waiting.end(await hangUp(waiting.readEnd, waiting.leftMs()));
    return true;
  } finally {
    waiting.close();
  }
}

/**
 * Does what barrier() does, but blocks. It is for programs that have nothing else to do, such as a command that sends a
 * message and exits.
 *
 * @returns true if the manager has processed all messages, false if this process is not supervised.
 * @throws what barrier() rejects with.
 * @see sd_notify_barrier(3)
 * @example
 * barrierSync();
 */
export function barrierSync(options?: BarrierOptions): boolean {
  const waiting = begin(options);
  if (waiting === undefined) return false;
  try {
    while (!waiting.trySend()) Bun.sleepSync(RETRY_MS);
    waiting.end(sys.poll(waiting.readEnd, 0, waiting.leftMs()) !== 0);
    return true;
  } finally {
    waiting.close();
  }
}

/**
 * Waits, as barrierSync() does, for the answer to a barrier that was sent already.
 *
 * @throws SystemError with code "ETIMEDOUT", which says `timeoutMs`, if the manager does not answer in the time that
 *   is left.
 */
export function finishBarrier(readEnd: number, leftMs: number, timeoutMs: number): void {
  try {
    if (sys.poll(readEnd, 0, leftMs) === 0) throw timedOut(managerAddress(undefined), timeoutMs);
  } finally {
    sys.close(readEnd);
  }
}

// --- internal ---

/** The message has this line alone, and one fd: the write end of a pipe. The manager acknowledges by closing it. */
const MESSAGE = "BARRIER=1";

/** How soon a message is tried again if the manager's queue has no room. */
const RETRY_MS = 1;

/**
 * A barrier that is under way. Its steps are the same, whether the caller blocks between them or not. (It is not
 * Disposable, because older versions of Bun can't parse `using`. They could not say that they are too old.)
 */
interface Waiting {
  /** Hung up when the manager has closed the other end. */
  readEnd: number;
  leftMs(): number;
  /**
   * Sends the barrier. Returns false if the manager's queue is full. @throws SystemError ETIMEDOUT if the time is up.
   */
  trySend(): boolean;
  /** @throws SystemError ETIMEDOUT unless the manager has answered. */
  end(answered: boolean): void;
  /** Closes what is open. */
  close(): void;
}

/** Checks the options and opens the pipe. Returns undefined if this process is not supervised. */
function begin(options: BarrierOptions | undefined): Waiting | undefined {
  const checked = checkSendOptions<BarrierOptions>("wait for the manager", options, ["timeoutMs", "pid", "socket"]);
  const timeoutMs = options?.timeoutMs ?? 5000;
  checkTime("wait for the manager", "timeoutMs", timeoutMs);
  const address = managerAddress(checked);
  if (address === undefined) return undefined;
  const deadline = performance.now() + timeoutMs;
  const [readEnd, writeEnd] = sys.pipe();
  let mustClose = [readEnd, writeEnd];
  const end = (answered: boolean) => {
    if (!answered) throw timedOut(address, timeoutMs);
  };
  return {
    readEnd,
    leftMs: () => deadline - performance.now(),
    trySend() {
      try {
        send(MESSAGE, address, { ...checked, fds: [writeEnd] }, MSG_DONTWAIT);
      } catch (error) {
        if (!isErrno(error, EAGAIN)) throw error;
        end(performance.now() < deadline);
        return false;
      }
      sys.close(writeEnd);
      mustClose = [readEnd];
      return true;
    },
    end,
    close() {
      for (const fd of mustClose) sys.close(fd);
    },
  };
}

/** Waits until the other end of the pipe is closed everywhere. Returns false if the time is up before that. */
async function hangUp(fd: number, timeoutMs: number): Promise<boolean> {
  // A stream of Bun's waits for the pipe in the event loop. It uses a duplicate of the fd, which Bun itself closes.
  const reader = Bun.file(fd).stream().getReader();
  const { promise: timeUp, resolve } = Promise.withResolvers<undefined>();
  const timer = startTimer(timeoutMs, () => resolve(undefined));
  try {
    for (;;) {
      const chunk = await Promise.race([reader.read(), timeUp]);
      if (chunk === undefined) return false;
      if (chunk.done) return true;
    }
  } finally {
    timer[Symbol.dispose]();
    await reader.cancel();
  }
}

function timedOut(address: string | undefined, timeoutMs: number): SystemError {
  const why = `the service manager did not answer the barrier within ${timeoutMs} ms`;
  return systemError(ETIMEDOUT, "poll", address, why);
}
