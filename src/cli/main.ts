#!/usr/bin/env bun
/**
 * The command: systemd-notify(1). It reads its arguments, sends one message, waits for the barrier. What a notification
 * does not need is loaded when it is used.
 */

import { monotonicUsec } from "../../ffi/syscalls.ts";
import { barrierSync } from "../barrier.ts";
import { type Arguments, commandArguments } from "../bun/arguments.ts";
import { programName } from "../bun/runtime.ts";
import { UsageError } from "../console/usage-error.ts";
import { pidfdInodeOf } from "../linux/pidfd.ts";
import { notifyRaw } from "../notify-raw.ts";
import { addAssignments } from "./assignments.ts";
import { rare } from "./load-rare.ts";
import { parseRequest, type Request } from "./request.ts";
import { findSender } from "./sender.ts";

const commandLine = commandArguments();
try {
  const status = main(commandLine);
  if (typeof status === "number") process.exitCode = status;
  else status.then(end, endInFailure);
} catch (error) {
  endInFailure(error);
}

/** A number is the exit status. Only what takes time is a promise, because to begin with promises takes time too. */
function main({ args, encoding }: Arguments): number | Promise<number> {
  const [word] = args;
  if (word === "monitor" || word === "doctor" || word === "run") {
    // Under the other's name they are messages, as they are for that.
    if (programName() === "sd-notify") return rare().callTool(word, args.slice(1), encoding);
  }
  const request = parseRequest(args);
  const { action } = request;
  if (action === "notify") return notifyManager(request, encoding);
  if (action === "booted") return rare().booted() ? 0 : 1;
  if (action === "fork") return fork(request, encoding);
  return rare().describe(action);
}

function notifyManager(request: Request, encoding: BufferEncoding): number {
  const { given, fds, user, command } = request;
  if (process.env.NOTIFY_SOCKET === undefined) {
    throw new UsageError(
      "$NOTIFY_SOCKET is not set: only a service that systemd started has it, with Type=notify or NotifyAccess=all in its unit",
    );
  }
  // Looked at before anything is opened here.
  const inherited = fds.length + command.length > 0 ? rare().inheritedFds() : [];
  if (fds.length > 0) {
    const surplus = rare().checkFds(fds, inherited);
    if (surplus.length > 0) warn(`not sending the open file descriptors ${surplus.join(", ")}: no --fd names them`);
  }
  const sender = findSender(request.pid, warn);
  const message = addAssignments(messageFields(request, sender), request.args).join("\n");
  if (user) rare().becomeUser(user);
  notifyRaw(encoding === "utf8" ? message : toBytes(message, encoding), { pid: sender, fds });
  if (!given.includes("no-block")) barrierSync({ pid: sender, timeoutMs: 5000 });
  if (command.length === 0) return 0;
  // With --fd, the fds are the manager's now, and not the command's.
  return rare().execCommand(allToBytes(command, encoding), inherited, fds.length === 0);
}

/** The fields that options make, in the order in which systemd-notify(1) sends them. */
function messageFields({ given, status, fds, fdName }: Request, sender: number): string[] {
  const fields: string[] = [];
  if (given.includes("reloading")) fields.push("RELOADING=1", `MONOTONIC_USEC=${monotonicUsec()}`);
  if (given.includes("ready")) fields.push("READY=1");
  if (given.includes("stopping")) fields.push("STOPPING=1");
  if (status !== undefined) fields.push(`STATUS=${status}`);
  if (given.includes("pid")) {
    const pidfdInode = pidfdInodeOf(sender);
    fields.push(`MAINPID=${sender}`);
    if (pidfdInode !== undefined) fields.push(`MAINPIDFDID=${pidfdInode}`);
  }
  if (fds.length > 0) fields.push("FDSTORE=1");
  if (fdName !== undefined) fields.push(`FDNAME=${fdName}`);
  return fields;
}

function fork({ args, given }: Request, encoding: BufferEncoding): number {
  const inherited = rare().inheritedFds();
  return rare().forkCommand(allToBytes(args, encoding), inherited, given.includes("quiet"));
}

function allToBytes(args: readonly string[], encoding: BufferEncoding): Uint8Array[] {
  return args.map((arg) => toBytes(arg, encoding));
}

/** A function of its own, because to name Buffer in one that is called costs 0.1 ms. */
function toBytes(text: string, encoding: BufferEncoding): Uint8Array {
  return Buffer.from(text, encoding);
}

function warn(message: string): void {
  rare().complain(message);
}

function end(status: number): void {
  process.exitCode = status;
}

function endInFailure(error: unknown): void {
  process.exitCode = rare().fail(error, commandLine);
}
