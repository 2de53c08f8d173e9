/** What can be fuzzed, by name. Add yours here. */

import { fuzzed } from "./fuzz.ts";
import type { AnyTarget } from "./target.ts";
import { bridge } from "./targets/bridge.ts";
import { environment } from "./targets/environment.ts";
import { getopt } from "./targets/getopt.ts";
import { message } from "./targets/message.ts";
import { monitor } from "./targets/monitor.ts";
import { proc } from "./targets/proc.ts";
import { receiver } from "./targets/receiver.ts";
import { systemctl } from "./targets/systemctl.ts";
import { verdict } from "./targets/verdict.ts";

/** The slowest first, so that no process waits for it in the end. */
export const TARGETS: Record<string, AnyTarget> = {
  monitor: fuzzed(monitor),
  receiver: fuzzed(receiver),
  environment: fuzzed(environment),
  getopt: fuzzed(getopt),
  message: fuzzed(message),
  verdict: fuzzed(verdict),
  bridge: fuzzed(bridge),
  proc: fuzzed(proc),
  systemctl: fuzzed(systemctl),
};
