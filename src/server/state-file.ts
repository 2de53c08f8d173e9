/**
 * A file that keeps a state, and is rewritten in place:
 *
 *       0  slot 0: where its bytes are, a sequence number, checksums
 *      64  slot 1
 *     128  the bytes of both
 *
 * The state is that of the slot with the higher number. A save writes its bytes where those of the state are not, and then the other slot, by
 * one write of 40 bytes. So a process that is killed at any moment leaves the old state or the new one.
 */

import { FFIUnavailableError, SystemError } from "../../ffi/errors.ts";
import { tryLock } from "../../ffi/process.ts";
import { fromNodeError } from "../bun/fs-errors.ts";
import { node } from "../bun/node.ts";

/** A file that is open and locked. */
export interface StateFile {
  fd: number;
  /** Whether it is a file of this format; else its bytes are whatever another program wrote. */
  isOurs: boolean;
  /** The slots that are complete, the newest first. */
  slots: readonly Slot[];
  size: number;
}

/** More can't be saved. */
export const MAX_STATE_LENGTH = 2 ** 31 - 1;

/**
 * Opens the file of an fd once more, locks it, and closes it after the action. The lock is that of an open file, flock(2): it keeps out
 * other threads, and the process that this one replaces, which share the fd.
 *
 * @throws SystemError when it can't be opened, or is locked for too long.
 */
export function withStateFile<T>(memfd: number, action: (file: StateFile) => T): T {
  const { fs } = node;
  const flags = fs.constants.O_RDWR | fs.constants.O_NONBLOCK;
  const fd = fromFs("open a state", () => fs.openSync(`/proc/self/fd/${memfd}`, flags));
  try {
    lock(fd);
    return action(look(fd));
  } finally {
    fs.closeSync(fd);
  }
}

/** Whether the fd is one that withStateFile() has open in some thread: those alone have O_NONBLOCK, which means nothing for files. */
export function isBorrowed(fd: number): boolean {
  try {
    const [, flags = ""] = /^flags:\s*([0-7]+)$/m.exec(node.fs.readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")) ?? [];
    return (Number.parseInt(flags, 8) & node.fs.constants.O_NONBLOCK) !== 0;
  } catch {
    // Closed by now.
    return true;
  }
}

/** Runs the action while no other thread of this process runs one. */
export function withProcessLock<T>(action: () => T): T {
  // A directory of this process alone, which other users can't open.
  const fd = fromFs("lock the states", () => node.fs.openSync("/proc/self/fd", "r"));
  try {
    lock(fd);
    return action();
  } finally {
    node.fs.closeSync(fd);
  }
}

/** Returns the state; undefined when there is none. */
export function readState({ fd, slots }: StateFile): Uint8Array | undefined {
  for (const { offset, length, checksum } of slots) {
    const bytes = readAt(fd, offset, length);
    if (Bun.hash.crc32(bytes) === checksum) return bytes;
  }
  return undefined;
}

/** Returns all bytes of a file of another format. */
export function readRaw({ fd, size }: StateFile): Uint8Array {
  return readAt(fd, 0, size);
}

/** Makes the bytes the state. @throws SystemError when they can't be written; the state is the old one then. */
export function writeState({ fd, slots, size }: StateFile, bytes: Uint8Array): void {
  const [live] = slots;
  // Before the bytes of the state, if there is room, or after them: so the file is at most three times as large as the largest state.
  const offset = live && START + bytes.length > live.offset ? live.offset + live.length : START;
  writeAt(fd, bytes, offset);
  const slot: Slot = {
    index: live?.index === 0 ? 1 : 0,
    // Two files may have the same name after all: the one that was written last is to be known by its number.
    sequence: Math.max((live?.sequence ?? 0) + 1, Date.now() * 1000),
    offset,
    length: bytes.length,
    checksum: Bun.hash.crc32(bytes),
  };
  writeAt(fd, encode(slot), slot.index * SLOT_DISTANCE);
  const end = offset + bytes.length;
  if (offset === START && size > 4 * end + SPARE) fromFs(SAVE, () => node.fs.ftruncateSync(fd, end));
}

/** Leaves no state in it; it is a file of this format then. */
export function clearState({ fd }: StateFile): void {
  const empty = new Uint8Array(START);
  empty.set(MAGIC);
  writeAt(fd, empty, 0);
  fromFs(SAVE, () => node.fs.ftruncateSync(fd, START));
}

// --- internal ---

/** A slot. Its checksum is that of the state's bytes. */
interface Slot {
  index: 0 | 1;
  sequence: number;
  offset: number;
  length: number;
  checksum: number;
}

/** The first bytes of a slot. */
const MAGIC = new TextEncoder().encode("sdstate1");

/** What a slot has, and where: 8 bytes of magic, then these. The last is the checksum of what stands before it. */
const at = { sequence: 8, offset: 16, length: 24, checksum: 32, slotChecksum: 36, size: 40 };
const SLOT_DISTANCE = 64;
/** Where the states' bytes begin. */
const START = 2 * SLOT_DISTANCE;

/** What a file may have beyond four times its state before it is made smaller. */
const SPARE = 1 << 20;

/** How long a save of another thread may take: a disk is not waited for. */
const LOCK_TIMEOUT_MS = 5000;

const SAVE = "save a state";

const header = Buffer.alloc(START);

function lock(fd: number): void {
  const deadline = performance.now() + LOCK_TIMEOUT_MS;
  try {
    while (!tryLock(fd)) {
      if (performance.now() > deadline) {
        const why = "another process or thread has been saving it for too long";
        throw new SystemError(`Cannot lock a state: ${why}`, "ETIMEDOUT", node.os.constants.errno.ETIMEDOUT, "flock");
      }
      Bun.sleepSync(1);
    }
  } catch (error) {
    // Where libc can't be called, one thread of one process saves.
    if (!(error instanceof FFIUnavailableError)) throw error;
  }
}

function look(fd: number): StateFile {
  const { size } = node.fs.fstatSync(fd);
  header.fill(0);
  fromFs("read a state", () => node.fs.readSync(fd, header, 0, START, 0));
  const slots = [decode(0, size), decode(1, size)].filter((slot) => slot !== undefined);
  slots.sort((a, b) => b.sequence - a.sequence);
  return { fd, size, slots, isOurs: hasMagic(0) || hasMagic(1) };
}

function hasMagic(index: 0 | 1): boolean {
  return MAGIC.every((byte, i) => header[index * SLOT_DISTANCE + i] === byte);
}

function decode(index: 0 | 1, size: number): Slot | undefined {
  const bytes = header.subarray(index * SLOT_DISTANCE, index * SLOT_DISTANCE + at.size);
  if (!hasMagic(index) || bytes.readUInt32LE(at.slotChecksum) !== Bun.hash.crc32(bytes.subarray(0, at.slotChecksum))) {
    return undefined;
  }
  const [sequence, offset, length] = [at.sequence, at.offset, at.length].map((place) => bytes.readDoubleLE(place));
  if (sequence === undefined || offset === undefined || length === undefined) return undefined;
  const isSane = Number.isSafeInteger(sequence) && offset >= START && length >= 0 && offset + length <= size;
  return isSane ? { index, sequence, offset, length, checksum: bytes.readUInt32LE(at.checksum) } : undefined;
}

function encode({ sequence, offset, length, checksum }: Slot): Uint8Array {
  const bytes = Buffer.alloc(at.size);
  bytes.set(MAGIC);
  bytes.writeDoubleLE(sequence, at.sequence);
  bytes.writeDoubleLE(offset, at.offset);
  bytes.writeDoubleLE(length, at.length);
  bytes.writeUInt32LE(checksum, at.checksum);
  bytes.writeUInt32LE(Bun.hash.crc32(bytes.subarray(0, at.slotChecksum)), at.slotChecksum);
  return bytes;
}

function readAt(fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = fromFs("read a state", () => node.fs.readSync(fd, bytes, done, length - done, offset + done));
    if (count === 0) return bytes.subarray(0, done);
    done += count;
  }
  return bytes;
}

function writeAt(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += fromFs(SAVE, () => node.fs.writeSync(fd, bytes, done, bytes.length - done, offset + done));
  }
}

function fromFs<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw fromNodeError(error, `Cannot ${what}`);
  }
}
