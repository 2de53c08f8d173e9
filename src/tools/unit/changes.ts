/** What a message changes in the unit. Only the assignments that the verdict accepts count. Pure. */

import { parseUnsigned } from "../../protocol/numbers.ts";
import type { Message } from "../../receiver/message.ts";
import type { UnitFacts, Verdict } from "../../verdict/types.ts";

export interface Changes {
  /** STOPPING=1, whatever phase it leads to. */
  stopping?: true;
  mainPid?: number | undefined;
  notifyAccess?: UnitFacts["notifyAccess"];
  watchdogUsec?: number;
  /** The name under which fds are to be stored. */
  storeFds?: string;
  /** The name of the stored fds that are to be closed. */
  removeFds?: string;
  extendMs?: number;
  ping?: true;
  watchdogIsOver?: true;
}

/** Returns what it changes, except the phase, which is in the verdict. */
export function changesOf({ state, fields }: Pick<Message, "state" | "fields">, { problems }: Verdict): Changes {
  if (problems[0]?.what === "") return {};
  const counts = (key: string) => key in fields && !problems.some(({ what }) => what.startsWith(`${key}=`));
  const isRemoval = counts("FDSTOREREMOVE");
  return {
    ...(counts("STOPPING") && state.stopping === true && { stopping: true }),
    ...(counts("MAINPID") && { mainPid: state.mainPid }),
    ...(counts("NOTIFYACCESS") && { notifyAccess: state.notifyAccess }),
    ...(counts("WATCHDOG_USEC") && { watchdogUsec: numberOf(fields.WATCHDOG_USEC) }),
    ...(isRemoval && { removeFds: fields.FDNAME ?? "" }),
    // If there is no room for all, those that fit are kept.
    ...(!isRemoval && fields.FDSTORE === "1" && { storeFds: counts("FDNAME") ? (fields.FDNAME ?? "") : "stored" }),
    ...(counts("EXTEND_TIMEOUT_USEC") && { extendMs: numberOf(fields.EXTEND_TIMEOUT_USEC) / 1000 }),
    ...(counts("WATCHDOG") && state.watchdog === true && { ping: true }),
    ...(counts("WATCHDOG") && state.watchdog === "trigger" && { watchdogIsOver: true }),
  };
}

// --- internal ---

/** Converts a text that the verdict has found to be a number. */
function numberOf(text = ""): number {
  return Number(parseUnsigned(text) ?? 0n);
}
