#!/usr/bin/env bun
/**
 * The command: systemd-notify(1). It reads its arguments, sends one message, waits for the barrier. What a notification
 * does not need is loaded when it is used.
 */

import { monotonicUsec } from "../ffi/syscalls.ts";
import { barrierSync } from "./barrier.ts";
import { type Arguments, commandArguments } from "./cli/arguments.ts";
import { addAssignments } from "./cli/assignments.ts";
import { parseRequest, type Request } from "./cli/request.ts";
import { findSender } from "./cli/sender.ts";
import { UsageError } from "./cli/usage-error.ts";
import { notifyRaw } from "./notify-raw.ts";
import { pidfdInodeOf } from "./process.ts";

const commandLine = commandArguments();
try {
  process.exitCode = await main(commandLine);
} catch (error) {
  const { fail } = await import("./cli/fail.ts");
  process.exitCode = fail(error, commandLine);
}

async function main({ args, encoding }: Arguments): Promise<number> {
  const request = await parseRequest(args);
  const { action } = request;
  if (action === "notify") return notifyManager(request, encoding);
  if (action === "booted") return (await import("./booted.ts")).booted() ? 0 : 1;
  if (action === "fork") return fork(request, encoding);
  const { describe } = await import("./cli/help.ts");
  return describe(action);
}

async function notifyManager(request: Request, encoding: BufferEncoding): Promise<number> {
  const { flags, fds, user, command } = request;
  if (process.env.NOTIFY_SOCKET === undefined) {
    throw new UsageError(
      "$NOTIFY_SOCKET is not set: only a service that systemd started has it, with Type=notify or NotifyAccess=all in its unit",
    );
  }
  // Looked at before anything is opened here.
  const inherited = fds.length + command.length > 0 ? (await import("./cli/inherited-fds.ts")).inheritedFds() : [];
  if (fds.length > 0) {
    const { checkFds } = await import("./cli/inherited-fds.ts");
    const surplus = checkFds(fds, inherited);
    if (surplus.length > 0)
      await warn(`not sending the open file descriptors ${surplus.join(", ")}: no --fd names them`);
  }
  const warnings: string[] = [];
  const sender = findSender(request.pid, (warning) => warnings.push(warning));
  for (const warning of warnings) await warn(warning);
  const message = addAssignments(messageFields(request, sender), request.args).join("\n");
  if (user) (await import("./cli/user.ts")).becomeUser(user);
  notifyRaw(encoding === "utf8" ? message : Buffer.from(message, encoding), { pid: sender, fds });
  if (!flags.has("no-block")) barrierSync({ pid: sender, timeoutMs: 5000 });
  if (command.length === 0) return 0;
  const { execCommand } = await import("./cli/exec.ts");
  // With --fd, the fds are the manager's now, and not the command's.
  return execCommand(toBytes(command, encoding), inherited, fds.length === 0);
}

/** The fields that options make, in the order in which systemd-notify(1) sends them. */
function messageFields({ flags, status, fds, fdName }: Request, sender: number): string[] {
  const fields: string[] = [];
  if (flags.has("reloading")) fields.push("RELOADING=1", `MONOTONIC_USEC=${monotonicUsec()}`);
  if (flags.has("ready")) fields.push("READY=1");
  if (flags.has("stopping")) fields.push("STOPPING=1");
  if (status !== undefined) fields.push(`STATUS=${status}`);
  if (flags.has("pid")) {
    const pidfdInode = pidfdInodeOf(sender);
    fields.push(`MAINPID=${sender}`);
    if (pidfdInode !== undefined) fields.push(`MAINPIDFDID=${pidfdInode}`);
  }
  if (fds.length > 0) fields.push("FDSTORE=1");
  if (fdName !== undefined) fields.push(`FDNAME=${fdName}`);
  return fields;
}

async function fork({ args, flags }: Request, encoding: BufferEncoding): Promise<number> {
  const { inheritedFds } = await import("./cli/inherited-fds.ts");
  const inherited = inheritedFds();
  const { forkCommand } = await import("./cli/fork.ts");
  return forkCommand(toBytes(args, encoding), inherited, flags.has("quiet"));
}

function toBytes(args: readonly string[], encoding: BufferEncoding): Uint8Array[] {
  return args.map((arg) => Buffer.from(arg, encoding));
}

async function warn(message: string): Promise<void> {
  const { complain } = await import("./cli/output.ts");
  complain(message);
}
