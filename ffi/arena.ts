/**
 * The memory that system calls read and write. A msghdr holds pointers, and a typed array may move in memory after
 * its address was taken (oven-sh/bun#32055): so this is one mapping of libc's, made at first use and never freed, and
 * everything in it is an offset. System calls run one at a time, so they can share it.
 */

import { allocate, type Pointer } from "./libc.ts";

export interface Arena {
  /** Where it begins. */
  base: Pointer;
  view: DataView;
  /** The bytes of the message to send. */
  outgoing: Uint8Array;
  /** Those of the message, or the file, that was read last. */
  incoming: Uint8Array;
}

/** Where each struct lies in the arena; test/arena.test.ts sees that none reaches into the next. */
export const at = {
  socketAddress: 0,
  msghdr: 128,
  iovec: 192,
  pollfds: 208,
  timespec: 240,
  /** A few ints: the ends of a pipe, the value and the length of a socket option. */
  ints: 256,
  statfs: 272,
  /** Of what is received, which are always the same. */
  receivedMsghdr: 400,
  receivedIovec: 464,
  /** Control data is written and read at once, around one call. */
  control: 512,
  outgoing: 4096,
} as const;

/** How many fds one poll(2) takes. */
export const MAX_POLLFDS = 4;

/**
 * Room for one message in each direction. A send buffer of 8 MiB, which Linux doubles, takes less than this.
 * A worker has less room, because its mapping stays when it ends.
 */
export const PAYLOAD_SIZE = Bun.isMainThread ? 16 << 20 : 2 << 20;

/** Where the incoming bytes lie. */
export const INCOMING = at.outgoing + PAYLOAD_SIZE;

/** Returns the arena; maps it at the first call. */
export function arena(): Arena {
  mapped ??= map();
  return mapped;
}

// --- internal ---

let mapped: Arena | undefined;

function map(): Arena {
  const { address: base, buffer } = allocate(INCOMING + PAYLOAD_SIZE);
  return {
    base,
    view: new DataView(buffer),
    outgoing: new Uint8Array(buffer, at.outgoing, PAYLOAD_SIZE),
    incoming: new Uint8Array(buffer, INCOMING, PAYLOAD_SIZE),
  };
}
