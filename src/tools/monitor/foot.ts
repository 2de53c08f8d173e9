/** The lines that stay at the foot of a terminal: what the unit is at, its status, its pings, the keys. Pure. */

import { type Format, type Line, line, styled } from "../../console/line.ts";
import { formatUsec } from "../../protocol/durations.ts";
import type { UnitPhase } from "./events.ts";
import type { Summary } from "./summary.ts";

export interface FootOptions {
  columns: number;
  colour: boolean;
  /** Since when the unit has been in its phase. */
  since: Date;
  /** Whether there are keys to press. */
  keys: boolean;
}

/** Returns the lines, each of which fits. The same width always gives the same number of lines. */
export function foot(summary: Summary, { columns, colour, since, keys }: FootOptions): string[] {
  const fit = (text: string, width: number) => Bun.sliceAnsi(text, 0, Math.max(1, width), "…");
  const left = state(summary, since).render(colour);
  const room = columns - Bun.stringWidth(left) - 8;
  const counted = [counts(summary, true), counts(summary, false)].map((line) => line.render(colour));
  const right = counted.find((text) => Bun.stringWidth(text) <= room) ?? fit(counted[1] ?? "", room);
  const rule = "─".repeat(Math.max(1, room - Bun.stringWidth(right) + 1));
  const dim = (text: string) => styled("dim", text).render(colour);
  const head = fit(`${dim("──")} ${left} ${dim(rule)} ${right} ${dim("─")}`, columns);
  const status = line`${summary.status === "" ? styled("dim", "no status yet") : summary.status}`.render(colour);
  if (!keys) return [head, fit(status, columns)];
  const words = KEYS.render(colour);
  const statusRoom = columns - Bun.stringWidth(words) - 3;
  // Both go in one line if that leaves enough room for the status.
  if (statusRoom < MIN_STATUS) return [head, fit(status, columns), fit(words, columns)];
  const shown = fit(status, statusRoom);
  return [head, `${shown}${" ".repeat(statusRoom - Bun.stringWidth(shown) + 3)}${words}`];
}

/** What the keys do, in full. */
export const KEY_HELP: readonly [key: string, what: string][] = [
  ["r", "reload: SIGHUP to the main process, as systemctl reload does"],
  ["R", "restart: stop the command, and start it again"],
  ["t q Ctrl-C", "stop: SIGTERM to all of its processes, SIGKILL when the time is over; pressed again, at once"],
  ["Ctrl-\\", "the same, with the exit status 131"],
  ["Ctrl-Z", "suspend the monitor and the command; fg continues them"],
  ["?", "show this"],
];

// --- internal ---

/** The least number of columns for a status beside the keys. */
const MIN_STATUS = 50;

const KEYS = key("r", "reload", key("R", "restart", key("t", "stop", key("q", "quit", key("?", "keys")))));

const FORMATS: Partial<Record<UnitPhase, Format>> = { active: "green", failed: "red", inactive: "dim" };

function key(letter: string, word: string, rest?: Line): Line {
  const one = line`${styled("bold", letter)} ${styled("dim", word)}`;
  return rest === undefined ? one : line`${one}   ${rest}`;
}

function state({ phase }: Summary, since: Date): Line {
  const name = styled(["bold", FORMATS[phase] ?? "cyan"] as Format, phase);
  // A time that stands still, because the foot changes only when something happens.
  return line`${name} since ${since.toTimeString().slice(0, 8)}`;
}

function counts({ pings, missed, smallestMarginUsec, ignored }: Summary, isLong: boolean): Line {
  const parts: Line[] = [];
  if (smallestMarginUsec !== undefined) {
    const margin = smallestMarginUsec < 0 ? `-${formatUsec(-smallestMarginUsec)}` : formatUsec(smallestMarginUsec);
    const word = isLong ? "smallest margin" : "margin ≥";
    parts.push(line`${pings} ${pings === 1 ? "ping" : "pings"}, ${word} ${margin}`);
  }
  if (missed > 0) parts.push(styled("red", `${missed} missed`));
  parts.push(ignored > 0 ? styled("red", `${ignored} ignored`) : line`${styled("dim", "0 ignored")}`);
  return parts.reduce((all, part) => line`${all} · ${part}`);
}
