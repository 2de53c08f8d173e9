/** A message and its sender, as the service manager sees them at this moment. */

import { constants } from "node:os";
import { pidfdInodeOf } from "../../linux/pidfd.ts";
import { parseUnsigned } from "../../protocol/numbers.ts";
import type { Message } from "../../receiver/message.ts";
import { judge } from "../../verdict/judge.ts";
import type { MessageFacts, Sender, UnitFacts, Verdict } from "../../verdict/types.ts";
import type { Names } from "./names.ts";
import { handles, processInfo, roleOf } from "./processes.ts";

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
  const verdict = judge(
    {
      bytes: message.bytes,
      fdCount: message.fds.length,
      sender,
      mainPidRole: "MAINPID" in message.fields ? namedRole(message, mainPid) : undefined,
    },
    { ...unit, ...(unit.type === "notify-reload" && { handlesReload: handlesReload(mainPid) }) },
  );
  if (message.truncated) verdict.problems.push({ what: "fds", why: "some were lost: no more can be open here" });
  return { sender, verdict };
}

// --- internal ---

/** The role of the process that MAINPID= names: service_notify_message_parse_new_pid() of src/core/service.c. */
function namedRole({ state, fields }: Message, mainPid: number | undefined): MessageFacts["mainPidRole"] {
  const pid = state.mainPid;
  if (pid === undefined) return undefined;
  const role = roleOf(pid, mainPid, process.pid);
  if (role === "gone") return role;
  const inode = inodeOf(pid);
  if (inode !== undefined && inode !== parseUnsigned(fields.MAINPIDFDID ?? `${inode}`)) return "other";
  return role !== "main" && processInfo(pid)?.isZombie ? "zombie" : role;
}

function inodeOf(pid: number): bigint | undefined {
  try {
    return pidfdInodeOf(pid);
  } catch {
    return undefined;
  }
}

function handlesReload(mainPid: number | undefined): boolean | undefined {
  return mainPid === undefined ? undefined : handles(mainPid, constants.signals.SIGHUP);
}
