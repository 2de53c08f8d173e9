/** Which timeout expired, recognized by the manager's words: Result=timeout. */

import { formatUsec } from "../../protocol/durations.ts";
import type { Unit } from "./facts.ts";
import { quote } from "./quote.ts";
import { longestStart, saidOfLast, wordsOf } from "./said.ts";
import { PID_FILE, PID_FILE_LINE, waitingFor } from "./type-checks.ts";
import { isNotify } from "./unit-state.ts";

/** The words of service.c of systemd 252 to 262 that tell which timeout expired. */
export function explainTimeout(unit: Unit): [why: string, cure: string] {
  const { life, startTimeoutUsec } = unit;
  const said = saidOfLast(life);
  const told = (pattern: RegExp) => said.findLast(({ text }) => pattern.test(text))?.text;
  // Without a journal, the state of the unit decides.
  const { runtimeMaxUsec, wasActive } = life;
  const isSilent = !said.some(({ text }) => /timed out|time limit/.test(text));
  if (told(/Service reached runtime time limit/) || (isSilent && wasActive && runtimeMaxUsec !== undefined)) {
    const limit = runtimeMaxUsec === undefined ? "" : `, ${formatUsec(runtimeMaxUsec)}`;
    return [
      `it ran for as long as RuntimeMaxSec= allows${limit}, and systemd ended it`,
      "RuntimeMaxSec=infinity, or a longer time",
    ];
  }
  const stopping =
    /[' ](stop|stop-sigterm|stop-sigkill|final-sigterm|final-sigkill|stop-watchdog)' timed out|: Stopping timed out/;
  const post = /stop-post operation timed out|'stop-post' timed out/;
  const stop =
    life.stopTimeoutUsec === undefined ? "TimeoutStopSec=" : `${formatUsec(life.stopTimeoutUsec)} (TimeoutStopSec=)`;
  if (told(post) !== undefined) {
    return [`ExecStopPost= did not end within ${stop}`, "TimeoutStopSec=5min, or a command of ExecStopPost= that ends"];
  }
  const began = /[ ']?(start-pre|start-post|start|condition)'?(?: operation)? timed out/.exec(
    told(/(start|start-pre|start-post|condition)'?(?: operation)? timed out/) ?? "",
  )?.[1];
  if (began === undefined && (told(stopping) !== undefined || (isSilent && wasActive))) {
    return [
      `it did not end within ${stop} after it was told to, and was killed`,
      "an end to the program in its handler of SIGTERM, or KillSignal= with a signal that ends it, " +
        "or a longer TimeoutStopSec=",
    ];
  }
  const limit = startTimeoutUsec === undefined ? "TimeoutStartSec=" : formatUsec(startTimeoutUsec);
  const needed = longestStart(life);
  const longer =
    needed !== undefined && startTimeoutUsec !== undefined && needed > startTimeoutUsec
      ? `; an earlier start took ${formatUsec(needed)}`
      : "";
  const extended = said.findLast(({ text }) => /EXTEND_TIMEOUT_USEC=\d/.test(text));
  const extension =
    extended === undefined
      ? ""
      : `; it had sent ${/EXTEND_TIMEOUT_USEC=\d+/.exec(extended.text)?.[0]}, and that time was up too`;
  const pre = { "start-pre": "ExecStartPre=", "start-post": "ExecStartPost=", condition: "ExecCondition=" }[
    began ?? ""
  ];
  if (pre !== undefined) {
    const cure = `a command of ${pre} that ends: what goes on running is for ExecStart=; or a longer TimeoutStartSec=`;
    return [`a command of ${pre} did not end within ${limit} (TimeoutStartSec=)${extension}`, cure];
  }
  return [
    `${missing(unit, limit)}${extension}${longer}`,
    `${cureOfTimeout(unit)}; or TimeoutStartSec= with as long as it needs`,
  ];
}

// --- internal ---

function missing(unit: Unit, limit: string): string {
  const { type, life } = unit;
  if (isNotify(unit)) return `no READY=1 was taken within ${limit} (TimeoutStartSec=)`;
  if (type === "forking") {
    const line = saidOfLast(life).findLast(({ text }) => PID_FILE_LINE.test(text))?.text;
    const told = line === undefined ? "" : `: systemd says ${quote(wordsOf(line))}`;
    if (told !== "") return `PIDFile= had no pid within ${limit} (TimeoutStartSec=)${told}`;
    return `the process of ExecStart= did not end within ${limit} (TimeoutStartSec=), and Type=forking waits for that`;
  }
  if (type === "dbus") return `it did not own ${life.busName} on the bus (BusName=) within ${limit} (TimeoutStartSec=)`;
  if (type === "oneshot") return `the commands of ExecStart= did not end within ${limit} (TimeoutStartSec=)`;
  return `the start was not over within ${limit} (TimeoutStartSec=)`;
}

function cureOfTimeout(unit: Unit): string {
  const { type, life } = unit;
  const pidFile = saidOfLast(life).some(({ text }) => PID_FILE_LINE.test(text));
  if (type === "forking" && pidFile) return PID_FILE;
  return waitingFor(unit).cure;
}
