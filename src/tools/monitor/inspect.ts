/** A message and its sender, as the service manager sees them at this moment. */

import { constants } from "node:os";
import type { Message } from "../../receiver/message.ts";
import { judge } from "../../verdict/judge.ts";
import type { Sender, UnitFacts, Verdict } from "../../verdict/types.ts";
import { catches, roleOf, senderOf } from "./processes.ts";

/** Returns who sent it, and what becomes of it. */
export function inspect(
  message: Message,
  unit: UnitFacts,
  mainPid: number | undefined,
): { sender: Sender & { name: string }; verdict: Verdict } {
  const sender = senderOf(message.pid, message.uid, mainPid, process.pid);
  const named = message.state.mainPid;
  const verdict = judge(
    {
      bytes: message.bytes,
      fdCount: message.fds.length,
      sender,
      mainPidRole: named === undefined ? undefined : roleOf(named, mainPid, process.pid),
    },
    { ...unit, handlesReload: mainPid === undefined ? undefined : catches(mainPid, constants.signals.SIGHUP) },
  );
  if (message.truncated) verdict.problems.push({ what: "fds", why: "some were lost: no more can be open here" });
  return { sender, verdict };
}
