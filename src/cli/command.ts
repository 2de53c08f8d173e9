/** The whole command. It also does what the short way has left to do. */

import { booted } from "../booted.ts";
import { type Arguments, commandArguments } from "../bun/arguments.ts";
import { execCommand } from "../bun/exec.ts";
import { inheritedFds } from "../bun/inherited-fds.ts";
import { programName } from "../bun/runtime.ts";
import { complain } from "../console/output.ts";
import { UsageError } from "../console/usage-error.ts";
import { fail } from "./fail.ts";
import { checkFds } from "./fds.ts";
import { forkCommand } from "./fork.ts";
import { describe } from "./help.ts";
import { parseRequest } from "./parse-request.ts";
import type { Progress } from "./progress.ts";
import { isSubcommand, type Request } from "./request.ts";
import { composeMessage, sendAndWait, toBytes } from "./send.ts";
import { findSender } from "./sender.ts";
import { callTool } from "./subcommand.ts";
import { becomeUser } from "./user.ts";

/** Does what the arguments say, except what is done already. */
export function runCommand(progress: Progress): void {
  const commandLine = commandArguments();
  const end = (status: number) => {
    process.exitCode = status;
  };
  const endInFailure = (error: unknown) => end(fail(error, commandLine));
  try {
    const status = obey(commandLine, progress);
    if (typeof status === "number") end(status);
    else status.then(end, endInFailure);
  } catch (error) {
    endInFailure(error);
  }
}

// --- internal ---

/** Returns the exit status. It is a promise only if the work takes time. */
function obey({ args, encoding }: Arguments, progress: Progress): number | Promise<number> {
  const [word] = args;
  // If the command is called as systemd-notify, these words are messages, as they are for systemd's command.
  if (isSubcommand(word) && programName() === "sd-notify") return callTool(word, args.slice(1), encoding);
  const request = parseRequest(args);
  const { action } = request;
  if (action === "notify") return notifyManager(request, encoding, progress);
  if (action === "booted") return booted() ? 0 : 1;
  if (action === "fork") {
    return forkCommand(allToBytes(request.args, encoding), inheritedFds(), request.given.includes("quiet"));
  }
  return describe(action);
}

function notifyManager(request: Request, encoding: Arguments["encoding"], progress: Progress): number {
  const { fds, user, command } = request;
  if (process.env.NOTIFY_SOCKET === undefined) {
    throw new UsageError(
      "$NOTIFY_SOCKET is not set: only a service that systemd started has it, " +
        "with Type=notify or NotifyAccess=all in its unit",
    );
  }
  // This comes before anything is opened here.
  const inherited = fds.length + command.length > 0 ? inheritedFds() : [];
  if (fds.length > 0) {
    const surplus = checkFds(fds, inherited);
    if (surplus.length > 0) complain(`not sending the open file descriptors ${surplus.join(", ")}: no --fd names them`);
  }
  const sender = findSender(request.pid, complain);
  const message = composeMessage(request, sender);
  if (user) becomeUser(user);
  sendAndWait(message, request, { pid: sender, fds }, encoding, progress);
  if (command.length === 0) return 0;
  // With --fd, the fds now belong to the manager, and not to the program that --exec starts.
  return execCommand(allToBytes(command, encoding), inherited, fds.length === 0);
}

function allToBytes(args: readonly string[], encoding: Arguments["encoding"]): Uint8Array[] {
  return args.map((arg) => toBytes(arg, encoding));
}
