/** Events as text: for people, in the width of their terminal. Pure. */

import { type Line, line, styled } from "../../console/line.ts";
import { formatUsec } from "../../protocol/durations.ts";
import { shorten } from "../../protocol/shorten.ts";
import type { Sender, Verdict } from "../../verdict/types.ts";
import type { Ping } from "../unit/watchdog.ts";
import { decodeLine } from "./decode.ts";
import type { Span } from "./events.ts";
import { isPingOnly, type Shown } from "./fold.ts";
import { isStatusEffect } from "./summary.ts";

export interface Look {
  /** Those of the terminal; undefined: it is none, and lines are as long as they are. */
  columns: number | undefined;
  colour: boolean;
}

/** Returns the lines that tell of an event, each with its newline. */
export function show(event: Shown, look: Look): string {
  return showLines(event.timeUsec, describe(event, look.columns !== undefined), look);
}

/** Returns lines of a time, each with its newline. */
export function showLines(timeUsec: number, [first = line``, ...others]: Line[], look: Look): string {
  const time = `${styled("dim", formatTime(timeUsec)).render(look.colour)}  `;
  const rows = [first, ...others].flatMap((line) => wrap(line.render(look.colour), look.columns));
  return rows.map((row, i) => `${i === 0 ? time : " ".repeat(INDENT)}${row}\n`).join("");
}

/** Returns what there was in all, and why it has ended. */
export function showEnd(event: Extract<Shown, { event: "end" }>): Line {
  const messages = `${event.messages} ${event.messages === 1 ? "message" : "messages"}`;
  const { refused: count = 0 } = event;
  const refused = count === 0 ? "" : `, ${count} ${count === 1 ? "signal" : "signals"} not permitted`;
  return line`${messages}, ${event.ignored} ignored in part or whole${refused}; ${event.why}`;
}

/** Returns the name of a process, and its role in the unit. */
export function describeSender({ pid, name, role }: Sender & { name: string }): { who: string; role: string } {
  const roles = {
    main: "main process",
    control: "control process",
    member: "child",
    stranger: "stranger",
    gone: "gone",
  };
  return { who: `${name === "" ? "?" : name}[${pid}]`, role: roles[role] };
}

/** The columns of the time, and two blanks. */
export const INDENT = 11;

// --- internal ---

/** A message with more lines is usually garbage. */
const MAX_LINES = 12;

/** How much of a line is shown. */
const MAX_LINE_LENGTH = 400;

/** `isBrief`: what a line of the message says already is not said again. */
function describe(event: Shown, isBrief: boolean): Line[] {
  switch (event.event) {
    case "started": {
      const fds = event.fds.length > 0 ? `, with the stored fds ${event.fds.join(", ")}` : "";
      return [
        line`started ${styled("bold", event.command.join(" "))}, pid ${event.pid}${fds}`,
        line`NOTIFY_SOCKET=${event.socket}`,
      ];
    }
    case "message": {
      if (event.ping && isPingOnly(event)) {
        return [line`${showSender(event.sender)}  ${styled("bold", "WATCHDOG=1")} ${showPing(event.ping)}`];
      }
      const lines = event.text.split("\n").map((text) => {
        const meaning = decodeLine(text, event.receivedUsec);
        const shown = styled("bold", shorten(text, MAX_LINE_LENGTH));
        return meaning === undefined ? shown : line`${shown}${styled("dim", ` (${meaning})`)}`;
      });
      const shown = lines.slice(0, MAX_LINES);
      if (lines.length > MAX_LINES) shown.push(line`… and ${lines.length - MAX_LINES} lines more`);
      const fds = event.fds.map((fd) => line`fd: ${fd.name === "" ? "" : `${fd.name}, `}${fdKind(fd)}`);
      const counted = fds.length > 4 ? [...fds.slice(0, 3), line`… and ${fds.length - 3} fds more`] : fds;
      const { effects, problems } = event.verdict;
      const told = isBrief ? effects.filter((effect) => !isStatusEffect(effect)) : effects;
      return [showSender(event.sender), ...shown, ...counted, ...showVerdict({ effects: told, problems })];
    }
    case "pings": {
      const every = formatUsec(Math.round((event.endUsec - event.timeUsec) / (event.count - 1)));
      const what = `× ${event.count}, every ${every}, smallest margin ${formatUsec(event.smallestMarginUsec)}`;
      return [line`${showSender(event.sender)}  ${styled("bold", "WATCHDOG=1")} ${what}`];
    }
    case "barrier": {
      const { answeredUsec } = event;
      const answered = answeredUsec === undefined ? "" : `, answered after ${formatUsec(answeredUsec)}`;
      return [
        line`${showSender(event.sender)}  ${styled("bold", "BARRIER=1")}${answered}`,
        ...event.verdict.problems.flatMap(showProblem),
      ];
    }
    case "phase": {
      const format = { active: "green", failed: "red", inactive: "dim" } as const;
      const to = styled(event.to in format ? format[event.to as keyof typeof format] : "cyan", event.to);
      const why = event.why === undefined ? "" : `: ${event.why}`;
      const after = event.afterUsec === undefined ? "" : ` after ${formatUsec(event.afterUsec)}`;
      return [line`${event.from} → ${to}${after}${why}`];
    }
    case "watchdog": {
      const time = formatUsec(event.timeoutUsec);
      return [styled("red", `no ping for ${time}: systemd would abort the unit (SIGABRT, Result=watchdog)`)];
    }
    case "signal": {
      const { signal, pids, refused = [], why } = event;
      const reached = pids.length === 0 ? [] : [line`${signal} to ${processes(pids)}: ${why}`];
      if (refused.length === 0) return reached;
      const another = `${signal} to ${processes(refused)} (${why}) is not permitted: another user's (EPERM)`;
      return [...reached, line`${styled("red", another)}`];
    }
    case "fd":
      return [line`fd store: ${event.name} ${event.what}`];
    case "exit": {
      const status = event.code === null ? "nobody can tell how" : `exit status ${event.code}`;
      const how = event.signal === null ? status : `killed by ${event.signal}`;
      return [line`process ${event.pid} has ended: ${styled(event.code === 0 ? "green" : "yellow", how)}`];
    }
    case "suppressed": {
      const ignored = `${event.ignored} of them ignored in part or whole`;
      return [styled("dim", `… and ${event.messages} messages more in this second, ${ignored}`)];
    }
    case "end":
      return [styled("bold", "timeline"), ...event.timeline.map(showSpan), showEnd(event)];
  }
}

function processes(pids: readonly number[]): string {
  return `${pids.length === 1 ? "process" : "processes"} ${pids.join(", ")}`;
}

function showSender(sender: Sender & { name: string }): Line {
  const { who, role } = describeSender(sender);
  return line`${styled("cyan", who)} ${role}`;
}

function showPing({ afterUsec, timeoutUsec, late }: Ping): Line {
  const margin = timeoutUsec - afterUsec;
  const text =
    `${formatUsec(afterUsec)} after the last, ` +
    `${margin >= 0 ? `${formatUsec(margin)} before the time is up` : `${formatUsec(-margin)} too late`}`;
  return late ? styled("yellow", `late: ${text}; sd_watchdog_enabled(3): ping at half the time`) : line`${text}`;
}

function showVerdict({ effects, problems }: Verdict): Line[] {
  const shown = problems.slice(0, 4).flatMap(showProblem);
  const more = problems.length > 4 ? [styled("red", `… and ${problems.length - 4} more are ignored`)] : [];
  return [...effects.map((effect) => styled("green", `→ ${effect}`)), ...shown, ...more];
}

function showProblem({ what, why, cure }: Verdict["problems"][number]): Line[] {
  const ignored = styled("red", `ignored${what === "" ? "" : ` ${what}`}, because ${why}`);
  return cure === undefined ? [ignored] : [ignored, line`  cure: ${styled("bold", cure)}`];
}

function showSpan({ phase, startUsec, durationUsec }: Span): Line {
  const duration = durationUsec === undefined ? "" : formatUsec(durationUsec);
  return line`${`${formatTime(startUsec)}  ${phase.padEnd(12)}  ${duration}`.trimEnd()}`;
}

function fdKind(fd: { kind: string; family?: string; type?: string; listening?: boolean }): string {
  if (fd.kind !== "socket") return fd.kind;
  return `${fd.family} ${fd.type} socket${fd.listening ? ", listening" : ""}`;
}

function formatTime(usec: number): string {
  return `${(usec / 1e6).toFixed(3).padStart(7)} s`;
}

/** Wraps a line; what follows is indented. */
function wrap(line: string, columns: number | undefined): string[] {
  if (columns === undefined || Bun.stringWidth(line) <= columns - INDENT) return [line];
  const width = Math.max(20, columns - INDENT - 2);
  const [first = "", ...others] = Bun.wrapAnsi(line, width, { hard: true }).split("\n");
  return [first, ...others.map((other) => `  ${other}`)];
}
