/** Bun.serve() on a listening socket that the service manager has too: a passed one, or a new one for its fd store. */

import { listen } from "../../ffi/process.ts";
import { close } from "../../ffi/syscalls.ts";
import { registered } from "../bun/registered.ts";
import { checkFunction, mustBe, show } from "../protocol/check.ts";
import { whyNoFdName } from "../protocol/fd-name.ts";
import { isNear } from "../protocol/near.ts";
import { attempt, type OnError, reportToStderr } from "../report.ts";
import {
  type BunOptions,
  type BunServer,
  checkAccepted,
  listenerOf,
  type Prepare,
  serveAlone,
  serveSockets,
  whenStopped,
} from "./adopted-server.ts";
import { keptSockets, makeRoom, makeWay, noteServer, storeSocket, sweepLater } from "./own-sockets.ts";
import { allListeners, chooseListeners, ownerOf } from "./passed-listeners.ts";
import { type Place, placeOf } from "./place.ts";
import { servedPlaces } from "./served-places.ts";
import { isStored, type Passed, storedName } from "./stored-sockets.ts";
import { openUnixListener, removeSocket } from "./unix-listener.ts";

/**
 * The options of Bun.serve(): routes, fetch, websocket, tls, error, idleTimeout and the rest. `port`, `hostname` and
 * `unix` say where to listen if no socket was passed. Default: a free port of 127.0.0.1, so that a trial run neither
 * meets a port in use nor opens one to the network.
 *
 * @example
 * const options: ServeOptions = { name: "http", port: 0, fetch: () => new Response("Hello\n") };
 * manageServer(await serve(options));
 */
export type ServeOptions<WebSocketData = undefined, Routes extends string = string> = Bun.Serve.Options<
  WebSocketData,
  Routes
> & {
  /** The name of the passed socket, from FileDescriptorName= of its unit. Default: "http". */
  name?: string | undefined;
  /**
   * What to do with an error that a handler throws and that `error` doesn't answer. Default: one line on standard
   * error, at most one a minute.
   */
  onError?: OnError | undefined;
};

/**
 * Serves on the listening sockets that a unit passed by this name, or on the one that an earlier start put into the fd
 * store for the same place. If there is none, it opens a socket and puts it into the fd store. Either way the manager
 * has the socket too, so a restart of the service refuses no connection: they wait for the next start.
 *
 * If no socket has the name, it takes the only one that a unit passed. What is stored for another place is removed from
 * the store. If a handler throws, the answer is 500, and `onError` is called.
 *
 * @returns the server of Bun.serve(), once it listens.
 * @throws TypeError for wrong options; SyntaxError if the environment can't be read, or doesn't say which socket is
 *   meant; SystemError if it can't listen.
 * @see systemd.socket(5), sd_listen_fds(3)
 * @example
 * const server = await serve({ port: 3000, fetch: () => new Response("Hello\n") });
 * manageServer(server);
 */
export async function serve<WebSocketData = undefined, Routes extends string = never>(
  options: ServeOptions<WebSocketData, Routes>,
): Promise<Bun.Server<WebSocketData>> {
  const { name = "http", onError } = checked(options);
  // A notice at the start must not silence an error of a handler, so each has its own limit of one line a minute.
  const notice: OnError = (error) =>
    attempt(onError ?? reportToStderr(), () => {
      throw error;
    });
  const bunOptions = options as unknown as BunOptions;
  const onErrorOfHandlers = onError ?? reportToStderr();
  const prepare: Prepare = (options) => withAnswers(options, onErrorOfHandlers);
  const served = servedPlaces();
  const place = placeOf(withDefaults(bunOptions));
  const listeners = [...allListeners(notice), ...keptSockets()];
  const chosen = chooseListeners(name, place, listeners, (fd) => served.get(fd)?.evaluation === evaluation);
  const fds = chosen.map(({ fd }) => fd);
  const places: (number | string)[] = fds.length > 0 ? fds : "path" in place ? [place.path] : [];
  const earlier = places[0] === undefined ? undefined : served.get(places[0]);
  if (earlier && earlier.evaluation !== evaluation) {
    earlier.evaluation = evaluation;
    return earlier.server.reload(bunOptions) as unknown as Bun.Server<WebSocketData>;
  }
  if (fds.length === 0) await makeWay(place, listeners, notice);
  const server = fds.length > 0 ? serveSockets(fds, bunOptions, prepare) : open(bunOptions, prepare);
  if (fds.length === 0 && process.env.NOTIFY_SOCKET !== undefined) {
    makeRoom(ownerOf(name), listeners, notice);
    const stored = store(server, storedName(ownerOf(name), place), place, notice);
    if (stored) places.push(stored.fd);
  }
  for (const socket of chosen.filter(isStored)) noteServer(server, socket);
  for (const place of places) served.set(place, { server, evaluation });
  whenStopped(server, () => {
    for (const place of places) served.delete(place);
  });
  sweepLater(listeners, notice);
  registered.current?.add(server);
  try {
    const addresses = chosen.flatMap(({ address }) => address ?? []);
    const path = fds.length === 0 && "path" in place ? Buffer.from(place.path) : undefined;
    await Promise.all((path ? [{ family: "unix" as const, path }] : addresses).map(checkAccepted));
  } catch (error) {
    void server.stop(true);
    throw error;
  }
  return server as unknown as Bun.Server<WebSocketData>;
}

// --- internal ---

/** bun --hot evaluates a program again and again in one process, and its servers go on. They get the new handlers. */
const evaluation = Symbol("evaluation");

/** The options that say what is served where. A misspelled one would open another port. */
const OWN_OPTIONS = ["name", "onError", "port", "hostname", "unix", "fetch", "routes"] as const;

function checked(options: unknown): { name?: string; onError?: OnError } {
  if (typeof options !== "object" || options === null) throw mustBe("serve", "options", "an object", options);
  const { name, onError, http3 } = options as Record<string, unknown>;
  if (name !== undefined && typeof name !== "string") throw mustBe("serve", "name", "a string", name);
  const why = whyNoFdName(name ?? "");
  if (why !== undefined) throw new TypeError(`Cannot serve: ${show(name)} is no name for a socket: ${why}`);
  checkFunction("serve", "onError", onError);
  for (const option in options) {
    // Bun has more options with each version, and ignores what it doesn't know.
    const meant = OWN_OPTIONS.find((own) => own !== option && isNear(own, option));
    if (meant && !(OWN_OPTIONS as readonly string[]).includes(option)) {
      throw new TypeError(`Cannot serve: no option ${show(option)}: is it ${meant}?`);
    }
  }
  if (http3)
    throw new TypeError("Cannot serve: http3 needs a UDP socket, which neither a .socket unit nor the fd store has");
  return options as { name?: string; onError?: OnError };
}

/** Returns the options for Bun. An error of a handler becomes a response, and a call of `onError`. */
function withAnswers(options: BunOptions, onError: OnError): BunOptions {
  const { name: _name, onError: _onError, error, ...others } = options as BunOptions & ServeOptions;
  const answer = (thrown: unknown) => {
    attempt(onError, () => {
      throw thrown;
    });
    return new Response("Internal Server Error\n", { status: 500 });
  };
  return {
    ...others,
    async error(this: BunServer, thrown: Error) {
      try {
        return (await error?.call(this as never, thrown)) ?? answer(thrown);
      } catch (another) {
        return answer(another);
      }
    },
  } as unknown as BunOptions;
}

/** Returns the options, with what serve() has in place of Bun's port 3000 of all addresses. */
function withDefaults(options: BunOptions): BunOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { port: 0, hostname: "127.0.0.1", ...Object.fromEntries(given) } as unknown as BunOptions;
}

/** Opens a socket, and serves on it. */
function open(options: BunOptions, prepare: Prepare): BunServer {
  const { unix } = options as { unix?: string };
  return unix === undefined ? serveAlone(withDefaults(options), prepare) : openUnix(unix, options, prepare);
}

/**
 * Bun.serve() would remove the path of a running server. It would also remove its own path when it stops, which the
 * next start needs.
 */
function openUnix(path: string, options: BunOptions, prepare: Prepare): BunServer {
  const fd = openUnixListener(path);
  try {
    const server = serveSockets([fd], options, prepare);
    if (process.env.NOTIFY_SOCKET === undefined) whenStopped(server, () => removeSocket(path));
    return server;
  } catch (error) {
    removeSocket(path);
    throw error;
  } finally {
    close(fd);
  }
}

/** Gives the service manager the socket that a server has opened. */
function store(server: BunServer, name: string, place: Place, notice: OnError): Passed | undefined {
  try {
    const fd = listenerOf(server);
    // Bun's queue has room for 512 connections, and more may wait during a restart.
    listen(fd);
    const kept = storeSocket(fd, name, notice);
    noteServer(server, kept ?? { fd, name });
    return kept;
  } catch (error) {
    void server.stop(true);
    if ("path" in place) removeSocket(place.path);
    throw error;
  }
}
