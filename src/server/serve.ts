/** Bun.serve() on a listening socket that the service manager has too: a passed one, or a new one for its fd store. */

import { getSocketName, listen } from "../../ffi/process.ts";
import { close } from "../../ffi/syscalls.ts";
import { registered } from "../bun/registered.ts";
import { checkFunction, mustBe, show } from "../protocol/check.ts";
import { isNear } from "../protocol/near.ts";
import { attempt, type OnError, reportToStderr } from "../report.ts";
import {
  type BunOptions,
  type BunServer,
  checkAccepted,
  type Prepare,
  serveAlone,
  serveHere,
  serveSockets,
  whenStopped,
} from "./adopted-server.ts";
import { storeFds } from "./fd-store.ts";
import { passedListeners } from "./passed-listeners.ts";
import { servedPlaces } from "./served-places.ts";
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
  /** The name of the passed socket, from FileDescriptorName= of its unit or from the fd store. Default: "http". */
  name?: string | undefined;
  /**
   * What to do with an error that a handler throws and that `error` doesn't answer. Default: one line on standard
   * error, at most one a minute.
   */
  onError?: OnError | undefined;
};

/**
 * Serves on the listening sockets that the service manager passed by this name, by socket activation or from the fd
 * store. If none was passed, it opens a socket and puts it into the fd store. Either way the manager has the socket
 * too, so a restart of the service refuses no connection: they wait for the next start.
 *
 * If no socket has the name, it takes the only one that was passed. If a handler throws, the answer is 500, and
 * `onError` is called.
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
  const fds = passedListeners(name, (fd) => served.get(fd)?.evaluation === evaluation, notice).map(({ fd }) => fd);
  const places = fds.length > 0 ? fds : [bunOptions.unix ?? ""];
  const earlier = served.get(places[0] ?? "");
  if (earlier && earlier.evaluation !== evaluation) {
    earlier.evaluation = evaluation;
    return earlier.server.reload(bunOptions) as unknown as Bun.Server<WebSocketData>;
  }
  const server = fds.length > 0 ? serveSockets(fds, bunOptions, prepare) : open(bunOptions, name, prepare, notice);
  for (const place of places) if (place !== "") served.set(place, { server, evaluation });
  whenStopped(server, () => {
    for (const place of places) served.delete(place);
  });
  registered.current?.add(server);
  try {
    const addresses = fds.map(getSocketName).filter((address) => address !== undefined);
    const path = fds.length === 0 && bunOptions.unix !== undefined ? Buffer.from(bunOptions.unix) : undefined;
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

let hasToldOfStore = false;

function checked(options: unknown): { name?: string; onError?: OnError } {
  if (typeof options !== "object" || options === null) throw mustBe("serve", "options", "an object", options);
  const { name, onError, http3 } = options as Record<string, unknown>;
  if (name !== undefined && typeof name !== "string") throw mustBe("serve", "name", "a string", name);
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

/** Opens a socket. If there is a service manager, it gets the socket. */
function open(options: BunOptions, name: string, prepare: Prepare, notice: OnError): BunServer {
  const { unix } = options as { unix?: string };
  const supervised = process.env.NOTIFY_SOCKET !== undefined;
  const store = supervised ? (fd: number) => storeListener(fd, name, notice) : undefined;
  if (unix !== undefined) return openUnix(unix, options, prepare, store);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const where = { port: 0, hostname: "127.0.0.1", ...Object.fromEntries(given) } as unknown as BunOptions;
  if (!store) return serveAlone(where, prepare);
  const { server, fd } = serveHere(where, prepare);
  try {
    // Bun's queue has room for 512 connections, and more may wait during a restart.
    listen(fd);
    store(fd);
    return server;
  } catch (error) {
    void server.stop(true);
    throw error;
  }
}

/**
 * Bun.serve() would remove the path of a running server. It would also remove its own path when it stops, which the
 * next start needs.
 */
function openUnix(
  path: string,
  options: BunOptions,
  prepare: Prepare,
  store: ((fd: number) => void) | undefined,
): BunServer {
  const fd = openUnixListener(path);
  let server: BunServer | undefined;
  try {
    server = serveSockets([fd], options, prepare);
    if (store) store(fd);
    else whenStopped(server, () => removeSocket(path));
    return server;
  } catch (error) {
    void server?.stop(true);
    removeSocket(path);
    throw error;
  } finally {
    close(fd);
  }
}

function storeListener(fd: number, name: string, notice: OnError): void {
  storeFds([fd], { name });
  if (process.env.FDSTORE !== undefined || hasToldOfStore) return;
  hasToldOfStore = true;
  // Since version 254, systemd says how many it stores.
  const cure = "set FileDescriptorStoreMax=1 in the [Service] section of the unit";
  notice(new Error(`The service manager doesn't keep the socket, so a restart will refuse connections: ${cure}`));
}
