/**
 * HTTP on a listening socket that was passed. Bun.serve() takes no fd, so a server of node:net adopts the socket, and hands its connections to
 * one of node:http, which srvx turns into a fetch handler. test/serve.test.ts notices the day that Bun.serve() takes one.
 */

import { AF_UNIX, SOCK_STREAM } from "../../ffi/constants.ts";
import { listen } from "../../ffi/process.ts";
import * as sys from "../../ffi/syscalls.ts";
import { checkOptionNames, mustBe } from "../protocol/check.ts";
import { storeFds } from "./fd-store.ts";
import { type ListenFd, listenFds } from "./listen-fds.ts";

export interface ServeOptions {
  /** Answers a request, as that of Bun.serve(). */
  fetch: (request: Request) => Response | Promise<Response>;
  /** The name of the passed socket: of its unit, FileDescriptorName=, or the fd store. Default: "http". */
  name?: string | undefined;
  /**
   * Where to listen when no socket of the name was passed. Default: any free port of 127.0.0.1, so that a trial run
   * neither meets a port in use nor opens one to the network.
   */
  port?: number | undefined;
  hostname?: string | undefined;
  /** Or the path of a unix socket. */
  unix?: string | undefined;
}

/** A server of serve(). manageServer() takes it. */
export interface FetchServer extends Disposable {
  /** Where it listens; undefined for a unix socket. */
  url: URL | undefined;
  /** Whether the socket was passed, and not opened here. */
  passed: boolean;
  /** How many requests are being answered. */
  readonly pendingRequests: number;
  /** Accepts no more connections, and resolves when all requests are answered; with true, ends those at once. */
  stop(closeActiveConnections?: boolean): Promise<void>;
}

/**
 * Serves HTTP on the listening socket that the service manager passed by this name, by socket activation or from the fd store. Where
 * none was passed, it opens one and puts it into the fd store. Either way the manager has the socket too, so that a restart of the service
 * refuses no connection: they wait for the next start.
 *
 * @returns the server, once it listens.
 * @throws TypeError for options that can't be, SyntaxError when the environment can't be read; rejects when it can't listen.
 * @see systemd.socket(5), sd_listen_fds(3)
 * @example
 * const server = await serve({ port: 3000, fetch: () => new Response("Hello\n") });
 */
export async function serve(options: ServeOptions): Promise<FetchServer> {
  checkOptionNames("serve", options, ["fetch", "name", "port", "hostname", "unix"]);
  const { fetch, name = "http" } = options;
  if (typeof fetch !== "function") throw mustBe("serve", "fetch", "a function", fetch);
  const passed = listenFds().find((candidate) => candidate.name === name && isListener(candidate));
  const fd = passed?.fd ?? openListener(options);
  if (!passed) storeFds([fd], { name });
  return adopt(fd, fetch, passed !== undefined);
}

// --- internal ---

/** How long a client has to send its first request, or to close its connection after the last. */
const GRACE_MS = 500;

function isListener(passed: ListenFd): boolean {
  return passed.kind === "socket" && passed.type === "stream" && passed.listening;
}

function openListener({ port = 0, hostname = "127.0.0.1", unix }: ServeOptions): number {
  if (unix !== undefined) return openUnixListener(unix);
  const listener = Bun.listen({ port, hostname, socket: { data() {} } });
  // Not a turn of the event loop passes before it is stopped, so it accepts nothing.
  const fd = sys.duplicate((listener as unknown as { fd: number }).fd);
  listener.stop();
  return fd;
}

/** Bun.listen() would remove the path when it is stopped. */
function openUnixListener(path: string): number {
  const fd = sys.socket(AF_UNIX, SOCK_STREAM, path);
  try {
    sys.bind(fd, { family: "unix", path: Buffer.from(path) }, path);
    listen(fd, path);
    return fd;
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}

async function adopt(fd: number, fetch: ServeOptions["fetch"], passed: boolean): Promise<FetchServer> {
  const [http, net, { toNodeHandler }] = await Promise.all([
    import("node:http"),
    import("node:net"),
    import("srvx/node"),
  ]);
  const connections = new Set<InstanceType<typeof net.Socket>>();
  const busy = new Set<unknown>();
  /** Accepted, and its first request is still on its way: to end it would refuse that. */
  const fresh = new Set<unknown>();
  let pending = 0;
  let stopping = false;
  const drained = Promise.withResolvers<void>();
  let grace: Timer | undefined;
  const endAll = () => {
    for (const connection of connections) connection.destroy();
    drained.resolve();
  };
  const closeIdle = () => {
    for (const connection of connections) if (!busy.has(connection) && !fresh.has(connection)) connection.end();
    if (pending > 0) return;
    if (connections.size === 0) return drained.resolve();
    grace ??= setTimeout(() => {
      grace = undefined;
      if (pending === 0) endAll();
    }, GRACE_MS);
  };
  const requests = http.createServer((request, response) => {
    pending++;
    busy.add(request.socket);
    fresh.delete(request.socket);
    if (stopping) response.setHeader("connection", "close");
    response.once("close", () => {
      pending--;
      busy.delete(request.socket);
      if (stopping) closeIdle();
    });
    return handler(request, response);
  });
  const handler = toNodeHandler(fetch) as (request: unknown, response: unknown) => void;
  const acceptor = net.createServer((connection) => {
    connections.add(connection);
    fresh.add(connection);
    connection.once("close", () => {
      connections.delete(connection);
      fresh.delete(connection);
      if (stopping) closeIdle();
    });
    requests.emit("connection", connection);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  acceptor.once("listening", resolve).once("error", reject).listen({ fd });
  await promise;
  const address = acceptor.address();
  const stop = async (closeActiveConnections = false) => {
    if (!stopping) acceptor.close();
    stopping = true;
    if (closeActiveConnections) endAll();
    closeIdle();
    await drained.promise;
    clearTimeout(grace);
  };
  return {
    url: typeof address === "object" && address !== null && address.port ? urlOf(address) : undefined,
    passed,
    get pendingRequests() {
      return pending;
    },
    stop,
    [Symbol.dispose]: () => void stop(true),
  };
}

function urlOf({ address, port, family }: { address: string; port: number; family: string | number }): URL {
  return new URL(`http://${`${family}`.endsWith("6") ? `[${address}]` : address}:${port}/`);
}
