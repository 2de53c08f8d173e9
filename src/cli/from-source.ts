#!/usr/bin/env bun
/**
 * The command as it runs from its source, without the short way: its macros would run in this process, and
 * open files that seem to be the caller's.
 */

import { runCommand } from "./command.ts";

runCommand({ step: "nothing" });
