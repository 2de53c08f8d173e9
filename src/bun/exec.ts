/**
 * Executes another program in place of this one, with what the caller passed. process.execve() closes inherited file
 * descriptors, and takes arguments as text. No issue filed. This goes when it keeps both.
 */

import { exec, unsetEnvironment } from "../../ffi/process.ts";
import { keepOnExec } from "../../ffi/syscalls.ts";
import { restoreCallerState } from "./caller-state.ts";
import { RESERVATION } from "./jit-reservation.ts";

/**
 * Executes the command in place of this process, with the inherited fds or without them. (Bun marks those from 4 on
 * close-on-exec.)
 *
 * @throws SystemError if it can't be executed.
 */
export function execCommand(
  command: readonly Uint8Array[],
  inherited: readonly number[],
  keepFds: boolean,
  restoreState = restoreCallerState,
): never {
  for (const fd of inherited) keepOnExec(fd, keepFds);
  restoreState();
  if (process.env[RESERVATION.name] === RESERVATION.value) unsetEnvironment(RESERVATION.name);
  return exec(command);
}
