/** The report as one page of HTML, which loads nothing and runs only its own script. Pure. */

import { version } from "../../../../package.json";
import { formatUsec } from "../../../protocol/durations.ts";
import { shorten } from "../../../protocol/shorten.ts";
import { chart, legend } from "./chart.ts";
import { type Html, hashSource, html, verbatim } from "./html.ts";
import { type Item, itemOf } from "./items.ts";
import type { Recording } from "./recording.ts";
import { SCRIPT } from "./script.ts";
import STYLE from "./style.css" with { type: "text" };

/** Returns the page. */
export function page(recording: Recording): string {
  const items = recording.happened.map(itemOf);
  const started = recording.happened.find((event) => event.event === "started");
  const command = shorten(started?.command.join(" ") ?? "a service", MAX_COMMAND);
  const policy = [
    "default-src 'none'",
    `style-src ${hashSource(STYLE)}`,
    `script-src ${hashSource(SCRIPT)}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Life of ${command}</title>
<style>${verbatim(STYLE)}</style>
</head>
<body>
<main>
<header>
<p class="kicker">sd-notify monitor</p>
<h1>Life of <code>${command}</code>${badge(recording)}</h1>
<p class="lead">${sentence(recording)}</p>
</header>
${tiles(recording)}
<section aria-labelledby="timeline">
<h2 id="timeline">Timeline</h2>
${chart(recording, items)}
${legend(recording, items)}
<p class="hint">Point at a mark, or press Tab and the arrow keys, to read it. Enter goes to it in the list.</p>
</section>
${faults(recording)}
<section aria-labelledby="list">
<h2 id="list">What happened</h2>
<ol class="log">
${list(items, recording)}
</ol>
</section>
<footer>Made by sd-notify ${version}. This page loads nothing.</footer>
</main>
<div class="tip" role="tooltip" hidden></div>
<script>${verbatim(SCRIPT)}</script>
</body>
</html>
`.markup;
}

// --- internal ---

/** How many characters of the command the headline shows. The list shows all of it. */
const MAX_COMMAND = 100;

function badge({ end, summary }: Recording): Html {
  if (end === undefined) return html` <span class="badge bad">the recording ends while it is ${summary.phase}</span>`;
  const isBad = end.status !== 0 || summary.phase === "failed";
  return html` <span class="badge${isBad ? " bad" : ""}">${end.why}</span>`;
}

/** Sums up the unit's life in two or three sentences. */
function sentence(recording: Recording): string {
  const { summary, end } = recording;
  const spans = recording.timeline();
  const of = (phase: string) =>
    spans.filter((span) => span.phase === phase).reduce((sum, { durationUsec = 0 }) => sum + durationUsec, 0);
  const ready = spans.find(({ phase }) => phase === "active");
  const isReady = ready !== undefined;
  const parts = [
    ready ? `became ready after ${formatUsec(ready.startUsec - (spans[0]?.startUsec ?? 0))}` : "never became ready",
    ...(isReady ? [`was active for ${formatUsec(of("active"))}`] : []),
    ...(summary.count("reload") > 0 ? [`reloaded ${times(summary.count("reload"))}`] : []),
    ...(of("deactivating") > 0 ? [`stopped in ${formatUsec(of("deactivating"))}`] : []),
  ];
  const [last = "", ...others] = parts.reverse();
  const life = others.length === 0 ? last : `${others.reverse().join(", ")} and ${last}`;
  const were = summary.ignored === 1 ? "was" : "were";
  const ignored = `${summary.ignored} of ${plural(summary.messages, "message")} ${were} ignored in part or whole.`;
  const status = end === undefined || end.status === 0 ? "" : ` The monitor's exit status is ${end.status}.`;
  return `The service ${life}. ${summary.ignored > 0 ? ignored : "Nothing was ignored."}${status}`;
}

function tiles({ summary }: Recording): Html {
  const margin = summary.smallestMarginUsec;
  const shown: [name: string, value: string | number, isBad?: boolean][] = [
    ["Messages", summary.messages],
    ["Ignored", summary.ignored, summary.ignored > 0],
    ["Reloads", summary.count("reload")],
    ["Pings", summary.pings],
    ...(margin === undefined ? [] : [["Smallest margin", signed(margin), margin < 0] as [string, string, boolean]]),
    ["Missed pings", summary.missed, summary.missed > 0],
  ];
  const each = shown.map(
    ([name, value, isBad]) => html`<div class="${isBad ? "bad" : "good"}"><dt>${name}</dt><dd>${value}</dd></div>`,
  );
  return html`<dl class="tiles">${each}</dl>`;
}

/** Lists each reason for which something was ignored, with its cure. The most frequent come first. */
function faults({ faults }: Recording): Html | undefined {
  if (faults.size === 0) return undefined;
  const sorted = [...faults.values()].sort((a, b) => b.count - a.count);
  const each = sorted.map(({ problem: { what, why, cure }, count }) => {
    const subject = what === "" ? html`A whole message` : html`<code>${what}</code>`;
    const cured = cure === undefined ? undefined : html`<p class="cure">Cure: <code>${cure}</code></p>`;
    return html`<li><p class="problem">${subject} ${times(count)}, because ${why}</p>${cured}</li>\n`;
  });
  return html`<section aria-labelledby="ignored">
<h2 id="ignored">Ignored, and the cure</h2>
<ul class="faults">
${each}</ul>
</section>`;
}

function list(items: readonly Item[], { dropped, keptFirst }: Recording): Html {
  const all = items.map(
    ({ id, timeUsec, body }) => html`<li id="${id}"><time>${(timeUsec / 1e6).toFixed(3)} s</time>${body}</li>\n`,
  );
  if (dropped === 0) return html`${all}`;
  const gap = html`<li><p class="hint">… ${dropped} entries are left out here</p></li>\n`;
  return html`${all.slice(0, keptFirst)}${gap}${all.slice(keptFirst)}`;
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function times(count: number): string {
  return count === 1 ? "once" : count === 2 ? "twice" : `${count} times`;
}

function signed(usec: number): string {
  return usec < 0 ? `-${formatUsec(-usec)}` : formatUsec(usec);
}
