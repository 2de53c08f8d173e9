/** The life of a server as a unit: ready, reload, stop, watchdog and status. */

import { registered } from "../bun/registered.ts";
import { isHot, singleton } from "../bun/singleton.ts";
import { type Adapter, adapt, isApplication, type StoppableServer } from "./adapters.ts";
import { type Making, manage } from "./manager.ts";
import { checkOptions, type ManagedServer, type ManageOptions } from "./options.ts";

export type { StoppableServer } from "./adapters.ts";
export type { ManagedServer, ManageOptions } from "./options.ts";
export type { ProbeOptions } from "./probes.ts";

/**
 * One server, several, or a function that makes them.
 *
 * @example
 * const servers: Servers = async () => Bun.serve({ port: 0, fetch: () => new Response("Hello\n") });
 * manageServer(servers);
 */
export type Servers =
  | StoppableServer
  | readonly StoppableServer[]
  | (() => StoppableServer | readonly StoppableServer[] | Promise<StoppableServer | readonly StoppableServer[]>);

/**
 * Runs a server, or several, as a unit of Type=notify or Type=notify-reload:
 *
 * - READY=1 with the URLs, when all servers listen; while a function that makes them is pending, it asks for time;
 * - SIGHUP: RELOADING=1, `reload()`, READY=1;
 * - SIGTERM, SIGINT: STOPPING=1, no more connections, `stopping()`, the requests in flight, `stop()`, exit 0. A second
 *   signal ends the process at once, by that signal;
 * - the watchdog, while `healthy()` says so;
 * - the status, when it has changed;
 * - an uncaught error is reported before it ends the process;
 * - with `probes`, the same for Kubernetes.
 *
 * Without a service manager it still stops cleanly on SIGTERM and SIGINT, sends nothing, and leaves SIGHUP alone. Under
 * `bun --hot`, a new call replaces the old one. `bun --watch` sends SIGTERM at each edit, so it is not for units.
 *
 * @returns a handle that takes all this back.
 * @throws TypeError for wrong servers or options, in a Worker, and for a second call.
 * @see systemd.service(5), Type=
 * @example
 * manageServer(Bun.serve({ port: 3000, fetch: () => new Response("Hello\n") }));
 */
export function manageServer(servers: Servers, options: ManageOptions = {}): ManagedServer {
  checkPlace();
  checkOptions(options);
  const making = makingOf(servers);
  takeOver();
  registered.current?.stepBack();
  const { ready, probesUrl, end } = manage(making, options);
  const managed: ManagedServer = {
    ready,
    probesUrl,
    end() {
      if (managing.current === managed) managing.current = undefined;
      end();
    },
    [Symbol.dispose]: () => managed.end(),
  };
  managing.current = managed;
  return managed;
}

// --- internal ---

const managing = singleton<ManagedServer>("sd-notify.manageServer");

/** @throws TypeError if signals and notifications belong to another thread. */
function checkPlace(): void {
  if (Bun.isMainThread) return;
  throw new TypeError(
    "Cannot manage the server: signals and notifications belong to the process, not to a Worker: call " +
      "manageServer() in the main thread",
  );
}

/** Ends the manageServer() of an earlier evaluation, under `bun --hot`. @throws TypeError if one runs without that. */
function takeOver(): void {
  if (managing.current && !isHot()) {
    throw new TypeError(
      "Cannot manage the server: manageServer() was called before: give it all servers at once, as in " +
        "manageServer([web, metrics]), " +
        "or end() the other one first",
    );
  }
  managing.current?.end();
}

/** @throws TypeError for a value that is no server. */
function makingOf(servers: Servers): Making {
  if (typeof servers !== "function" || isApplication(servers)) return { made: adaptAll(servers) };
  return { make: async () => adaptAll(await servers()) };
}

function adaptAll(servers: unknown): Adapter[] {
  const list: readonly unknown[] = Array.isArray(servers) ? servers : [servers];
  if (list.length === 0) throw new TypeError("Cannot manage the server: the array is empty");
  return list.map(adapt);
}
