#!/usr/bin/env bun
/**
 * The command: systemd-notify(1). A plain notification takes the short way; what is more than that, or goes
 * wrong, is left to command.ts, a file that is not loaded for one.
 */

import { exitNow } from "../bun/exit.ts";
import type { Progress } from "./progress.ts";

/** The other file: set by the builds. */
declare const COMMAND_FILE: string | undefined;

/** (Not where it is used: there the bundler would take it for a literal, and put that file in this one.) */
const commandFile = typeof COMMAND_FILE === "undefined" ? "./command.ts" : COMMAND_FILE;

// From the source there is no short way: its macros would run in this process, and open files that seem to be
// the caller's.
const progress: Progress =
  typeof COMMAND_FILE === "undefined" ? { step: "nothing" } : require("./short-way.ts").goShortWay();
if (progress.step === "done") exitNow();
else {
  const { runCommand }: typeof import("./command.ts") = require(commandFile);
  runCommand(progress);
}
