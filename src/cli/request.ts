/** What the arguments ask for. */

import { UsageError } from "../console/usage-error.ts";
import { getopt } from "./getopt.ts";
import { rare } from "./load-rare.ts";
import { OPTIONS, type OptionName } from "./options.ts";
import { type PidOption, parsePid } from "./sender.ts";
import type { UserOption } from "./user.ts";

export type Description = "help" | "version" | "introspect-cli";

export interface Request {
  /** What to do: the last of the options that say so wins. */
  action: "notify" | "booted" | "fork" | Description;
  /** The options that were given. */
  given: OptionName[];
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
export function parseRequest(args: readonly string[]): Request {
  const request: Request = {
    action: "notify",
    given: [],
    status: undefined,
    pid: "auto",
    user: undefined,
    fds: [],
    fdName: undefined,
    args: [],
    command: [],
  };
  getopt(args, OPTIONS, (parsed) => {
    if ("argument" in parsed) {
      request.args.push(parsed.argument);
      return true;
    }
    const { option, value = "" } = parsed;
    request.given.push(option);
    if (option === "booted" || option === "fork") request.action = option;
    else if (option === "status") request.status = value;
    else if (option === "pid") request.pid = parsePid(value);
    else if (option === "uid") request.user = rare().parseUser(value, request.user);
    else if (option === "fd") request.fds.push(rare().parseFd(value));
    else if (option === "fdname") {
      rare().checkFdName(value);
      request.fdName = value;
    } else if (isDescription(option)) {
      request.action = option;
      return false;
    }
    return true;
  });
  if (!isDescription(request.action)) checkRequest(request);
  return request;
}

/** Whether the command is to tell of itself, and do nothing. */
export function isDescription(action: string): action is Description {
  return action === "help" || action === "version" || action === "introspect-cli";
}

// --- internal ---

const MESSAGE_OPTIONS = ["ready", "reloading", "stopping", "pid", "status", "fd"] as const;

function checkRequest(request: Request): void {
  const { action, given, args } = request;
  const option = messageOption(given);
  if (action === "notify") {
    if (request.fdName !== undefined && request.fds.length === 0) {
      throw new UsageError("--fdname names nothing: give the file descriptors with --fd");
    }
    if (given.includes("exec")) splitCommand(request);
    if (option === undefined && request.args.length === 0) {
      throw new UsageError("nothing to send: give an option such as --ready, or an assignment such as STATUS=text");
    }
    return;
  }
  const [surplus] = option === undefined ? (action === "booted" ? args : []) : [`--${option}`];
  if (surplus !== undefined) throw new UsageError(`--${action} sends no message: call it without ${surplus}`);
  if (action === "fork" && args.length === 0) throw new UsageError("--fork starts nothing: give a command after --");
}

function messageOption(given: readonly OptionName[]): OptionName | undefined {
  for (const option of MESSAGE_OPTIONS) if (given.includes(option)) return option;
  return undefined;
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
