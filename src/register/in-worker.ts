/** Register in a worker. Its servers get passed sockets. The main thread learns of them and drains them. */

import { replaceServe } from "../bun/native-serve.ts";
import { registered } from "../bun/registered.ts";
import { errorLine } from "../report.ts";
import type { BunServer } from "../server/adopted-server.ts";
import type { Fleet } from "./fleet.ts";
import type { Opener } from "./open.ts";
import { type Order, openChannel, type Report } from "./workers.ts";

export function registerInWorker(fleet: Fleet, opener: Opener): void {
  const channel = openChannel();
  const thread = process.getBuiltinModule("node:worker_threads").threadId;
  let last = "";
  const tell = () => {
    const where = fleet.where();
    const report: Report = {
      thread,
      says: "serves",
      places: where === undefined ? [] : [where],
      load: fleet.load(),
      fds: opener.served,
    };
    const text = JSON.stringify(report);
    if (text !== last) channel.postMessage(report);
    last = text;
  };
  const add = (server: BunServer) => {
    fleet.add(server);
    tell();
  };
  replaceServe(function serve(options) {
    const server = opener.open(options);
    add(server);
    return server;
  });
  registered.current = {
    add,
    hear: (message) => channel.postMessage({ thread, says: "heard", message } satisfies Report),
    stops() {},
    stepBack() {},
  };
  setInterval(tell, REPORT_MS).unref();
  channel.onmessage = async ({ data }) => {
    if ((data as Partial<Order>).order !== "drain") return;
    opener.isStopping = true;
    const why = await fleet.drain().then(() => undefined, errorLine);
    channel.postMessage({ thread, says: "drained", why } satisfies Report);
  };
}

// --- internal ---

/** How often the main thread is told how busy it is. */
const REPORT_MS = 1000;
