/** The output of a program. It is passed on byte for byte, and searched for matching lines on the way. */

import { PIPE_BUF, POLLIN, POLLOUT } from "../../../ffi/constants.ts";
import * as sys from "../../../ffi/syscalls.ts";
import { node } from "../../bun/node.ts";
import { onAbort } from "../abort.ts";
import type { Awaited } from "./wait.ts";

export interface Output {
  /** What the program gets as its standard output and standard error. */
  stdout: number;
  stderr: number;
  /** Starts to read, after the program has been started. */
  begin(): void;
  /**
   * Resolves when all output so far was passed on, or after a second. A process that the program left behind may write
   * more, and the reader may have stopped.
   */
  drain(): Promise<void>;
  /** Resolves to the next line that matches, from now on. */
  line(pattern: RegExp): Awaited;
}

/**
 * Makes the pipes for a program's output. If standard output and standard error of this process are the same, as in a
 * unit that logs to the journal, it makes only one pipe, so that the program's output stays in order.
 */
export function openOutput(): Output {
  const listeners = new Set<(line: string) => void>();
  const hear = (line: string) => {
    for (const listener of [...listeners]) listener(line);
  };
  const copies = isSameFile(1, 2) ? [openCopy(1, hear)] : [openCopy(1, hear), openCopy(2, hear)];
  const [out, err = out] = copies as [Copy, Copy?];
  return {
    stdout: out.writeEnd,
    stderr: err.writeEnd,
    begin: () => {
      for (const copy of copies) copy.begin();
    },
    drain: async () => {
      await Promise.all(copies.map((copy) => copy.drain()));
    },
    line: (pattern) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const listener = (line: string) => {
        if (!pattern.test(line)) return;
        listeners.delete(listener);
        resolve();
      };
      listeners.add(listener);
      return {
        name: `${pattern} in its output`,
        wait: async (signal) => {
          const aborted = Promise.withResolvers<never>();
          using _ = onAbort(signal, () => aborted.reject(signal.reason));
          try {
            await Promise.race([promise, aborted.promise]);
          } finally {
            listeners.delete(listener);
          }
        },
      };
    },
  };
}

// --- internal ---

interface Copy {
  writeEnd: number;
  begin(): void;
  drain(): Promise<void>;
}

/** A longer line is searched in pieces. */
const MAX_LINE_LENGTH = 65_536;

/** How long to wait for what the event loop has read, but not handed over. */
const HAND_OVER_MS = 20;

/** How long to go on after the program's end. Its last output is no more than a pipe holds. */
const DRAIN_MS = 1000;

/** How long to wait at most before looking again whether somebody reads. */
const MAX_WRITE_DELAY_MS = 20;

/**
 * A pipe whose other end is copied to a file descriptor of this process. (Bun would make a socket instead, and the
 * program could not open /dev/stdout.)
 */
function openCopy(to: number, hear: (line: string) => void): Copy {
  const [readEnd, writeEnd] = sys.pipe();
  const lines = splitLines(hear);
  let finished: Promise<void> | undefined;
  let writing = false;
  let count = 0;
  const copy = async () => {
    let broken = false;
    for await (const chunk of Bun.file(readEnd).stream()) {
      count++;
      lines.add(chunk);
      if (broken) continue;
      writing = true;
      // The reader has gone. That must not end the program, which may do more than write.
      broken = !(await writeAll(to, chunk));
      writing = false;
    }
    lines.end();
  };
  return {
    writeEnd,
    begin() {
      sys.close(writeEnd);
      finished = copy();
    },
    async drain() {
      const end = finished?.then(() => true);
      const deadline = performance.now() + DRAIN_MS;
      for (let before = -1; performance.now() < deadline; ) {
        if (await Promise.race([end, Bun.sleep(HAND_OVER_MS).then(() => false)])) return;
        const more = writing || count !== before || sys.poll(readEnd, POLLIN, 0) !== 0;
        if (!more) return;
        before = count;
      }
    },
  };
}

/** Writes all, however long that takes. Returns false when it can't be written. */
async function writeAll(fd: number, bytes: Uint8Array): Promise<boolean> {
  const waits = isPipe(fd);
  for (let rest = bytes; rest.length > 0; ) {
    try {
      // Don't wait for a reader: that would block one of Bun's few threads, which the probes need too.
      if (waits) {
        await untilWritable(fd);
        rest = rest.subarray(node.fs.writeSync(fd, rest.subarray(0, PIPE_BUF)));
      } else {
        rest = rest.subarray(await writeOnThread(fd, rest));
      }
    } catch (error) {
      // The caller's pipe may be non-blocking and full.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return false;
      await Bun.sleep(1);
    }
  }
  return true;
}

/**
 * Whether it may have no room until somebody reads. (That is true of a terminal too, but poll(2) doesn't say how much
 * room a terminal has.)
 */
function isPipe(fd: number): boolean {
  try {
    const stat = node.fs.fstatSync(fd);
    return stat.isFIFO() || stat.isSocket();
  } catch {
    return false;
  }
}

function writeOnThread(fd: number, bytes: Uint8Array): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  node.fs.write(fd, bytes, (error, written) => (error ? reject(error) : resolve(written)));
  return promise;
}

/** Waits until there is room for PIPE_BUF bytes: poll(2), pipe(7). */
async function untilWritable(fd: number): Promise<void> {
  for (let tries = 0; sys.poll(fd, POLLOUT, 0) === 0; tries++)
    await Bun.sleep(Math.min(tries >> 3, MAX_WRITE_DELAY_MS));
}

function splitLines(hear: (line: string) => void): { add(chunk: Uint8Array): void; end(): void } {
  const decoder = new TextDecoder();
  let rest = "";
  return {
    add(chunk) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_LINE_LENGTH) {
        lines.push(rest);
        rest = "";
      }
      for (const line of lines) hear(Bun.stripANSI(line.replace(/\r$/, "")));
    },
    end() {
      if (rest !== "") hear(Bun.stripANSI(rest));
    },
  };
}

function isSameFile(a: number, b: number): boolean {
  try {
    const [one, other] = [node.fs.fstatSync(a), node.fs.fstatSync(b)];
    return one.dev === other.dev && one.ino === other.ino;
  } catch {
    return false;
  }
}
