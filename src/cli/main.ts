#!/usr/bin/env bun
/**
 * The command: systemd-notify(1). A plain notification takes the short way; what is more than that, or goes wrong, is left to command.ts,
 * a file that is not loaded for one.
 */

import { exitNow } from "../bun/exit.ts";
import { goShortWay } from "./short-way.ts";

/** The other file: set by the builds. */
declare const COMMAND_FILE: string | undefined;

/** (Not where it is used: there the bundler would take it for a literal, and put that file in this one.) */
const commandFile = typeof COMMAND_FILE === "undefined" ? "./command.ts" : COMMAND_FILE;

const progress = goShortWay();
if (progress.step === "done") exitNow();
else {
  const { runCommand }: typeof import("./command.ts") = require(commandFile);
  runCommand(progress);
}
