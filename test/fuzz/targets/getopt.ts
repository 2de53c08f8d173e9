/**
 * getopt(), beside that of glibc, parseRequest() and addAssignments(): whatever the arguments are, they are a request or one
 * line of complaint.
 */

import { addAssignments } from "../../../src/cli/assignments.ts";
import { getopt as read } from "../../../src/cli/getopt.ts";
import { OPTIONS } from "../../../src/cli/options.ts";
import { parseRequest } from "../../../src/cli/parse-request.ts";
import { isDescription } from "../../../src/cli/request.ts";
import { UsageError } from "../../../src/console/usage-error.ts";
import { type Found, glibcGetopt } from "../glibc.ts";
import { INHERITED, type Random } from "../random.ts";
import { assert, assertEqual, errorOf, type Target } from "../target.ts";
import { messageText } from "../texts.ts";

export const getopt: Target<string[]> = {
  make: (random) => random.list(8, () => argument(random)),
  open() {
    const theirs = glibcGetopt(OPTIONS);
    return {
      check(args) {
        const ours = readOptions(args);
        if (theirs) assertEqual(ours, theirs(args), "getopt() and, as the second, getopt_long(3)");
        checkRequest(args, ours);
        assertEqual(addAssignments([], args), addOneByOne(args), "addAssignments()");
      },
    };
  },
};

// --- internal ---

function readOptions(args: readonly string[]): Found {
  const [options, rest]: [string[], string[]] = [[], []];
  const error = errorOf(() => {
    read(args, OPTIONS, (parsed) => {
      if ("argument" in parsed) rest.push(parsed.argument);
      else options.push(parsed.value === undefined ? parsed.option : `${parsed.option}=${parsed.value}`);
      return true;
    });
  }, UsageError);
  return { options, rest: error ? undefined : rest };
}

function checkRequest(args: readonly string[], { options, rest }: Found): void {
  let request: ReturnType<typeof parseRequest> | undefined;
  errorOf(() => (request = parseRequest(args)), UsageError);
  if (!request || isDescription(request.action)) return;
  const names: string[] = options.map((option) => option.replace(/=[\s\S]*/, ""));
  assertEqual(request.given as string[], names, "the options that were given");
  const last = (name: string) => options.findLast((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
  assertEqual(request.status, last("status"), "the status");
  assertEqual(request.fdName, last("fdname"), "the name of the fds");
  const cut = request.command.length > 0 ? [...request.args, ";", ...request.command] : request.args;
  assertEqual(cut, rest, "the arguments");
  const { fds, pid, user } = request;
  for (const fd of fds) assert(Number.isInteger(fd) && fd >= 0 && fd <= 0x7fffffff, "no fd", fd);
  const isPid = pid === "auto" || pid === "parent" || (Number.isInteger(pid) && pid > 0 && pid <= 0x7fffffff);
  assert(isPid, "no pid", pid);
  if (user) assert(Number.isInteger(user.uid) && user.uid >= 0 && user.uid < 0xffffffff, "no user", user);
}

/** What systemd-notify(1) does, as simply as can be. */
function addOneByOne(args: readonly string[]): string[] {
  const merged: string[] = [];
  for (const arg of args) {
    const prefix = arg.includes("=") ? arg.slice(0, arg.indexOf("=") + 1) : arg;
    const place = merged.findIndex((field) => field.startsWith(prefix));
    if (place === -1) merged.push(arg);
    else merged[place] = arg;
  }
  return merged;
}

/** No argument has a NUL, and none half of a surrogate pair. */
function argument(random: Random): string {
  return anyArgument(random).replaceAll("\0", "").toWellFormed();
}

function anyArgument(random: Random): string {
  if (random.once(4)) return messageText(random);
  if (random.once(4)) return random.pick(["-", "--", "", ";", "-q", "-h", "-qq", "-qh", "-x", "--=", "-=", "---"]);
  if (random.once(8)) return random.text();
  const { long } = random.pick(OPTIONS);
  const name = `--${random.once(3) ? long.slice(0, 1 + random.below(long.length)) : random.once(20) ? random.pick(INHERITED) : long}`;
  const text = random.once(2) ? name : `${name}=${valueFor(random, long)}`;
  return random.once(6) ? random.mutate(text) : text;
}

function valueFor(random: Random, option: string): string {
  if (random.once(6)) return random.text();
  if (option === "pid") return random.pick(["", "auto", "parent", "self", "1", random.digits()]);
  if (option === "uid")
    return random.pick(["root", "nobody", "0", "65535", "-1", "+0", "nosuch", ...INHERITED, random.digits()]);
  if (option === "fd") return random.pick(["0", "3", random.digits()]);
  return random.text(8);
}
