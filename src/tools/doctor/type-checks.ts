/** What each Type= waits for, and whether the service is told of a socket: systemd.service(5), Type=. */

import type { Check, Unit } from "./facts.ts";
import { quote } from "./quote.ts";
import { lastInvocation } from "./said.ts";
import { problemOf } from "./unit-checks.ts";
import { isNotify } from "./unit-state.ts";

/** The start of a unit waits for this, by its Type=. */
export interface Waiting {
  /** After "the start waits until". */
  until: string;
  /** What to do when that does not come. */
  cure: string;
}

export function checkType(unit: Unit): Check[] {
  const { type, notifyAccess } = unit;
  const name = "type";
  const what = `Type=${type}, NotifyAccess=${notifyAccess}`;
  const why = `the start waits until ${waitingFor(unit).until}`;
  if (isNotify(unit)) return [{ name, result: "passed", what, why }];
  const problem = problemOf("READY=1", { type });
  const cure = `${problem?.cure ?? "Type=notify"}, if the program sends READY=1`;
  if (notifyAccess === "none") {
    const unheard = "systemd gives it no $NOTIFY_SOCKET, and takes no messages of it";
    const asked = asksForSocket(unit);
    if (asked !== undefined || hasSent(unit)) {
      const told = `${unheard}; it ${asked === undefined ? "has sent one" : `has written ${quote(asked)}`}`;
      return [{ name, result: "failed", what, why: told, cure: problem?.cure ?? "Type=notify" }];
    }
    return [{ name, result: "note", what, why: `${why}; ${unheard}`, cure }];
  }
  return [{ name, result: "note", what, why: `${why}; STATUS= and WATCHDOG=1 are taken, but ${problem?.why}`, cure }];
}

/** Pure: what the start of a unit of this type waits for. */
export function waitingFor(unit: Unit): Waiting {
  const { type, notifyAccess, life } = unit;
  const foreground = "the option of the program that keeps it in the foreground";
  switch (type) {
    case "exec":
      return { until: "the program has been executed", cure: "a program that can be executed" };
    case "forking": {
      const file = life.pidFile === "" ? "" : `, and ${life.pidFile} (PIDFile=) has the pid of a process of it`;
      return {
        until: `the process of ExecStart= has ended, and left another behind${file}`,
        cure: `Type=exec, or the option of the program that sends it to the background`,
      };
    }
    case "oneshot":
      return {
        until: "the commands of ExecStart= have ended",
        cure: "Type=exec, or commands that end: what goes on running is no job for Type=oneshot",
      };
    case "dbus":
      return {
        until: `it owns ${life.busName || "BusName="} on the bus (BusName=)`,
        cure: `Type=exec, or BusName= with the name that the program takes`,
      };
    case "idle":
      return { until: "no job of the manager is under way, and 5 s at most", cure: foreground };
    case "notify":
      return { until: `READY=1 comes from ${SENDERS[notifyAccess] ?? "it"}`, cure: READY };
    case "notify-reload":
      return {
        until: `READY=1 comes from ${SENDERS[notifyAccess] ?? "it"}, and a reload until RELOADING=1, then READY=1`,
        cure: READY,
      };
    default:
      return { until: "there is a process for the program, whatever becomes of that", cure: foreground };
  }
}

/** The lines that systemd logs about it at level debug give no reason. */
export const PID_FILE_LINE =
  /: (?!Setting|Stopping|Attempting|Set up|Inotify)(?:.*PID file|.*[Mm]ain PID|PID \d+ read)/;

/** What helps then. */
export const PID_FILE =
  "PIDFile=, or the path that the program writes its pid to: " +
  "without PIDFile=, systemd finds the main process by itself";

// --- internal ---

function hasSent({ journal }: Unit): boolean {
  const lines = "value" in journal ? journal.value : [];
  return lines.some(({ text, ours }) => ours && /Got notification message from PID .* but reception is/.test(text));
}

/** What programs such as sd-notify(1) and systemd-notify(1) print when they are told of no socket. */
function asksForSocket({ life }: Unit): string | undefined {
  const last = lastInvocation(life);
  const lines = "value" in life.output ? life.output.value : [];
  return lines.findLast(({ text, invocation }) => /NOTIFY_SOCKET/.test(text) && (last === "" || invocation === last))
    ?.text;
}

const READY = "notify({ ready: true }), or sd-notify --ready, when it can serve";

/** systemd.service(5), NotifyAccess=. */
const SENDERS: Record<string, string> = {
  main: "its main process (NotifyAccess=main)",
  exec: "its main process or one of another Exec…= (NotifyAccess=exec)",
  all: "any of its processes (NotifyAccess=all)",
};
