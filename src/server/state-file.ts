/**
 * A file that keeps a state and is rewritten in place. It has two halves, each with a header and the bytes of a state.
 * The half with the higher sequence number has the state. A save overwrites the other half, by one system call.
 *
 * If the process is killed in the middle of that, the half has a wrong checksum, and the other one still has the old
 * state. There is no lock: a worker that is terminated runs no `finally`, so it would never release one. No lock is
 * needed, because the kernel runs one write(2) of a file at a time. So threads that save at the same time can't damage
 * both halves.
 *
 * Most of the file is a hole, which takes no memory.
 */

import { punchHole } from "../../ffi/process.ts";
import { fromNodeError } from "../bun/fs-errors.ts";
import { node } from "../bun/node.ts";

/** The longest state. */
export const MAX_STATE_LENGTH = 2 ** 31 - 1;

/** Gives an empty file this format, or removes the state from a file that has it. */
export function clearState(fd: number): void {
  fromFs(SAVE, () => node.fs.ftruncateSync(fd, HEADER_SIZE));
  const header = new Uint8Array(HEADER_SIZE);
  header.set(MAGIC);
  write(fd, [header], 0);
}

/** Whether the file has this format, with a state or without one. */
export function isStateFile(fd: number): boolean {
  return HALVES.some((half) => hasMagic(readHeaderBytes(fd, half)));
}

/** Returns the number of the newest save; 0 if there is none. */
export function sequenceOf(fd: number): number {
  return findState(fd, readHeaders(fd))?.sequence ?? 0;
}

/** Returns the state; undefined if there is none. */
export function readState(fd: number): Uint8Array | undefined {
  for (let attempts = 0; ; attempts++) {
    const headers = readHeaders(fd);
    for (const header of headers) {
      const bytes = readStateOf(fd, header);
      if (bytes) return bytes;
    }
    // Another thread may have overwritten both while this one was reading.
    if (headers.length === 0 || attempts === MAX_ATTEMPTS) return undefined;
    Bun.sleepSync(1);
  }
}

/** Returns all bytes of a file of another format. */
export function readRaw(fd: number): Uint8Array {
  return readAt(fd, 0, node.fs.fstatSync(fd).size);
}

/**
 * Replaces the state. Returns false, and does nothing, if there is none.
 *
 * @throws SystemError if it can't be written. The old state stays then.
 */
export function replaceState(fd: number, bytes: Uint8Array): boolean {
  const headers = readHeaders(fd);
  const newest = findState(fd, headers);
  if (newest) save(fd, headers, newest, bytes);
  return newest !== undefined;
}

/** Writes a state, whether there is one or not. @throws what replaceState() throws. */
export function writeState(fd: number, bytes: Uint8Array): void {
  const headers = readHeaders(fd);
  save(fd, headers, findState(fd, headers), bytes);
}

// --- internal ---

interface Header {
  half: Half;
  /** Grows with each save, and with the time, so that the newer of two files is known too. */
  sequence: number;
  /** The length of the state. */
  length: number;
  /** The CRC-32 of the state. */
  checksum: number;
}

type Half = 0 | 1;

const HALVES: readonly Half[] = [0, 1];

/** The first bytes of a header. */
const MAGIC = new TextEncoder().encode("sdstate1");

/** The offsets of the numbers in a header. The last number is the CRC-32 of those before it. */
const at = { sequence: 8, length: 16, checksum: 24, headerChecksum: 28 };
const HEADER_SIZE = 32;

/** Room for the longest state, in whole pages. */
const HALF_SIZE = 2 ** 31 + 4096;

/** Memory is released when the replaced state is longer than four times the new one and this. */
const SPARE = 1 << 20;

const MAX_ATTEMPTS = 100;

const SAVE = "save a state";
const LOAD = "load a state";

const headerBytes = Buffer.alloc(HEADER_SIZE);

/** The header that this thread wrote last, by fd. It needs no verification. */
const written = new Map<number, Header>();

/** Finds the newest state that is complete. */
function findState(fd: number, headers: readonly Header[]): Header | undefined {
  const last = written.get(fd);
  return headers.find((header) => (last && isSame(header, last)) || readStateOf(fd, header) !== undefined);
}

function save(fd: number, headers: readonly Header[], newest: Header | undefined, bytes: Uint8Array): void {
  const header: Header = {
    half: newest?.half === 0 ? 1 : 0,
    sequence: Math.max((newest?.sequence ?? 0) + 1, Date.now() * 1000),
    length: bytes.length,
    checksum: Bun.hash.crc32(bytes),
  };
  const overwritten = headers.find(({ half }) => half === header.half);
  if (overwritten && overwritten.length > 4 * bytes.length + SPARE) release(fd, header.half);
  write(fd, [encode(header), bytes], header.half * HALF_SIZE);
  written.set(fd, header);
}

/** Frees the memory of a half, if that is possible. */
function release(fd: number, half: Half): void {
  try {
    punchHole(fd, half * HALF_SIZE, HALF_SIZE);
  } catch {
    // It is not worth failing for.
  }
}

/** Returns the headers that are whole, the newest first. */
function readHeaders(fd: number): Header[] {
  const headers = HALVES.map((half) => readHeader(fd, half)).filter((header) => header !== undefined);
  return headers.sort((a, b) => b.sequence - a.sequence);
}

function readHeader(fd: number, half: Half): Header | undefined {
  const bytes = readHeaderBytes(fd, half);
  if (!hasMagic(bytes)) return undefined;
  if (bytes.readUInt32LE(at.headerChecksum) !== Bun.hash.crc32(bytes.subarray(0, at.headerChecksum))) return undefined;
  const sequence = bytes.readDoubleLE(at.sequence);
  const length = bytes.readDoubleLE(at.length);
  if (!Number.isSafeInteger(sequence) || !(length >= 0 && length <= MAX_STATE_LENGTH)) return undefined;
  return { half, sequence, length, checksum: bytes.readUInt32LE(at.checksum) };
}

/** Returns the bytes of a header. They are zeros if the file ends before it. */
function readHeaderBytes(fd: number, half: Half): Buffer {
  headerBytes.fill(0);
  fromFs(LOAD, () => node.fs.readSync(fd, headerBytes, 0, HEADER_SIZE, half * HALF_SIZE));
  return headerBytes;
}

function encode({ sequence, length, checksum }: Header): Uint8Array {
  const bytes = Buffer.alloc(HEADER_SIZE);
  bytes.set(MAGIC);
  bytes.writeDoubleLE(sequence, at.sequence);
  bytes.writeDoubleLE(length, at.length);
  bytes.writeUInt32LE(checksum, at.checksum);
  bytes.writeUInt32LE(Bun.hash.crc32(bytes.subarray(0, at.headerChecksum)), at.headerChecksum);
  return bytes;
}

function hasMagic(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte);
}

function isSame(a: Header, b: Header): boolean {
  return a.half === b.half && a.sequence === b.sequence && a.length === b.length && a.checksum === b.checksum;
}

/** Returns the bytes of a state; undefined if they are not all there. */
function readStateOf(fd: number, { half, length, checksum }: Header): Uint8Array | undefined {
  const bytes = readAt(fd, half * HALF_SIZE + HEADER_SIZE, length);
  return bytes.length === length && Bun.hash.crc32(bytes) === checksum ? bytes : undefined;
}

/** Reads bytes. Returns fewer if the file ends earlier. */
function readAt(fd: number, place: number, length: number): Uint8Array {
  const { size } = fromFs(LOAD, () => node.fs.fstatSync(fd));
  const bytes = new Uint8Array(Math.max(0, Math.min(length, size - place)));
  for (let done = 0; done < bytes.length; ) {
    const count = fromFs(LOAD, () => node.fs.readSync(fd, bytes, done, bytes.length - done, place + done));
    if (count === 0) return bytes.subarray(0, done);
    done += count;
  }
  return bytes;
}

/** Writes all of it, by one call unless the kernel takes less. (It takes at most 2 GiB - 4 KiB at once.) */
function write(fd: number, parts: Uint8Array[], place: number): void {
  let left = parts;
  for (let done = 0; left.length > 0; ) {
    let count = fromFs(SAVE, () => node.fs.writevSync(fd, left, place + done));
    done += count;
    left = left.flatMap((part) => {
      const rest = part.subarray(Math.min(count, part.length));
      count -= part.length - rest.length;
      return rest.length > 0 ? [rest] : [];
    });
  }
}

function fromFs<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw fromNodeError(error, `Cannot ${what}`);
  }
}
