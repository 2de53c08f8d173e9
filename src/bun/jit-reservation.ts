/**
 * Under LimitAS= there is no room for the gigabyte of addresses that the JIT reserves at its start, and bun:ffi needs
 * the JIT. A smaller reservation is enough, but only the environment can ask for it. No issue filed. This goes when
 * Bun tries a smaller one itself.
 */

import { node } from "./node.ts";
import { callerStateKept } from "./runtime.ts";

/** 16 MiB and one page more, so that it can't be mistaken for a value that a caller has set. */
export const RESERVATION = { name: "BUN_JSC_jitMemoryReservationSize", value: "16781312" } as const;

/** Executes this command again, with a smaller reservation. Returns if that would not help, or was tried before. */
export function restartWithSmallerReservation(args: readonly string[]): void {
  if (!callerStateKept || process.env[RESERVATION.name] !== undefined || !addressSpaceIsLimited()) return;
  const environment = { ...process.env, [RESERVATION.name]: RESERVATION.value };
  try {
    process.execve?.("/proc/self/exe", [process.argv0, ...args], environment);
  } catch {
    // systemd's command may still be able to send.
  }
}

/** Returns the environment that the caller gave. */
export function callerEnvironment(): NodeJS.ProcessEnv {
  const { [RESERVATION.name]: reservation, ...environment } = process.env;
  return reservation === RESERVATION.value ? environment : process.env;
}

// --- internal ---

function addressSpaceIsLimited(): boolean {
  return /^Max address space\s+\d/m.test(node.fs.readFileSync("/proc/self/limits", "latin1"));
}
