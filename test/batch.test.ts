import { expect, test } from "bun:test";
import { type Arrival, pack, unpack } from "../src/receiver/batch.ts";

test("messages come out of a batch as they went in", () => {
  const bytes = (...values: number[]) => Uint8Array.from(values);
  const arrivals: Arrival[] = [
    {
      data: bytes(82, 61, 49),
      receivedUsec: 1,
      credentials: { pid: 7, uid: 0, gid: 4294967295 },
      truncated: false,
      fds: [],
    },
    { data: bytes(), receivedUsec: 2 ** 45, credentials: undefined, truncated: false, fds: [3, 9] },
    {
      data: bytes(0, 255),
      receivedUsec: 3,
      credentials: { pid: 0, uid: 65534, gid: 65534 },
      truncated: true,
      fds: [4],
    },
  ];
  expect(unpack(pack(arrivals))).toEqual(arrivals);
  expect(unpack(pack([]))).toEqual([]);
});
