/** Shell commands that a probe runs. */

import { POLLIN } from "../../../ffi/constants.ts";
import { endedChild, waitForExit } from "../../../ffi/process.ts";
import { close, pipe, poll } from "../../../ffi/syscalls.ts";
import { node } from "../../bun/node.ts";
import { startTimer } from "../../bun/timers.ts";
import { onAbort } from "../abort.ts";
import { own, type ProgramOptions, startGroup } from "../start-program.ts";

/** How a command has ended, and the last line that it wrote to standard error. */
export type ShellEnd = ({ code: number } | { signal: number }) & { line: string };

/**
 * Runs a command line in /bin/sh. When it has ended, or the signal is aborted, its process group is killed. Processes
 * that have left the group are left alone, and nobody waits for them.
 *
 * @throws the signal's reason, when it is aborted.
 */
export async function runShell(line: string, env: ProgramOptions["env"], signal: AbortSignal): Promise<ShellEnd> {
  signal.throwIfAborted();
  const [readEnd, writeEnd] = pipe();
  let pid: number;
  try {
    pid = startGroup(["/bin/sh", "-c", line], { env, stderr: writeEnd });
  } catch (error) {
    close(readEnd);
    throw error;
  } finally {
    close(writeEnd);
  }
  const late = Promise.withResolvers<never>();
  using _ = onAbort(signal, () => {
    killGroup(pid);
    // It may have switched to another user, or wait for a disk.
    setTimeout(() => late.reject(signal.reason), KILL_MS);
  });
  const end = await Promise.race([untilEnded(pid, readEnd), late.promise]);
  signal.throwIfAborted();
  return end;
}

// --- internal ---

/** How often to check its output and whether it has ended, because signals may be lost. */
const LOOK_MS = 25;

/** How long a process may take to be killed. */
const KILL_MS = 1000;

const MAX_LINE_LENGTH = 4096;
const CHUNK_SIZE = 65_536;
/** How much is read at a time. A command may write without end. */
const MAX_CHUNKS = 16;

/** Waits for it here, so that the group can be killed first. Afterwards another group may have the number. */
async function untilEnded(pid: number, readEnd: number): Promise<ShellEnd> {
  let tail = Buffer.alloc(0);
  const read = () => {
    for (let i = 0; i < MAX_CHUNKS && poll(readEnd, POLLIN, 0) !== 0; i++) {
      const chunk = Buffer.alloc(CHUNK_SIZE);
      const length = node.fs.readSync(readEnd, chunk);
      if (length === 0) return;
      tail = Buffer.concat([tail, chunk.subarray(0, length)]).subarray(-MAX_LINE_LENGTH);
    }
  };
  while (endedChild(pid) === undefined) {
    read();
    await nextChild();
  }
  killGroup(pid);
  const end = waitForExit(pid);
  own.delete(pid);
  read();
  close(readEnd);
  return { ...end, line: Bun.stripANSI(tail.toString()).trimEnd().split("\n").at(-1)?.trim() ?? "" };
}

/** The code that waits for a child's end. All share one listener, because there may be many probes. */
const waiting = new Set<() => void>();
let isListening = false;

function wakeAll(): void {
  for (const wake of waiting) wake();
}

/** Resolves when a child has ended, or soon. */
async function nextChild(): Promise<void> {
  if (!isListening) process.on("SIGCHLD", wakeAll);
  isListening = true;
  const { promise, resolve } = Promise.withResolvers<void>();
  waiting.add(resolve);
  using _ = startTimer(LOOK_MS, resolve);
  await promise;
  waiting.delete(resolve);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // No process is left that this user may kill.
  }
}
