/**
 * The chart of a report. It shows phases, messages and signals over time, and the time between pings against the
 * watchdog's limit. Horizontal positions are percentages, so the text keeps its size on a phone.
 */

import { formatUsec } from "../../../protocol/durations.ts";
import type { Span } from "../events.ts";
import { type Html, html } from "./html.ts";
import type { Item, Kind } from "./items.ts";
import type { Recording, TimedPing } from "./recording.ts";
import { Scale } from "./scale.ts";

/** Returns the legend. It explains only the colours and shapes that the chart contains. */
export function legend(recording: Recording, items: readonly Item[]): Html {
  const sums = new Map<string, number>();
  for (const { phase, durationUsec } of recording.timeline()) {
    if (durationUsec !== undefined || phase === "failed") sums.set(phase, (sums.get(phase) ?? 0) + (durationUsec ?? 0));
  }
  const phases = [...sums].map(([phase, usec]) => {
    const swatch = html`<rect class="${phase}" x="-6" y="-6" width="12" height="12" rx="3"/>`;
    return entry("", swatch, usec === 0 ? phase : `${phase} ${formatUsec(usec)}`);
  });
  const kinds = new Set(items.map(({ kind }) => kind));
  for (const { late } of recording.pings) kinds.add(late ? "late" : "ping");
  const marks = MEANINGS.flatMap(([kind, what]) => (kinds.has(kind) ? [entry(kind, SHAPES[kind], what)] : []));
  return html`<ul class="legend">${phases}${marks}</ul>`;
}

/** Returns the chart. Each mark links to its item by the item's id. */
export function chart(recording: Recording, items: readonly Item[]): Html {
  const timeline = recording.timeline();
  const last = timeline.at(-1);
  const startUsec = Math.min(timeline[0]?.startUsec ?? 0, items[0]?.timeUsec ?? 0);
  const scale = new Scale(startUsec, last === undefined ? 0 : last.startUsec + (last.durationUsec ?? 0));
  const lanes = [
    phaseLane(scale, timeline, items),
    markLane(
      scale,
      "Messages",
      items.filter(({ kind }) => MESSAGES.includes(kind)),
    ),
    markLane(
      scale,
      "Signals, processes, fds",
      items.filter(({ kind }) => OTHERS.includes(kind)),
    ),
    pingLane(scale, recording.pings, items),
  ].filter((lane) => lane !== undefined);
  let height = 0;
  const placed = lanes.map((lane) => {
    const y = height;
    height += lane.height + GAP;
    const label = html`<text class="lane" x="0" y="11">${lane.label}</text>`;
    return html`<svg y="${y}" width="100%" height="${lane.height}" overflow="visible">${label}${lane.content}</svg>\n`;
  });
  const ticks = scale.ticks().map(({ percent, label }) => {
    const anchor = percent < 6 ? "start" : percent > 94 ? "end" : "middle";
    const time = html`<text x="${percent}%" y="${height + 16}" text-anchor="${anchor}">${label}</text>`;
    return html`<line class="grid" x1="${percent}%" x2="${percent}%" y1="${LABEL}" y2="${height}"/>${time}`;
  });
  const label = "The life of the unit over time";
  return html`<svg class="chart" role="group" aria-label="${label}" width="100%" height="${height + 24}">
${ticks}
${placed}</svg>`;
}

// --- internal ---

interface Lane {
  label: string;
  height: number;
  content: Html;
}

/** Answered barriers have no marks, because systemd-notify(1) sends one after each message. */
const MESSAGES: readonly Kind[] = ["message", "ignored"];
const OTHERS: readonly Kind[] = ["signal", "process", "fd"];

/** Heights in pixels: a lane's label, the gap between two lanes, the phases, a row of marks, and the plot of pings. */
const LABEL = 18;
const GAP = 14;
const BAND = 34;
const ROW = 20;
const PLOT = 120;

/** Assumed widths in pixels: of the chart on a screen and on a phone, and of a letter. They decide which name fits. */
const WIDTHS = [
  ["wide", 900],
  ["narrow", 310],
] as const;
const LETTER = 7.5;

/** The least distance between two marks in a row, in percent, and the largest number of rows. */
const NEAR = 1.7;
const MAX_ROWS = 5;

function phaseLane(scale: Scale, timeline: readonly Span[], items: readonly Item[]): Lane {
  const begun = new Map(
    items.flatMap((item) => (item.phase ? [[`${item.phase} ${item.timeUsec}`, item] as const] : [])),
  );
  const bands = timeline.flatMap(({ phase, startUsec, durationUsec }) => {
    if (durationUsec === undefined && phase === "inactive") return [];
    const x = scale.at(startUsec);
    const width = scale.width(startUsec, durationUsec ?? 0);
    const item = begun.get(`${phase} ${startUsec}`);
    const label = durationUsec === undefined ? phase : `${phase}, ${formatUsec(durationUsec)}`;
    const names = WIDTHS.map(([kind, pixels]) => {
      const shown = [label, phase].find((text) => text.length * LETTER + 18 <= (width / 100) * pixels);
      return shown && html`<text class="name ${kind}" x="${x}%" dx="9" y="${LABEL + 22}">${shown}</text>`;
    });
    const sign =
      phase === "reloading"
        ? html`<svg x="${x}%" y="${LABEL + BAND}" overflow="visible"><path class="reloading" d="M0 1l6 9h-12z"/></svg>`
        : undefined;
    const place = html`x="${x}%" y="${LABEL}" width="${width}%" height="${BAND}"`;
    const band = html`<rect class="band ${phase}" ${place} rx="4"/>${names}${sign}`;
    return [item === undefined ? band : link(item, label, "phase", band)];
  });
  return { label: "Phases", height: LABEL + BAND + 10, content: html`${bands}` };
}

function markLane(scale: Scale, label: string, items: readonly Item[]): Lane | undefined {
  if (items.length === 0) return undefined;
  /** The position of the last mark in each row. */
  const rows: number[] = [];
  const marks = items.map((item) => {
    const x = scale.at(item.timeUsec);
    const free = rows.findIndex((last) => x - last >= NEAR);
    const row = free !== -1 ? free : rows.length < MAX_ROWS ? rows.length : rows.indexOf(Math.min(...rows));
    rows[row] = x;
    return mark(item, item.title, x, LABEL + ROW / 2 + row * ROW);
  });
  return { label, height: LABEL + rows.length * ROW, content: html`${marks}` };
}

/** The time before each ping, as a part of the watchdog's time. sd_watchdog_enabled(3) recommends half of that. */
function pingLane(scale: Scale, pings: readonly TimedPing[], items: readonly Item[]): Lane | undefined {
  const missed = items.filter(({ kind }) => kind === "missed");
  if (pings.length + missed.length === 0) return undefined;
  const bottom = LABEL + PLOT;
  const highest = Math.max(1, ...pings.map(({ afterUsec, timeoutUsec }) => afterUsec / timeoutUsec));
  const y = (part: number) => Math.round(bottom - (part / (highest * 1.08)) * PLOT);
  const line = (part: number, kind: string, label: string) => {
    const text = html`<text class="level" x="100%" y="${y(part) - 5}" text-anchor="end">${label}</text>`;
    return html`<line class="${kind}" x1="0" x2="100%" y1="${y(part)}" y2="${y(part)}"/>${text}`;
  };
  const pinged = items.filter(({ kind }) => kind === "ping" || kind === "late");
  let at = 0;
  const points = pings.flatMap((ping) => {
    while ((pinged[at + 1]?.timeUsec ?? Number.POSITIVE_INFINITY) <= ping.timeUsec) at++;
    const item = pinged[at];
    const x = scale.at(ping.timeUsec);
    const part = ping.afterUsec / ping.timeoutUsec;
    const kind = ping.late ? "late" : "ping";
    const label = `ping ${formatUsec(ping.afterUsec)} after the last, of ${formatUsec(ping.timeoutUsec)}`;
    const stem = html`<line class="stem ${kind}" x1="${x}%" x2="${x}%" y1="${bottom}" y2="${y(part)}"/>`;
    const found = item ?? items.find(({ timeUsec }) => timeUsec === ping.timeUsec);
    return [stem, found === undefined ? undefined : mark({ ...found, kind }, label, x, y(part))];
  });
  const crosses = missed.map((item) => mark(item, item.title, scale.at(item.timeUsec), y(1)));
  const limit = pings.at(-1)?.timeoutUsec;
  const levels = [
    html`<line class="base" x1="0" x2="100%" y1="${bottom}" y2="${bottom}"/>`,
    line(1, "limit", limit === undefined ? "limit" : `limit ${formatUsec(limit)}`),
    line(0.5, "half", "half the time"),
  ];
  return { label: "Time between pings", height: bottom, content: html`${levels}${points}${crosses}` };
}

const SHAPES: Record<Kind, Html> = {
  message: html`<circle r="6"/>`,
  ignored: html`<path d="M0 -8L8 0L0 8L-8 0z"/>`,
  ping: html`<circle r="4"/>`,
  late: html`<circle r="5"/>`,
  missed: html`<path d="M-6 -6L6 6M6 -6L-6 6"/>`,
  barrier: html`<circle r="5"/>`,
  phase: html`<rect x="-5" y="-5" width="10" height="10"/>`,
  signal: html`<path d="M-6 -6H6L0 7z"/>`,
  process: html`<rect x="-5" y="-5" width="10" height="10" rx="2"/>`,
  fd: html`<path d="M-6 5L0 -6L6 5z"/>`,
};

const MEANINGS: readonly [Kind, string][] = [
  ["message", "message"],
  ["ignored", "ignored in part or whole"],
  ["signal", "signal"],
  ["process", "start or end of a process"],
  ["fd", "fd store"],
  ["ping", "ping"],
  ["late", "late ping"],
  ["missed", "missed ping"],
];

function entry(kind: string, shape: Html, what: string): Html {
  const box = html`width="18" height="18" viewBox="-9 -9 18 18"`;
  return html`<li><svg class="mark ${kind}" ${box} aria-hidden="true">${shape}</svg> ${what}</li>`;
}

function mark(item: Item, label: string, x: number, y: number): Html {
  const shape = html`<svg x="${x}%" y="${y}" overflow="visible"><circle class="hit" r="10"/>${SHAPES[item.kind]}</svg>`;
  return link(item, label, item.kind, shape);
}

function link({ id }: Item, label: string, kind: string, content: Html): Html {
  return html`<a class="mark ${kind}" href="#${id}" aria-label="${label}">${content}</a>`;
}
