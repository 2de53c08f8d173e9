/** Checks that a process can only make of itself. */

import type { Check, Self, Unit } from "./facts.ts";
import { refusal, roleIn } from "./sender-checks.ts";

export function checkFfi({ ffi }: Self): Check[] {
  if (ffi === undefined) return [{ name: "ffi", result: "passed", what: "libc can be called" }];
  const [, why = ffi, cure] = /^Cannot call libc: (.*?): (set .*)$/.exec(ffi) ?? [];
  return [{ name: "ffi", result: "failed", what: "libc can't be called", why, ...(cure !== undefined && { cure }) }];
}

/** Under bunx, the parent is not the caller. */
export function checkCaller({ parent, caller, callerName, privileged, pid }: Self): Check[] {
  if (caller === parent) return [];
  const what = `the caller is process ${caller} (${callerName}), and process ${parent} only its launcher`;
  if (privileged) return [{ name: "caller", result: "passed", what }];
  const why = `without CAP_SYS_ADMIN the command sends as itself, process ${pid}, which is not the main process`;
  return [
    {
      name: "caller",
      result: "note",
      what,
      why,
      cure: "NotifyAccess=all, where the unit's NotifyAccess= is main or exec",
    },
  ];
}

export function checkConnection({ connection }: Self): Check[] {
  if (connection === undefined) return [];
  if ("value" in connection) {
    return [
      { name: "connection", result: "passed", what: "a socket can be connected to $NOTIFY_SOCKET (nothing was sent)" },
    ];
  }
  return [
    {
      name: "connection",
      result: "failed",
      what: "a socket can't be connected to $NOTIFY_SOCKET",
      why: connection.unknown,
    },
  ];
}

/** What the surrounding unit does with what the command sends here. With the privilege, it sends as its caller. */
export function checkOwnMessages({ pid, caller, callerName, privileged }: Self, unit?: Unit): Check[] {
  if (!unit || unit.notifyAccess === "none") return [];
  const sender = privileged ? caller : pid;
  const role = sender === pid ? "member" : roleIn(unit, sender);
  const problem = refusal(unit, { pid: sender, uid: 0 }, role);
  const what = `what sd-notify sends here, as ${sender === pid ? "itself" : `process ${caller} (${callerName})`}`;
  if (!problem) return [{ name: "access", result: "passed", what }];
  const { why, cure } = problem;
  return [{ name: "access", result: "failed", what, why, ...(cure !== undefined && { cure }) }];
}
