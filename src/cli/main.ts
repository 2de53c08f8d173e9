#!/usr/bin/env bun
/**
 * The command as it is built: systemd-notify(1). A plain notification takes the short way; what is more than
 * that, or goes wrong, is left to command.ts, a file that is not loaded for one.
 */

import { exitNow } from "../bun/exit.ts";
import { goShortWay } from "./short-way.ts";

/** The other file: set by the builds. (A literal in the call would have the bundler put that file in this one.) */
declare const COMMAND_FILE: string | undefined;
const commandFile = typeof COMMAND_FILE === "undefined" ? "./command.ts" : COMMAND_FILE;

const progress = goShortWay();
if (progress.step === "done") exitNow();
else {
  const { runCommand }: typeof import("./command.ts") = require(commandFile);
  runCommand(progress);
}
