/**
 * Starting a program that does not outlive the subcommand, not even when that is killed: prctl(2), PR_SET_PDEATHSIG. Only the process
 * itself can ask for that, so this command starts itself once more, and becomes the program.
 */

import { setEnvironment, tieToParent, unsetEnvironment } from "../../ffi/process.ts";
import { getppid } from "../../ffi/syscalls.ts";
import { execCommand } from "../cli/exec.ts";
import { explain } from "../cli/explain.ts";
import { inheritedFds } from "../cli/inherited-fds.ts";
import { complain } from "../cli/output.ts";
import { standalone } from "../cli/runtime.ts";
import { pidfdInodeOf } from "../process.ts";

export interface ProgramOptions {
  /** The whole environment; LISTEN_* of `fds` is added, and WATCHDOG_PID where there is WATCHDOG_USEC. */
  env: Record<string, string | undefined>;
  stdin?: "inherit" | "ignore";
  stdout?: "inherit" | "pipe" | "ignore" | number;
  stderr?: "inherit" | "pipe" | "ignore";
  /** File descriptors to pass, from 3 on, as sd_listen_fds(3) finds them. */
  fds?: readonly { fd: number; name: string }[];
}

/** systemd.exec(5), table "Process Exit Codes": the status of a program that could not be executed. */
export const EXIT_EXEC = 203;

/**
 * Starts a program. It is killed when this process ends, whatever ends it. Where it can't be executed, an error is printed and
 * its exit status is EXIT_EXEC.
 */
export function startProgram(
  command: readonly string[],
  { env, stdin = "inherit", stdout = "inherit", stderr = "inherit", fds = [] }: ProgramOptions,
): Bun.Subprocess {
  const self = standalone ? [process.execPath] : [process.execPath, Bun.main];
  const passed: Record<string, string> =
    fds.length === 0 ? {} : { LISTEN_FDS: `${fds.length}`, LISTEN_FDNAMES: fds.map(({ name }) => name).join(":") };
  return Bun.spawn([...self, "run", "--", ...command], {
    env: { ...env, ...passed, [TIED]: `${process.pid}` },
    stdio: [stdin, stdout, stderr, ...fds.map(({ fd }) => fd)] as never,
  });
}

/** In a process that startProgram() started: becomes the program. In any other: does nothing. */
export function becomeTied(args: readonly string[]): void {
  const parent = process.env[TIED];
  if (parent === undefined) return;
  try {
    tieToParent();
    // It may have gone before.
    if (`${getppid()}` !== parent) process.exit(EXIT_EXEC);
    unsetEnvironment(TIED);
    if (process.env.LISTEN_FDS !== undefined) {
      setEnvironment("LISTEN_PID", `${process.pid}`);
      const inode = pidfdInodeOf(process.pid);
      if (inode !== undefined) setEnvironment("LISTEN_PIDFDID", `${inode}`);
    }
    if (process.env.WATCHDOG_USEC !== undefined) setEnvironment("WATCHDOG_PID", `${process.pid}`);
    const command = args.slice(args.indexOf("--") + 1).map((arg) => Buffer.from(arg));
    execCommand(command, inheritedFds(), true);
  } catch (error) {
    complain(explain(error));
    process.exit(EXIT_EXEC);
  }
}

// --- internal ---

/** Names the parent, in the environment of a process that is to become a program. */
const TIED = "SD_NOTIFY_TIED_TO";
