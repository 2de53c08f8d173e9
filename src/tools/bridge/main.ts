/** `sd-notify bridge`: the service manager's end of the protocol, for machines without systemd. */

import { endBy } from "../signals.ts";
import { warn } from "../warn.ts";
import { Bridge } from "./bridge.ts";
import type { Response } from "./http-request.ts";
import { serveHttp } from "./http-server.ts";
import { limited } from "./limited.ts";
import { metricsOf } from "./metrics.ts";
import { parseOptions, tool } from "./options.ts";
import { answerProbes } from "./probe-socket.ts";
import { answer, QUESTIONS, type Question, type Snapshot, statusOf } from "./snapshot.ts";
import { openSocket } from "./socket.ts";

export { tool };

/** Does not return before CMD has ended. */
export async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const socket = openSocket(options.socket, options.socketMode);
  const open: Disposable[] = [{ [Symbol.dispose]: () => socket.remove() }];
  let end: number | NodeJS.Signals;
  try {
    const bridge = new Bridge(options, socket, limited(say));
    open.push(bridge);
    for (const event of ["uncaughtException", "unhandledRejection"]) {
      process.on(event, (error) => bridge.fail(error));
    }
    open.push(answerProbes(() => answerAll(bridge.snapshot())));
    for (const place of options.http) open.push(serveHttp(place, (path) => respond(path, bridge.snapshot())));
    end = await bridge.run();
  } finally {
    for (const one of open) one[Symbol.dispose]();
  }
  // Exit at once, whatever is under way.
  process.exit(typeof end === "number" ? end : endBy(end));
}

// --- internal ---

/** Prints without waiting for a reader: a missing one must not hold up the command. */
function say(line: string): void {
  warn(`bridge: ${line}`, 0);
}

const PATHS: Record<string, Question> = { "/livez": "live", "/readyz": "ready", "/startupz": "started" };

function respond(path: string, snapshot: Snapshot): Response | undefined {
  const question = Object.hasOwn(PATHS, path) ? PATHS[path] : undefined;
  if (question !== undefined) {
    const { yes, why } = answer(question, snapshot);
    return { status: yes ? 200 : 503, body: `${why}\n` };
  }
  if (path === "/status") return { status: 200, type: "json", body: `${JSON.stringify(statusOf(snapshot))}\n` };
  if (path === "/metrics") return { status: 200, type: "metrics", body: metricsOf(snapshot) };
  return undefined;
}

/** One line for each question, as probe/main.ts reads them. */
function answerAll(snapshot: Snapshot): string {
  return QUESTIONS.map((question) => {
    const { yes, why } = answer(question, snapshot);
    return `${question} ${Number(yes)} ${why}`;
  }).join("\n");
}
