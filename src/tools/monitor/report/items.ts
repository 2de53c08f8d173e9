/** The list of events in a report. Each mark of the chart links to its entry here. */

import { formatUsec } from "../../../protocol/durations.ts";
import type { Verdict } from "../../../verdict/types.ts";
import { decodeLine } from "../decode.ts";
import type { MonitorEvent, UnitPhase } from "../events.ts";
import { isPingOnly } from "../fold.ts";
import { describeSender } from "../show.ts";
import { isStatusEffect } from "../summary.ts";
import { type Html, html } from "./html.ts";
import type { Happened } from "./recording.ts";

/** Decides the look of an entry and of its mark. */
export type Kind =
  | "message"
  | "ignored"
  | "ping"
  | "late"
  | "missed"
  | "barrier"
  | "phase"
  | "signal"
  | "process"
  | "fd";

export interface Item {
  id: string;
  kind: Kind;
  timeUsec: number;
  /** The phase that begins, if the event is a change of phase. */
  phase?: UnitPhase;
  /** The event in a few words. */
  title: string;
  body: Html;
}

export function itemOf(event: Happened, index: number): Item {
  return { id: `e${index + 1}`, timeUsec: event.timeUsec, ...contents(event) };
}

// --- internal ---

/** How much of one message is shown. */
const MAX_LINES = 30;
const MAX_FDS = 10;

type Contents = Omit<Item, "id" | "timeUsec">;

function contents(event: Happened): Contents {
  switch (event.event) {
    case "started": {
      const fds = event.fds.length > 0 ? html`<p>with the stored fds ${event.fds.join(", ")}</p>` : undefined;
      return {
        kind: "process",
        title: `started, pid ${event.pid}`,
        body: html`<p>started <code>${event.command.join(" ")}</code>, pid ${event.pid}</p>${fds}`,
      };
    }
    case "message":
      return message(event);
    case "pings": {
      const every = formatUsec(Math.round((event.endUsec - event.timeUsec) / (event.count - 1)));
      const margin = formatUsec(event.smallestMarginUsec);
      const text = `${event.count} pings in time, every ${every}, smallest margin ${margin}`;
      return { kind: "ping", title: text, body: html`${sender(event.sender)}<p>${text}</p>` };
    }
    case "barrier": {
      const { answeredUsec } = event;
      const answered = answeredUsec === undefined ? "" : `, answered after ${formatUsec(answeredUsec)}`;
      // `answered` tells whether the barrier was answered, so only problems are added.
      const ignored = verdict({ effects: [], problems: event.verdict.problems }, event.leftOut);
      return {
        kind: event.verdict.problems.length > 0 ? "ignored" : "barrier",
        title: "BARRIER=1",
        body: html`${sender(event.sender)}<p><code>BARRIER=1</code>${answered}</p>${ignored}`,
      };
    }
    case "phase": {
      const after = event.afterUsec === undefined ? "" : ` after ${formatUsec(event.afterUsec)}`;
      const text = `${event.from} → ${event.to}`;
      const why = event.why === undefined ? "" : `: ${event.why}`;
      const body = html`<p><strong>${text}</strong>${after}${why}</p>`;
      return { kind: "phase", phase: event.to, title: text, body };
    }
    case "watchdog": {
      const text = `no ping for ${formatUsec(event.timeoutUsec)}`;
      const what = "systemd would abort the unit (SIGABRT, Result=watchdog)";
      return { kind: "missed", title: text, body: html`<p class="problem">${text}: ${what}</p>` };
    }
    case "signal": {
      const { signal, pids, refused = [], why } = event;
      const reached = pids.length > 0 ? html`<p>${signal} to ${processes(pids)}: ${why}</p>` : undefined;
      const not =
        refused.length > 0
          ? html`<p class="problem">${signal} to ${processes(refused)} (${why}) is not permitted: another user's</p>`
          : undefined;
      return { kind: "signal", title: `${signal}: ${why}`, body: html`${reached}${not}` };
    }
    case "fd":
      return { kind: "fd", title: "fd store", body: html`<p>fd store: <code>${event.name}</code> ${event.what}</p>` };
    case "exit": {
      const status = event.code === null ? "nobody can tell how" : `exit status ${event.code}`;
      const text = `process ${event.pid} has ended: ${event.signal === null ? status : `killed by ${event.signal}`}`;
      return { kind: "process", title: text, body: html`<p>${text}</p>` };
    }
  }
}

function message(event: Extract<Happened, { event: "message" }>): Contents {
  const { ping } = event;
  const texts = event.text.split("\n");
  const lines = texts.slice(0, MAX_LINES).map((text, i) => {
    const meaning = decodeLine(text, event.receivedUsec);
    return html`${i === 0 ? "" : "\n"}${text}${meaning === undefined ? undefined : html` <i>(${meaning})</i>`}`;
  });
  if (texts.length > MAX_LINES) lines.push(html`\n<i>… and ${texts.length - MAX_LINES} lines more</i>`);
  const fds = event.fds
    .slice(0, MAX_FDS)
    .map(({ name, kind }) => html`<p>fd: ${name === "" ? "" : `${name}, `}${kind}</p>`);
  const margin = ping && ping.timeoutUsec - ping.afterUsec;
  const pinged =
    ping === undefined || margin === undefined
      ? undefined
      : html`<p class="${ping.late ? "late" : "effect"}">${formatUsec(ping.afterUsec)} after the last ping, ${
          margin >= 0 ? `${formatUsec(margin)} before the time is up` : `${formatUsec(-margin)} too late`
        }</p>`;
  return {
    kind:
      event.verdict.problems.length > 0
        ? "ignored"
        : !ping || !isPingOnly(event)
          ? "message"
          : ping.late
            ? "late"
            : "ping",
    title: event.text.split("\n").slice(0, 3).join(" "),
    body: html`${sender(event.sender)}<pre>${lines}</pre>${fds}${pinged}${verdict(event.verdict, event.leftOut)}`,
  };
}

function sender(from: Extract<MonitorEvent, { event: "message" }>["sender"]): Html {
  const { who, role } = describeSender(from);
  return html`<p class="sender"><b>${who}</b> ${role}</p>`;
}

function verdict({ effects, problems }: Verdict, leftOut = 0): Html {
  const done = effects
    .filter((effect) => !isStatusEffect(effect))
    .map((effect) => html`<p class="effect">→ ${effect}</p>`);
  const ignored = problems.map(({ what, why, cure }) => {
    const subject = what === "" ? undefined : html` <code>${what}</code>`;
    const cured = cure === undefined ? undefined : html`<p class="cure">cure: <code>${cure}</code></p>`;
    return html`<p class="problem">ignored${subject}, because ${why}</p>${cured}`;
  });
  const more = leftOut > 0 ? html`<p class="problem">… and ${leftOut} more are ignored</p>` : undefined;
  return html`${done}${ignored}${more}`;
}

function processes(pids: readonly number[]): string {
  return `${pids.length === 1 ? "process" : "processes"} ${pids.join(", ")}`;
}
