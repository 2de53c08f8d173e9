/** A message and its sender, as the service manager sees them at this moment. */

import { constants } from "node:os";
import type { Message } from "../../receiver/message.ts";
import { judge } from "../../verdict/judge.ts";
import type { Sender, UnitFacts, Verdict } from "../../verdict/types.ts";
import type { Names } from "./names.ts";
import { handles, roleOf } from "./processes.ts";

/** Returns who sent it, and what becomes of it. */
export function inspect(
  message: Message,
  unit: UnitFacts,
  mainPid: number | undefined,
  names: Names,
): { sender: Sender & { name: string }; verdict: Verdict } {
  const { pid, uid } = message;
  const sender = { pid, uid, role: roleOf(pid, mainPid, process.pid), name: names.of(pid) };
  const named = message.state.mainPid;
  const verdict = judge(
    {
      bytes: message.bytes,
      fdCount: message.fds.length,
      sender,
      mainPidRole: named === undefined ? undefined : roleOf(named, mainPid, process.pid),
    },
    { ...unit, handlesReload: mainPid === undefined ? undefined : handles(mainPid, constants.signals.SIGHUP) },
  );
  if (message.truncated) verdict.problems.push({ what: "fds", why: "some were lost: no more can be open here" });
  return { sender, verdict };
}
