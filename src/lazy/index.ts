/**
 * What Bun imports from the package: the functions of ../index.ts, but those for servers are in another file. It is
 * loaded when one of them is called, because parsing it takes as long as loading everything else. Bundlers other than
 * Bun's get ../index.ts as it is.
 *
 * @module
 */

import type { ServeOptions } from "../server/serve.ts";

type Servers = typeof import("./servers.ts");

export { FFIUnavailableError, SystemError } from "../../ffi/errors.ts";
export { barrier, barrierSync } from "../barrier.ts";
export { booted } from "../booted.ts";
export { childEnv } from "../child-env.ts";
export { notify } from "../notify.ts";
export { notifyRaw } from "../notify-raw.ts";
export { startWatchdog, watchdogTimeoutMs } from "../watchdog.ts";

export const listenFds: Servers["listenFds"] = (name) => loadServers().listenFds(name);
export const loadState: Servers["loadState"] = (name) => loadServers().loadState(name);
export const manageServer: Servers["manageServer"] = (servers, options) => loadServers().manageServer(servers, options);
export const removeFds: Servers["removeFds"] = (name) => loadServers().removeFds(name);
export const saveState: Servers["saveState"] = (name, state) => loadServers().saveState(name, state);
export const storeFds: Servers["storeFds"] = (fds, options) => loadServers().storeFds(fds, options);

export async function serve<WebSocketData = undefined, Routes extends string = never>(
  options: ServeOptions<WebSocketData, Routes>,
): Promise<Bun.Server<WebSocketData>> {
  return await loadServers().serve(options);
}

/** Added by src/build/join.ts. */
declare function loadServers(): Servers;
