/** A message and its sender, as the service manager sees them at this moment. */

import { constants } from "node:os";
import type { Message } from "../../receiver/message.ts";
import { judge } from "../../verdict/judge.ts";
import type { Sender, UnitFacts, Verdict } from "../../verdict/types.ts";
import type { Names } from "./names.ts";
import { handles, roleOf } from "./processes.ts";

/**
 * Returns who sent it, and what becomes of it. If the socket is `shared`, everybody who can send to it may do so,
 * because nobody here knows a process of another PID namespace.
 */
export function inspect(
  message: Message,
  unit: UnitFacts,
  mainPid: number | undefined,
  { names, shared = false }: { names?: Names; shared?: boolean } = {},
): { sender: Sender & { name: string }; verdict: Verdict } {
  const { uid } = message;
  const pid = shared ? message.pid || (mainPid ?? 0) : message.pid;
  const role = shared ? "main" : roleOf(pid, mainPid, process.pid);
  const sender = { pid, uid, role, name: names?.of(pid) ?? "" } as const;
  const named = "MAINPID" in message.fields ? message.state.mainPid : undefined;
  const verdict = judge(
    {
      bytes: message.bytes,
      fdCount: message.fds.length,
      sender,
      mainPidRole: named === undefined ? undefined : roleOf(named, mainPid, process.pid),
    },
    { ...unit, ...(unit.type === "notify-reload" && { handlesReload: handlesReload(mainPid) }) },
  );
  if (message.truncated) verdict.problems.push({ what: "fds", why: "some were lost: no more can be open here" });
  return { sender, verdict };
}

// --- internal ---

function handlesReload(mainPid: number | undefined): boolean | undefined {
  return mainPid === undefined ? undefined : handles(mainPid, constants.signals.SIGHUP);
}
