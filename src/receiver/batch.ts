/** Messages on their way from the thread that receives them. */

import type { Received } from "../../ffi/syscalls.ts";

/** A message as it was received. */
export interface Arrival extends Received {
  /** CLOCK_MONOTONIC, in microseconds. */
  receivedUsec: number;
}

/**
 * Messages that go from thread to thread. They are bytes and numbers, because objects take five times as long to copy.
 */
export interface Batch {
  /** The bytes of all messages, one after another. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Everything else about the messages, in the order in which add() writes it and unpack() reads it. */
  numbers: number[];
}

/** Holds messages in little memory until they can be handed over. */
export class Packer {
  /** How much memory they take, approximately. */
  size = 0;
  /** How many file descriptors they carry. */
  fdCount = 0;
  readonly #full: Load[] = [];
  #last = { size: 0, fdCount: 0 };
  #bytes = new Uint8Array(BATCH_SIZE);
  #length = 0;
  #numbers: number[] = [];

  add({ data, credentials, truncated, fds }: Received, receivedUsec: number): void {
    const size = data.length + (7 + fds.length) * NUMBER_SIZE;
    if (this.#last.size + size > BATCH_SIZE && this.#last.size > 0) this.#full.push(this.#load());
    if (data.length > this.#bytes.length) this.#bytes = new Uint8Array(data.length);
    this.#bytes.set(data, this.#length);
    this.#length += data.length;
    const { pid, uid, gid } = credentials ?? NOBODY;
    this.#numbers.push(data.length, receivedUsec, pid, uid, gid, Number(truncated), fds.length, ...fds);
    this.size += size;
    this.#last.size += size;
    this.fdCount += fds.length;
    this.#last.fdCount += fds.length;
  }

  /** Returns the oldest messages, few enough not to keep the main thread busy for long; undefined if there are none. */
  take(): Batch | undefined {
    const load = this.#full.shift() ?? (this.#last.size > 0 ? this.#load() : undefined);
    this.size -= load?.size ?? 0;
    this.fdCount -= load?.fdCount ?? 0;
    return load?.batch;
  }

  /** Closes the last batch. */
  #load(): Load {
    const load = { ...this.#last, batch: { bytes: this.#bytes.slice(0, this.#length), numbers: this.#numbers } };
    if (this.#bytes.length > BATCH_SIZE) this.#bytes = new Uint8Array(BATCH_SIZE);
    this.#numbers = [];
    this.#length = 0;
    this.#last = { size: 0, fdCount: 0 };
    return load;
  }
}

/** Returns the messages that were packed. */
export function unpack({ bytes, numbers }: Batch): Arrival[] {
  const arrivals: Arrival[] = [];
  let place = 0;
  let end = 0;
  const next = () => numbers[place++] as number;
  while (place < numbers.length) {
    const start = end;
    end += next();
    // A copy, because a view would keep the bytes of all of them.
    const data = bytes.slice(start, end);
    const receivedUsec = next();
    const [pid, uid, gid] = [next(), next(), next()];
    const credentials = pid === NOBODY.pid ? undefined : { pid, uid, gid };
    const truncated = next() === 1;
    const fds = Array.from({ length: next() }, next);
    arrivals.push({ data, receivedUsec, credentials, truncated, fds });
  }
  return arrivals;
}

// --- internal ---

/** Stands for missing credentials. No process has this pid; 0 is a process of another pid namespace. */
const NOBODY = { pid: -1, uid: -1, gid: -1 };

const NUMBER_SIZE = 8;

/** How much goes into one batch, unless a single message is longer. */
const BATCH_SIZE = 128 << 10;

interface Load {
  batch: Batch;
  size: number;
  fdCount: number;
}
