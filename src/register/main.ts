/** What sd-notify/register sets up if there is a service manager or a passed socket. */

import { replaceServe } from "../bun/native-serve.ts";
import { registered } from "../bun/registered.ts";
import { attempt, report, reportToStderr } from "../report.ts";
import { type Adapter, totalLoad } from "../server/adapters.ts";
import type { BunOptions, BunServer } from "../server/adopted-server.ts";
import { manage } from "../server/manager.ts";
import { loadStatus } from "../server/status.ts";
import { hasWatchdog, startWatchdog, type Watchdog } from "../watchdog.ts";
import { Fleet } from "./fleet.ts";
import { registerInWorker } from "./in-worker.ts";
import { Opener } from "./open.ts";
import { OwnDoing } from "./program.ts";
import { readSettings } from "./settings.ts";
import { Start } from "./start.ts";
import { Workers } from "./workers.ts";

/** After this time, a program that listens on nothing gets a line that says what would make it ready. */
const SILENT_MS = 5000;

const SILENT =
  "The program listens on nothing, so READY=1 was not sent: a program that never serves says it itself, or its " +
  "unit has Environment=SD_NOTIFY_READY=loaded";

function register(): void {
  const settings = readSettings(process.env, tell);
  const start = new Start(settings.ready);
  const fleet = new Fleet(start.over);
  const opener = new Opener(settings.sockets, tell);
  // A message at the start is no reason to be silent later.
  const onError = reportToStderr();
  let watchdog: Watchdog | undefined;
  const program = new OwnDoing(
    () => statusOf([fleet, workers]),
    (word) => {
      if (word === "ready") start.isReady();
      if (word === "stopping") opener.isStopping = true;
      // The program's own check counts, not that the event loop turns.
      if (word === "watchdog") watchdog?.stop();
    },
  );
  const workers = new Workers(
    () => start.listens(true),
    (message) => program.hear(message),
  );
  workers.preload(import.meta.path);
  // If it can't be read, the first server throws the error.
  attempt(
    () => {},
    () => opener.hideStored(),
  );
  const managed = manage({ made: [fleet, workers] }, { onError, drainTimeoutMs: settings.drainTimeoutMs }, program);
  let hasSteppedBack = false;
  const add = (server: BunServer) => {
    fleet.add(server);
    start.listens();
  };
  replaceServe(function serve(options: BunOptions): BunServer {
    const server = opener.open(options);
    add(server);
    return server;
  });
  registered.current = {
    add,
    hear: (message) => program.hear(message),
    stops() {
      opener.isStopping = true;
    },
    stepBack() {
      hasSteppedBack = true;
      managed.end();
    },
  };
  void managed.ready.then(() => {
    if (opener.isStopping) return;
    // The program's own watchdog knows better what is healthy.
    if (!hasSteppedBack && !program.has("watchdog") && !hasWatchdog())
      attempt(onError, () => (watchdog = startWatchdog({ onError })));
    // A later server may want them: one in a worker, or in a program that was ready before it listened.
    if (!workers.isEmpty || fleet.isEmpty) return;
    opener.dropLeftovers();
    if (hasSteppedBack) return;
    for (const { name } of opener.leftovers()) tell(`The passed socket ${JSON.stringify(name)} is served by nobody`);
  });
  setTimeout(() => {
    const isSilent =
      fleet.isEmpty &&
      workers.where() === undefined &&
      !program.has("ready") &&
      !hasSteppedBack &&
      settings.ready === "listening";
    if (isSilent && process.env.NOTIFY_SOCKET !== undefined) tell(SILENT);
  }, SILENT_MS).unref();
}

/** "Listening on http://localhost:3000/: 2 requests in flight" */
function statusOf(adapters: readonly Adapter[]): string {
  const places = adapters.flatMap((adapter) => adapter.where() ?? []);
  const what = places.length === 0 ? "Running" : `Listening on ${places.join(", ")}`;
  const load = totalLoad(adapters);
  return load.requests || load.websockets ? loadStatus(what, load) : what;
}

/** Each line stands alone, and all of them are printed. */
function tell(why: string): void {
  report(reportToStderr(), new Error(why));
}

// --- main ---

// It may be loaded several times: by bunfig.toml, by the command line, and by the program's first line.
if (registered.current === undefined) {
  // The program must start, whatever is wrong here.
  attempt(reportToStderr(), () => {
    if (Bun.isMainThread) register();
    // The main thread has reported what is wrong with the settings.
    else registerInWorker(new Fleet(Promise.resolve()), new Opener(readSettings(process.env, () => {}).sockets, tell));
  });
}
