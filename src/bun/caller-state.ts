/**
 * The caller's soft limit of open files and ignored signals, for the programs that the command starts. Bun changes
 * both at its start, and passes its own values on. The standalone executable is built to leave them alone
 * (src/build/keep-caller-state.ts). No issue filed. This goes when Bun restores them in what it executes.
 */

import { SIGPIPE, SIGXFSZ } from "../../ffi/constants.ts";
import { getNofileLimit, setIgnored, setSoftNofileLimit } from "../../ffi/process.ts";
import { ownUnit } from "../linux/cgroup.ts";
import { isManager } from "../linux/manager.ts";
import { showCommand } from "../linux/systemctl.ts";
import { callerPid } from "./caller.ts";
import { node } from "./node.ts";
import { callerStateKept } from "./runtime.ts";

export interface CallerState {
  ignoresSigpipe: boolean;
  ignoresSigxfsz: boolean;
  /** undefined: the limit stays as it is now. */
  softNofile: number | undefined;
}

/** Returns what Bun changed, as far as that can be known; undefined if it changed nothing. */
export function callerState(): CallerState | undefined {
  if (callerStateKept) return undefined;
  const caller = callerPid();
  return caller <= 1 || isManager(caller) ? stateOfUnit(caller > 1) : stateOfProcess(caller);
}

/** Restores what Bun changed. */
export function restoreCallerState(state = callerState()): void {
  if (state === undefined) return;
  setIgnored(SIGPIPE, state.ignoresSigpipe);
  setIgnored(SIGXFSZ, state.ignoresSigxfsz);
  const { hard } = getNofileLimit();
  if (state.softNofile !== undefined) setSoftNofileLimit(Math.min(state.softNofile, hard));
}

// --- internal ---

/**
 * The limits that a unit has by default, systemd.exec(5): LimitNOFILE=1024:524288. The soft one is the
 * kernel's default too.
 */
const DEFAULT_SOFT_NOFILE = 1024;
const DEFAULT_HARD_NOFILE = 524288;

/** Returns what the calling process has passed on. */
function stateOfProcess(pid: number): CallerState {
  try {
    const ignored = BigInt(
      `0x${/^SigIgn:\s*([0-9a-f]+)/m.exec(node.fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]}`,
    );
    const ignores = (signal: number) => (ignored & (1n << BigInt(signal - 1))) !== 0n;
    const [, soft, hard] =
      /^Max open files\s+(\d+)\s+(\d+)/m.exec(node.fs.readFileSync(`/proc/${pid}/limits`, "latin1")) ?? [];
    // Only CPython and Bun ignore both signals, and the programs that they start have the defaults.
    const runtime = ignores(SIGPIPE) && ignores(SIGXFSZ);
    return {
      ignoresSigpipe: ignores(SIGPIPE) && !runtime,
      ignoresSigxfsz: ignores(SIGXFSZ) && !runtime,
      // If the hard limits differ, the caller has set both limits for this process, and its soft one can't be known.
      softNofile: Number(hard) === getNofileLimit().hard ? Number(soft) : DEFAULT_SOFT_NOFILE,
    };
  } catch {
    return { ignoresSigpipe: false, ignoresSigxfsz: false, softNofile: undefined };
  }
}

/** Returns what the unit has. If the manager can't be asked, this assumes that the unit sets neither. */
function stateOfUnit(user: boolean): CallerState {
  const answer = askManager(user);
  const ignoreSigpipe = /^IgnoreSIGPIPE=(\w+)$/m.exec(answer)?.[1] ?? "yes";
  const soft = /^LimitNOFILESoft=(\d+)$/m.exec(answer)?.[1];
  // A unit that sets LimitNOFILE= itself sets both limits, most often to the same value.
  const assumed = getNofileLimit().hard === DEFAULT_HARD_NOFILE ? DEFAULT_SOFT_NOFILE : undefined;
  return {
    ignoresSigpipe: ignoreSigpipe === "yes",
    ignoresSigxfsz: false,
    softNofile: soft === undefined ? assumed : Number(soft),
  };
}

/** Returns lines `NAME=value`; no lines if the manager can't be asked. */
function askManager(user: boolean): string {
  const unit = ownUnit(["service", "scope", "socket", "mount", "swap"]);
  if (unit === undefined) return "";
  const { id, uid } = unit;
  const command = showCommand({ id, ...(user && { uid: uid ?? process.getuid?.() ?? 0 }) }, [
    "IgnoreSIGPIPE",
    "LimitNOFILESoft",
  ]);
  if (command === undefined) return "";
  try {
    const { exitCode, stdout } = Bun.spawnSync(command, { stderr: "ignore", timeout: 2000 });
    return exitCode === 0 ? stdout.toString() : "";
  } catch {
    return "";
  }
}
