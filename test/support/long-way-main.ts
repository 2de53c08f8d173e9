/** The command without its short way: an entry file for test/support/long-way.ts. */

import { runCommand } from "../../src/cli/command.ts";

runCommand({ step: "nothing" });
