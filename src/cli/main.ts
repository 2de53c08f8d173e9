#!/usr/bin/env bun
/**
 * The command as it is built: systemd-notify(1). A plain notification takes the short way. Everything else, errors
 * included, is left to command.ts. That is another file, which is not loaded for a plain notification.
 */

import { exit } from "../../ffi/datagram.ts";
import { goShortWay } from "./short-way.ts";

/** The other file, set by the builds. (If the call had a literal, the bundler would put that file into this one.) */
declare const COMMAND_FILE: string | undefined;
const commandFile = typeof COMMAND_FILE === "undefined" ? "./command.ts" : COMMAND_FILE;

const progress = goShortWay();
if (progress.step === "done") exit();
else {
  const { runCommand }: typeof import("./command.ts") = require(commandFile);
  runCommand(progress);
}
