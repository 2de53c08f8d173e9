/** /metrics: Prometheus' text format, version 0.0.4. Pure. */

import type { Snapshot } from "./snapshot.ts";
import { answer, QUESTIONS } from "./snapshot.ts";

/** Returns the page. A value that is not known has no sample. */
export function metricsOf(snapshot: Snapshot): string {
  const { readyUsec, watchdogUsec, smallestMarginUsec, forward } = snapshot;
  const seconds = (usec: number | undefined) => (usec === undefined ? [] : [sample(usec / 1e6)]);
  return [
    metric(
      "phase",
      "gauge",
      "What the unit is at: 1 for that, 0 for the others.",
      PHASES.map((phase) => sample(Number(phase === snapshot.phase), { phase })),
    ),
    ...QUESTIONS.map((question) =>
      metric(question, "gauge", `What /${question}z answers.`.replace("startedz", "startupz"), [
        sample(Number(answer(question, snapshot).yes)),
      ]),
    ),
    metric("ready_seconds", "gauge", "How long it took from the start to READY=1.", seconds(readyUsec)),
    metric("watchdog_pings_total", "counter", "Pings of the watchdog.", [sample(snapshot.pings)]),
    metric(
      "watchdog_timeout_seconds",
      "gauge",
      "The time between two pings at most.",
      watchdogUsec === 0 ? [] : seconds(watchdogUsec),
    ),
    metric(
      "watchdog_smallest_margin_seconds",
      "gauge",
      "How much of that time was left, at least, when a ping came.",
      seconds(smallestMarginUsec),
    ),
    metric("messages_total", "counter", "Messages, barriers not counted.", [sample(snapshot.messages)]),
    metric(
      "ignored_total",
      "counter",
      "What was ignored, a whole message or an assignment, and why.",
      snapshot.ignored.map(({ what, reason, count }) => sample(count, { what, reason })),
    ),
    metric("restarts_total", "counter", "How often CMD was started again.", [sample(snapshot.restarts)]),
    ...(forward === undefined
      ? []
      : [
          metric("forward_waiting", "gauge", "Messages that the manager above has not taken yet.", [
            sample(forward.waiting),
          ]),
          metric("forward_dropped_total", "counter", "Messages that it never got.", [sample(forward.dropped)]),
        ]),
  ].join("");
}

// --- internal ---

interface Sample {
  labels: string;
  value: number;
}

const PHASES: readonly Snapshot["phase"][] = [
  "activating",
  "active",
  "reloading",
  "deactivating",
  "inactive",
  "failed",
];

function metric(name: string, type: "gauge" | "counter", help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  const lines = samples.map(({ labels, value }) => `sd_notify_${name}${labels} ${value}\n`);
  return `# HELP sd_notify_${name} ${help}\n# TYPE sd_notify_${name} ${type}\n${lines.join("")}`;
}

function sample(value: number, labels: Record<string, string> = {}): Sample {
  const list = Object.entries(labels).map(([name, text]) => `${name}="${escapeLabel(text)}"`);
  return { labels: list.length === 0 ? "" : `{${list.join(",")}}`, value };
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
