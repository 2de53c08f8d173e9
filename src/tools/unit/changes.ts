/** What a message changes in the unit: of its assignments, those that the verdict lets count. Pure. */

import { parseUnsigned } from "../../protocol/numbers.ts";
import type { Message } from "../../receiver/message.ts";
import type { UnitFacts, Verdict } from "../../verdict/types.ts";

export interface Changes {
  /** STOPPING=1, whatever phase it leads to. */
  stopping?: true;
  mainPid?: number | undefined;
  notifyAccess?: UnitFacts["notifyAccess"];
  watchdogUsec?: number;
  /** The name by which fds are to be kept. */
  storeFds?: string;
  /** The name by which those kept are to be closed. */
  removeFds?: string;
  extendMs?: number;
  ping?: true;
  watchdogIsOver?: true;
}

/** Returns what it changes, but for the phase, which the verdict has. */
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
    // Those that there is room for are kept, where there is none for all.
    ...(!isRemoval && fields.FDSTORE === "1" && { storeFds: counts("FDNAME") ? (fields.FDNAME ?? "") : "stored" }),
    ...(counts("EXTEND_TIMEOUT_USEC") && { extendMs: numberOf(fields.EXTEND_TIMEOUT_USEC) / 1000 }),
    ...(counts("WATCHDOG") && state.watchdog === true && { ping: true }),
    ...(counts("WATCHDOG") && state.watchdog === "trigger" && { watchdogIsOver: true }),
  };
}

// --- internal ---

/** Of a text that the verdict has found to be a number. */
function numberOf(text = ""): number {
  return Number(parseUnsigned(text) ?? 0n);
}
