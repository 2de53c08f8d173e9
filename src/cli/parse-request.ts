/** From the arguments to the request that they make, values included. */

import { UsageError } from "../console/usage-error.ts";
import { checkFdName, parseFd } from "./fds.ts";
import { getopt } from "./getopt.ts";
import { OPTIONS } from "./options.ts";
import { emptyRequest, hasMessage, isDescription, messageOption, type Request } from "./request.ts";
import { parsePid } from "./sender.ts";
import { parseUser } from "./user.ts";

/** Reads the arguments in their order. --help, --version or a mistake ends this. @throws UsageError */
export function parseRequest(args: readonly string[]): Request {
  const request = emptyRequest();
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
    else if (option === "uid") request.user = parseUser(value, request.user);
    else if (option === "fd") request.fds.push(parseFd(value));
    else if (option === "fdname") {
      checkFdName(value);
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

// --- internal ---

function checkRequest(request: Request): void {
  const { action, given, args } = request;
  const option = messageOption(given);
  if (action === "notify") {
    if (request.fdName !== undefined && request.fds.length === 0) {
      throw new UsageError("--fdname names nothing: give the file descriptors with --fd");
    }
    if (given.includes("exec")) splitCommand(request);
    if (!hasMessage(request)) {
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
