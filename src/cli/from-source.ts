#!/usr/bin/env bun
/**
 * The command as it runs from its source. It does not take the short way, because the macros of that would run in this
 * process, and open files that seem to be the caller's.
 */

import { runCommand } from "./command.ts";

runCommand({ step: "nothing" });
