/**
 * The memory that system calls read and write. A msghdr holds pointers, and a typed array may move in memory after its
 * address was taken (oven-sh/bun#32055). So libc maps this memory once, at first use, and it is never freed.
 * Everything in it is found by an offset. System calls run one at a time, so they can share it.
 */

import { allocate, type Pointer } from "./libc.ts";

export interface Arena {
  /** Where it begins. */
  base: Pointer;
  view: DataView;
  /** The bytes of the message to send. */
  outgoing: Uint8Array;
  /** The bytes of the message or file that was read last. */
  incoming: Uint8Array;
}

/** The offset of each struct in the arena. test/arena.test.ts checks that none reaches into the next. */
export enum at {
  socketAddress = 0,
  msghdr = 128,
  iovec = 192,
  pollfds = 208,
  timespec = 240,
  /** A few ints: the ends of a pipe, the value and the length of a socket option. */
  ints = 256,
  statfs = 272,
  /** For recvmsg(2): written once, and then only reset. */
  receivedMsghdr = 400,
  receivedIovec = 464,
  /** Control data of one call: written just before it, or read just after it. */
  control = 512,
  outgoing = 4096,
}

/** How many fds one poll(2) takes. */
export const MAX_POLLFDS = 4;

/**
 * The room for one message in each direction. The longest message of a send buffer of 8 MiB, which Linux doubles, is
 * shorter than this. A worker has less room, because its mapping stays after it ends.
 */
export const PAYLOAD_SIZE = Bun.isMainThread ? 16 << 20 : 2 << 20;

/** The offset of the incoming bytes. */
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
