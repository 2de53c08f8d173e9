/** Events as text: for people, in the width of their terminal. Pure. */

import { styleText } from "node:util";
import { formatUsec } from "../../protocol/durations.ts";
import { printable } from "../../protocol/printable.ts";
import type { Sender, Verdict } from "../../verdict/judge.ts";
import { decodeLine } from "./decode.ts";
import type { MonitorEvent, Span } from "./events.ts";
import type { Ping } from "./watchdog.ts";

export interface Look {
  /** undefined: lines are as long as they are. */
  columns: number | undefined;
  colour: boolean;
}

/** Returns the lines that tell of an event, each with its newline. */
export function show(event: MonitorEvent, look: Look): string {
  const style = (format: Format, text: string) =>
    look.colour ? styleText(format, text, { validateStream: false }) : text;
  const [first = "", ...others] = describe(event, style);
  const time = `${style("dim", formatTime(event.timeUsec))}  `;
  const rows = [first, ...others].flatMap((line) => wrap(line, look.columns));
  return rows.map((row, i) => `${i === 0 ? time : " ".repeat(INDENT)}${row}\n`).join("");
}

// --- internal ---

type Format = "dim" | "bold" | "red" | "green" | "yellow" | "cyan";
type Style = (format: Format, text: string) => string;

/** The columns of the time, and two blanks. */
const INDENT = 11;

/** A message of more lines is garbage most often. */
const MAX_LINES = 12;

function describe(event: MonitorEvent, style: Style): string[] {
  switch (event.event) {
    case "started": {
      const fds = event.fds.length > 0 ? `, with the stored fds ${event.fds.join(", ")}` : "";
      const command = event.command.map(printable).join(" ");
      return [`started ${style("bold", command)}, pid ${event.pid}${fds}`, `NOTIFY_SOCKET=${event.socket}`];
    }
    case "message": {
      if (event.ping && event.text === "WATCHDOG=1" && event.verdict.problems.length === 0) {
        return [`${showSender(event.sender, style)}  ${style("bold", "WATCHDOG=1")} ${showPing(event.ping, style)}`];
      }
      const lines = event.text.split("\n").map((line) => {
        const meaning = decodeLine(line, event.receivedUsec);
        return `${style("bold", shorten(printable(line)))}${meaning === undefined ? "" : style("dim", ` (${meaning})`)}`;
      });
      const shown = lines.slice(0, MAX_LINES);
      if (lines.length > MAX_LINES) shown.push(`… and ${lines.length - MAX_LINES} lines more`);
      const fds = event.fds.map((fd) => `fd: ${fd.name === "" ? "" : `${printable(fd.name)}, `}${fdKind(fd)}`);
      const counted = fds.length > 4 ? [...fds.slice(0, 3), `… and ${fds.length - 3} fds more`] : fds;
      return [showSender(event.sender, style), ...shown, ...counted, ...showVerdict(event.verdict, style)];
    }
    case "barrier":
      return [
        `${showSender(event.sender, style)}  ${style("bold", "BARRIER=1")}, answered after ${formatUsec(event.answeredUsec)}`,
        ...event.verdict.problems.flatMap((problem) => showProblem(problem, style)),
      ];
    case "phase": {
      const format = { active: "green", failed: "red", inactive: "dim" } as const;
      const to = style(event.to in format ? format[event.to as keyof typeof format] : "cyan", event.to);
      const why = event.why === undefined ? "" : `: ${event.why}`;
      const after = event.afterUsec === undefined ? "" : ` after ${formatUsec(event.afterUsec)}`;
      return [`${event.from} → ${to}${after}${why}`];
    }
    case "watchdog":
      return [
        style(
          "red",
          `no ping for ${formatUsec(event.timeoutUsec)}: systemd would abort the unit (SIGABRT, Result=watchdog)`,
        ),
      ];
    case "signal":
      return [
        `${event.signal} to ${event.pids.length === 1 ? "process" : "processes"} ${event.pids.join(", ")}: ${event.why}`,
      ];
    case "fd":
      return [`fd store: ${printable(event.name)} ${event.what}`];
    case "exit": {
      const status = event.code === null ? "nobody can tell how" : `exit status ${event.code}`;
      const how = event.signal === null ? status : `killed by ${event.signal}`;
      return [`process ${event.pid} has ended: ${style(event.code === 0 ? "green" : "yellow", how)}`];
    }
    case "suppressed":
      return [
        style(
          "dim",
          `… and ${event.messages} messages more in this second, ${event.ignored} of them ignored in part or whole`,
        ),
      ];
    case "end": {
      const messages = `${event.messages} ${event.messages === 1 ? "message" : "messages"}`;
      return [
        style("bold", "timeline"),
        ...event.timeline.map(showSpan),
        `${messages}, ${event.ignored} ignored in part or whole; ${event.why}`,
      ];
    }
  }
}

function showSender({ pid, name, role }: Sender & { name: string }, style: Style): string {
  const what = {
    main: "main process",
    control: "control process",
    member: "child",
    stranger: "stranger",
    gone: "gone",
  };
  return `${style("cyan", `${name === "" ? "?" : printable(name)}[${pid}]`)} ${what[role]}`;
}

function showPing({ afterUsec, timeoutUsec, late }: Ping, style: Style): string {
  const margin = timeoutUsec - afterUsec;
  const text = `${formatUsec(afterUsec)} after the last, ${margin >= 0 ? `${formatUsec(margin)} before the time is up` : `${formatUsec(-margin)} too late`}`;
  return late ? style("yellow", `late: ${text}; sd_watchdog_enabled(3): ping at half the time`) : text;
}

function showVerdict({ effects, problems }: Verdict, style: Style): string[] {
  const shown = problems.slice(0, 4).flatMap((problem) => showProblem(problem, style));
  const more = problems.length > 4 ? [style("red", `… and ${problems.length - 4} more are ignored`)] : [];
  return [...effects.map((effect) => style("green", `→ ${printable(effect)}`)), ...shown, ...more];
}

function showProblem({ what, why, cure }: Verdict["problems"][number], style: Style): string[] {
  const ignored = style("red", `ignored${what === "" ? "" : ` ${printable(what)}`}, because ${printable(why)}`);
  return cure === undefined ? [ignored] : [ignored, `  cure: ${style("bold", printable(cure))}`];
}

function showSpan({ phase, startUsec, durationUsec }: Span): string {
  return `${formatTime(startUsec)}  ${phase.padEnd(12)}  ${durationUsec === undefined ? "" : formatUsec(durationUsec)}`.trimEnd();
}

function fdKind(fd: { kind: string; family?: string; type?: string; listening?: boolean }): string {
  if (fd.kind !== "socket") return fd.kind;
  return `${fd.family} ${fd.type} socket${fd.listening ? ", listening" : ""}`;
}

function formatTime(usec: number): string {
  return `${(usec / 1e6).toFixed(3).padStart(7)} s`;
}

function shorten(text: string): string {
  return text.length > 400 ? `${text.slice(0, 399)}…` : text;
}

/** Wraps a line; what follows is indented. */
function wrap(line: string, columns: number | undefined): string[] {
  if (columns === undefined || Bun.stringWidth(line) <= columns - INDENT) return [line];
  const width = Math.max(20, columns - INDENT - 2);
  const [first = "", ...others] = Bun.wrapAnsi(line, width, { hard: true }).split("\n");
  return [first, ...others.map((other) => `  ${other}`)];
}
