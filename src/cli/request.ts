/** What the arguments ask for. */

import { getopt } from "./getopt.ts";
import { OPTIONS, type OptionName } from "./options.ts";
import { type PidOption, parsePid } from "./sender.ts";
import { UsageError } from "./usage-error.ts";
import type { UserOption } from "./user.ts";

export interface Request {
  /** What to do: the last of the options that say so wins. */
  action: "notify" | "booted" | "fork" | "help" | "version" | "introspect-cli";
  flags: Set<OptionName>;
  status: string | undefined;
  pid: PidOption;
  user: UserOption | undefined;
  fds: number[];
  fdName: string | undefined;
  /** Assignments; with --fork, the command. */
  args: string[];
  /** The command of --exec. */
  command: string[];
}

/** Reads the arguments in their order; --help, --version and mistakes end it. @throws UsageError */
export async function parseRequest(args: readonly string[]): Promise<Request> {
  const request: Request = {
    action: "notify",
    flags: new Set(),
    status: undefined,
    pid: "auto",
    user: undefined,
    fds: [],
    fdName: undefined,
    args: [],
    command: [],
  };
  for (const parsed of getopt(args, OPTIONS)) {
    if ("argument" in parsed) request.args.push(parsed.argument);
    else {
      const { option, value = "" } = parsed;
      request.flags.add(option);
      if (option === "help" || option === "version" || option === "introspect-cli")
        return { ...request, action: option };
      if (option === "booted" || option === "fork") request.action = option;
      else if (option === "status") request.status = value;
      else if (option === "pid") request.pid = parsePid(value);
      else if (option === "uid") request.user = (await import("./user.ts")).parseUser(value, request.user);
      else if (option === "fd") request.fds.push((await import("./inherited-fds.ts")).parseFd(value));
      else if (option === "fdname") {
        (await import("./inherited-fds.ts")).checkFdName(value);
        request.fdName = value;
      }
    }
  }
  checkRequest(request);
  return request;
}

// --- internal ---

const MESSAGE_OPTIONS = ["ready", "reloading", "stopping", "pid", "status", "fd"] as const;

function checkRequest(request: Request): void {
  const { action, flags, args } = request;
  const option = MESSAGE_OPTIONS.find((option) => flags.has(option));
  if (action === "notify") {
    if (request.fdName !== undefined && request.fds.length === 0) {
      throw new UsageError("--fdname names nothing: give the file descriptors with --fd");
    }
    if (flags.has("exec")) splitCommand(request);
    if (option === undefined && request.args.length === 0) {
      throw new UsageError("nothing to send: give an option such as --ready, or an assignment such as STATUS=text");
    }
    return;
  }
  const [surplus] = option === undefined ? (action === "booted" ? args : []) : [`--${option}`];
  if (surplus !== undefined) throw new UsageError(`--${action} sends no message: call it without ${surplus}`);
  if (action === "fork" && args.length === 0) throw new UsageError("--fork starts nothing: give a command after --");
}

function splitCommand(request: Request): void {
  const { args } = request;
  const semicolon = args.indexOf(";");
  if (semicolon === -1) {
    throw new UsageError("--exec executes nothing: give the command after a ; of its own, in a shell after \\;");
  }
  request.command = args.slice(semicolon + 1);
  request.args = args.slice(0, semicolon);
  if (request.command.length === 0) throw new UsageError("--exec executes nothing: no command follows the ;");
}
