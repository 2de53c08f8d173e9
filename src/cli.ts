#!/usr/bin/env bun
/**
 * The command: systemd-notify(1). It reads its arguments, sends one message, waits for the barrier. What a notification
 * does not need is loaded when it is used.
 */

import { monotonicUsec } from "../ffi/syscalls.ts";
import { barrierSync } from "./barrier.ts";
import { commandArguments } from "./cli/arguments.ts";
import { addAssignments } from "./cli/assignments.ts";
import { getopt } from "./cli/getopt.ts";
import { OPTIONS, type OptionName } from "./cli/options.ts";
import { defaultSender, identify, parsePid, type Sender } from "./cli/sender.ts";
import { UsageError } from "./cli/usage-error.ts";
import { notifyRaw } from "./notify-raw.ts";

/** What the arguments ask for. */
interface Request {
  flags: Set<OptionName>;
  status: string | undefined;
  /** The process --pid names; undefined for "auto". */
  pid: Sender | undefined;
  assignments: string[];
}

try {
  process.exitCode = await main();
} catch (error) {
  process.exitCode = 1;
  const { explain } = await import("./cli/explain.ts");
  complain(explain(error));
}

async function main(): Promise<number> {
  const { args, encoding } = await commandArguments();
  const request: Request = { flags: new Set(), status: undefined, pid: undefined, assignments: [] };
  for (const parsed of getopt(args, OPTIONS)) {
    if ("argument" in parsed) {
      request.assignments.push(parsed.argument);
      continue;
    }
    const { option, value } = parsed;
    if (option === "help" || option === "version" || option === "introspect-cli") return describe(option);
    request.flags.add(option);
    if (option === "status") request.status = value;
    if (option === "pid") request.pid = parsePid(value);
  }
  return request.flags.has("booted") ? checkBooted(request) : notifyManager(request, encoding);
}

async function describe(option: "help" | "version" | "introspect-cli"): Promise<number> {
  const { helpText, introspectionText, versionText } = await import("./cli/help.ts");
  const text = option === "help" ? await helpText() : option === "version" ? versionText() : introspectionText();
  await Bun.write(Bun.stdout, text);
  return 0;
}

async function checkBooted({ flags, assignments }: Request): Promise<number> {
  const [message] = (["ready", "reloading", "stopping", "pid", "status"] as const).filter((option) =>
    flags.has(option),
  );
  const extra = message === undefined ? assignments[0] : `--${message}`;
  if (extra !== undefined) throw new UsageError(`--booted sends no message: call it without ${extra}`);
  const { booted } = await import("./booted.ts");
  return booted() ? 0 : 1;
}

function notifyManager({ flags, status, pid, assignments }: Request, encoding: "utf8" | "latin1"): number {
  const fields: string[] = [];
  if (flags.has("reloading")) fields.push("RELOADING=1", `MONOTONIC_USEC=${monotonicUsec()}`);
  if (flags.has("ready")) fields.push("READY=1");
  if (flags.has("stopping")) fields.push("STOPPING=1");
  if (status !== undefined) fields.push(`STATUS=${status}`);
  if (fields.length + assignments.length === 0 && !flags.has("pid")) {
    throw new UsageError("nothing to send: give an option such as --ready, or an assignment such as STATUS=text");
  }
  if (process.env.NOTIFY_SOCKET === undefined) {
    throw new UsageError(
      "$NOTIFY_SOCKET is not set: only a service that systemd started has it, with Type=notify or NotifyAccess=all in its unit",
    );
  }
  const sender = pid?.pid ?? defaultSender(complain);
  if (flags.has("pid")) {
    const { pidfdInode } = pid ?? identify(sender);
    fields.push(`MAINPID=${sender}`);
    if (pidfdInode !== undefined) fields.push(`MAINPIDFDID=${pidfdInode}`);
  }
  const message = addAssignments(fields, assignments).join("\n");
  notifyRaw(encoding === "utf8" ? message : Buffer.from(message, encoding), { pid: sender });
  if (!flags.has("no-block")) barrierSync({ pid: sender, timeoutMs: 5000 });
  return 0;
}

function complain(message: string): void {
  console.error(`sd-notify: ${message}`);
}
