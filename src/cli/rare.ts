/** What a plain notification does not need: one module, which rare() loads when any of it is used. */

import { booted } from "../booted.ts";
import { execCommand } from "../bun/exec.ts";
import { checkFdName, checkFds, inheritedFds, parseFd } from "../bun/inherited-fds.ts";
import { complain } from "../console/output.ts";
import { callTool } from "./call-tool.ts";
import { fail } from "./fail.ts";
import { forkCommand } from "./fork.ts";
import { describe } from "./help.ts";
import { becomeUser, parseUser } from "./user.ts";

/** One export, because the bundle makes a getter of each at every start. */
export const functions = {
  becomeUser,
  booted,
  callTool,
  checkFdName,
  checkFds,
  complain,
  describe,
  execCommand,
  fail,
  forkCommand,
  inheritedFds,
  parseFd,
  parseUser,
};
