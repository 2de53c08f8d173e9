/** Waiting until the service manager has processed all that was sent before. */

import { EAGAIN, ETIMEDOUT, MSG_DONTWAIT } from "../ffi/constants.ts";
import { isErrno, systemError } from "../ffi/errno.ts";
import type { SystemError } from "../ffi/errors.ts";
import * as sys from "../ffi/syscalls.ts";
import { mustBe } from "./protocol/check.ts";
import { checkSendOptions, managerAddress, type SendOptions, send } from "./transport/send.ts";

/** How long to wait, and for whom. */
export interface BarrierOptions extends Pick<SendOptions, "pid" | "socket"> {
  /** How long to wait for the manager, in milliseconds; Infinity: for ever. Default: 5000, as systemd-notify(1). */
  timeoutMs?: number | undefined;
}

/**
 * Waits until the service manager has processed every message sent before, so that a process may exit without the
 * manager losing sight of which unit it was in. The event loop goes on meanwhile.
 *
 * @returns true when it has, false when this process is not supervised ($NOTIFY_SOCKET is not set).
 * @throws SystemError with code "ETIMEDOUT" when the manager does not answer within `timeoutMs`; else what notify() throws.
 * @see sd_notify_barrier(3)
 * @example
 * await barrier({ timeoutMs: 5000 });
 */
export async function barrier(options?: BarrierOptions): Promise<boolean> {
  const { timeoutMs, ...checked } = checkBarrierOptions(options);
  const address = managerAddress(checked);
  if (address === undefined) return false;
  const deadline = performance.now() + timeoutMs;
  const [readEnd, writeEnd] = sys.pipe();
  try {
    try {
      while (!trySend(writeEnd, address, checked)) {
        if (performance.now() >= deadline) throw timedOut(address, timeoutMs);
        // Bun can't wait for room in the queue of somebody else's socket, and a blocking call would stop the event loop.
        await Bun.sleep(1);
      }
    } finally {
      sys.close(writeEnd);
    }
    if (!(await hangUp(readEnd, deadline - performance.now()))) throw timedOut(address, timeoutMs);
    return true;
  } finally {
    sys.close(readEnd);
  }
}

/**
 * Does what barrier() does, but blocks: for programs that have nothing else to do, such as a command that sends a
 * message and exits.
 *
 * @returns true when the manager has processed all, false when this process is not supervised.
 * @throws what barrier() rejects with.
 * @see sd_notify_barrier(3)
 * @example
 * barrierSync();
 */
export function barrierSync(options?: BarrierOptions): boolean {
  const { timeoutMs, ...checked } = checkBarrierOptions(options);
  const address = managerAddress(checked);
  if (address === undefined) return false;
  const deadline = performance.now() + timeoutMs;
  const [readEnd, writeEnd] = sys.pipe();
  try {
    try {
      while (!trySend(writeEnd, address, checked)) {
        if (performance.now() >= deadline) throw timedOut(address, timeoutMs);
        Bun.sleepSync(1);
      }
    } finally {
      sys.close(writeEnd);
    }
    if (sys.poll(readEnd, 0, deadline - performance.now()) === 0) throw timedOut(address, timeoutMs);
    return true;
  } finally {
    sys.close(readEnd);
  }
}

// --- internal ---

/** Alone in its message and with one fd, the write end of a pipe: the manager acknowledges by closing it. */
const MESSAGE = "BARRIER=1";

function checkBarrierOptions(options: BarrierOptions | undefined): SendOptions & { timeoutMs: number } {
  const timeoutMs = options?.timeoutMs ?? 5000;
  const checked = checkSendOptions<BarrierOptions>(options, ["timeoutMs", "pid", "socket"]);
  if (typeof timeoutMs !== "number") throw mustBe("timeoutMs", "a number of milliseconds", timeoutMs);
  if (!(timeoutMs >= 0)) throw new RangeError(`Cannot wait: timeoutMs must be a number from 0, not ${timeoutMs}`);
  return { ...checked, timeoutMs };
}

/** Returns false when the manager's queue is full. */
function trySend(fd: number, address: string, options: SendOptions): boolean {
  try {
    send(MESSAGE, address, { ...options, fds: [fd] }, MSG_DONTWAIT);
    return true;
  } catch (error) {
    if (isErrno(error, EAGAIN)) return false;
    throw error;
  }
}

/** Waits until the other end of the pipe is closed everywhere. Returns false when the time is up before. */
async function hangUp(fd: number, timeoutMs: number): Promise<boolean> {
  // A stream of Bun's waits for the pipe in the event loop, on a duplicate of the fd that Bun itself closes.
  const reader = Bun.file(fd).stream().getReader();
  let timer: Timer | undefined;
  const timeUp = new Promise<undefined>((resolve) => {
    if (timeoutMs < 0x7fffffff) timer = setTimeout(resolve, Math.max(0, timeoutMs));
  });
  try {
    for (;;) {
      const chunk = await Promise.race([reader.read(), timeUp]);
      if (chunk === undefined) return false;
      if (chunk.done) return true;
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel();
  }
}

function timedOut(address: string, timeoutMs: number): SystemError {
  return systemError(
    ETIMEDOUT,
    "poll",
    address,
    `the service manager did not answer the barrier within ${timeoutMs} ms`,
  );
}
