import { expect, test } from "bun:test";
import { at, MAX_POLLFDS } from "../ffi/arena.ts";
import { CONTROL_SIZE, iovec, msghdr, pollfd, sockaddr_un, statfs, timespec } from "../ffi/layouts.ts";

test("no struct of the arena reaches into the next, and each is aligned", () => {
  const sizes: Record<keyof typeof at, number> = {
    socketAddress: sockaddr_un.size,
    msghdr: msghdr.size,
    iovec: iovec.size,
    pollfds: pollfd.size * MAX_POLLFDS,
    timespec: timespec.size,
    ints: 16,
    statfs: statfs.size,
    receivedMsghdr: msghdr.size,
    receivedIovec: iovec.size,
    control: CONTROL_SIZE,
    outgoing: 0,
  };
  const names = Object.keys(sizes) as (keyof typeof at)[];
  const places = names.map((name) => [name, at[name]] as [keyof typeof at, number]).sort(([, a], [, b]) => a - b);
  for (const [i, [name, offset]] of places.entries()) {
    expect(offset % 16).toBe(0);
    const next = places[i + 1]?.[1] ?? Number.POSITIVE_INFINITY;
    expect(offset + sizes[name]).toBeLessThanOrEqual(next);
  }
});
