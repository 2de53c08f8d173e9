/** Composes the message of a request, and sends it. */

import { monotonicUsec } from "../../ffi/syscalls.ts";
import { barrierSync, finishBarrier } from "../barrier.ts";
import { pidfdInodeOf } from "../linux/pidfd.ts";
import { notifyRaw } from "../notify-raw.ts";
import { COMPANION_KEYS, KEYS } from "../protocol/keys.ts";
import type { SendOptions } from "../transport/options.ts";
import { addAssignments } from "./assignments.ts";
import { BARRIER_TIMEOUT_MS, type Progress } from "./progress.ts";
import type { Request } from "./request.ts";

/**
 * Returns the text: the fields that options make, in the order in which systemd-notify(1) sends them, and the
 * assignments.
 */
export function composeMessage({ given, status, fds, fdName, args }: Request, sender: number): string {
  const fields: string[] = [];
  if (given.includes("reloading")) {
    fields.push(`${KEYS.reloading}=1`, `${COMPANION_KEYS.reloading}=${monotonicUsec()}`);
  }
  if (given.includes("ready")) fields.push(`${KEYS.ready}=1`);
  if (given.includes("stopping")) fields.push(`${KEYS.stopping}=1`);
  if (status !== undefined) fields.push(`${KEYS.status}=${status}`);
  if (given.includes("pid")) {
    const inode = pidfdInodeOf(sender);
    fields.push(`${KEYS.mainPid}=${sender}`);
    if (inode !== undefined) fields.push(`${COMPANION_KEYS.mainPid}=${inode}`);
  }
  if (fds.length > 0) fields.push("FDSTORE=1");
  if (fdName !== undefined) fields.push(`FDNAME=${fdName}`);
  return addAssignments(fields, args).join("\n");
}

/** Does what is left to do: sends the message, and waits for the manager unless the request has --no-block. */
export function sendAndWait(
  message: string,
  { given }: Request,
  options: SendOptions,
  encoding: "utf8" | "latin1",
  progress: Progress,
): void {
  if (progress.step === "nothing") notifyRaw(encoding === "utf8" ? message : toBytes(message, encoding), options);
  if (progress.step === "asked") finishBarrier(progress.readEnd, progress.leftMs, BARRIER_TIMEOUT_MS);
  else if (!given.includes("no-block")) barrierSync({ pid: options.pid, timeoutMs: BARRIER_TIMEOUT_MS });
}

/** Returns the bytes that an argument stands for. */
export function toBytes(text: string, encoding: "utf8" | "latin1"): Uint8Array {
  return Buffer.from(text, encoding);
}
