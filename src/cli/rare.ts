/** What a plain notification does not need: one module, which rare() loads when any of it is used. */

export { booted } from "../booted.ts";
export { callTool } from "./call-tool.ts";
export { execCommand } from "./exec.ts";
export { fail } from "./fail.ts";
export { forkCommand } from "./fork.ts";
export { describe } from "./help.ts";
export { checkFdName, checkFds, inheritedFds, parseFd } from "./inherited-fds.ts";
export { complain } from "./output.ts";
export { becomeUser, parseUser } from "./user.ts";
