/** Messages on their way from the thread that receives them: as two buffers, which change hands without being copied. */

import type { Received } from "../../ffi/syscalls.ts";

/** A message as it was received. */
export interface Arrival extends Received {
  /** CLOCK_MONOTONIC, in microseconds. */
  receivedUsec: number;
}

export interface Batch {
  /** The bytes of all messages. */
  bytes: Uint8Array<ArrayBuffer>;
  /** For each message RECORD, then its fds. */
  numbers: Float64Array<ArrayBuffer>;
}

/** Packs messages. */
export function pack(arrivals: readonly Arrival[]): Batch {
  const numbers: number[] = [];
  let size = 0;
  for (const { data } of arrivals) size += data.length;
  const bytes = new Uint8Array(size);
  let end = 0;
  for (const { data, receivedUsec, credentials, truncated, fds } of arrivals) {
    bytes.set(data, end);
    end += data.length;
    const { pid, uid, gid } = credentials ?? NOBODY;
    numbers.push(data.length, receivedUsec, pid, uid, gid, Number(truncated), fds.length, ...fds);
  }
  return { bytes, numbers: Float64Array.from(numbers) };
}

/** Returns the messages that were packed; their bytes are views of the batch. */
export function unpack({ bytes, numbers }: Batch): Arrival[] {
  const arrivals: Arrival[] = [];
  let start = 0;
  for (let i = 0; i < numbers.length; ) {
    const [length = 0, receivedUsec = 0, pid = 0, uid = 0, gid = 0, truncated, fdCount = 0] = numbers.subarray(i);
    i += RECORD;
    arrivals.push({
      data: bytes.subarray(start, start + length),
      receivedUsec,
      credentials: pid === NOBODY.pid ? undefined : { pid, uid, gid },
      truncated: truncated === 1,
      fds: [...numbers.subarray(i, i + fdCount)],
    });
    start += length;
    i += fdCount;
  }
  return arrivals;
}

// --- internal ---

/** Length, time, pid, uid, gid, truncated, number of fds. */
const RECORD = 7;

/** A pid that nobody has, where there are no credentials: 0 is one from another pid namespace. */
const NOBODY = { pid: -1, uid: -1, gid: -1 };
