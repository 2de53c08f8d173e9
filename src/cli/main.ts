#!/usr/bin/env bun
/**
 * The command: systemd-notify(1). A plain notification takes the short way through this file; whatever is more than that, or goes wrong, is
 * done by command.ts, which is loaded by one statement here.
 */

import { commandArguments } from "../bun/arguments.ts";
import { parsePlain } from "./plain.ts";
import { composeMessage, sendAndWait } from "./send.ts";
import { findSender } from "./sender.ts";

const commandLine = commandArguments();
try {
  const request = parsePlain(commandLine.args);
  if (request) {
    const sender = findSender(request.pid, (message) => everythingElse().complain(message));
    sendAndWait(composeMessage(request, sender), request, { pid: sender }, commandLine.encoding);
  } else {
    const status = everythingElse().runCommand(commandLine);
    if (typeof status === "number") process.exitCode = status;
    else status.then(end, fail);
  }
} catch (error) {
  fail(error);
}

// --- internal ---

/** By require(), because with import() all of the command would wait for promises. */
function everythingElse(): typeof import("./command.ts") {
  return require("./command.ts");
}

function end(status: number): void {
  process.exitCode = status;
}

function fail(error: unknown): void {
  process.exitCode = everythingElse().fail(error, commandLine);
}
