import { expect, test } from "bun:test";
import { type Arrival, Packer, unpack } from "../src/receiver/batch.ts";

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
  const packer = new Packer();
  for (const arrival of arrivals) packer.add(arrival, arrival.receivedUsec);
  expect(packer.fdCount).toBe(3);
  expect(unpackAll(packer)).toEqual(arrivals);
  expect([packer.size, packer.fdCount]).toEqual([0, 0]);
  expect(packer.take()).toBeUndefined();
});

test("many messages, and large ones, come out of several batches in their order", () => {
  const packer = new Packer();
  const message = (length: number, n: number): Arrival => ({
    data: new Uint8Array(length).fill(n),
    receivedUsec: n,
    credentials: { pid: n, uid: 0, gid: 0 },
    truncated: false,
    fds: [n],
  });
  const arrivals = [1, 0, 300_000, 2].flatMap((length) =>
    Array.from({ length: Math.ceil(5000 / (1 + length)) }, (_, n) => message(length, n)),
  );
  for (const arrival of arrivals) packer.add(arrival, arrival.receivedUsec);
  expect(packer.fdCount).toBe(arrivals.length);
  expect(packer.size).toBeGreaterThan(arrivals.length * 64);
  expect(unpackAll(packer)).toEqual(arrivals);
  expect([packer.size, packer.fdCount]).toEqual([0, 0]);
});

function unpackAll(packer: Packer): Arrival[] {
  const arrivals: Arrival[] = [];
  for (let batch = packer.take(); batch; batch = packer.take()) arrivals.push(...unpack(batch));
  return arrivals;
}
