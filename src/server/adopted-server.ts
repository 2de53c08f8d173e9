/**
 * A server of Bun.serve() on sockets that exist already. When it stops, connections that wait in their queues stay
 * there for the next start.
 */

import { AF_UNIX, SOCK_STREAM } from "../../ffi/constants.ts";
import { getSocketName } from "../../ffi/process.ts";
import type { BoundAddress } from "../../ffi/structs.ts";
import { close, socket } from "../../ffi/syscalls.ts";
import {
  adoptListener,
  connectionsOf,
  findListener,
  hasUnread,
  type Listener,
  pauseListener,
} from "../bun/adopt-listener.ts";
import { nativeServe } from "../bun/native-serve.ts";
import { allDone } from "./all-done.ts";

/** Any options of Bun.serve(), and any server that it returns. */
export type BunOptions = Bun.Serve.Options<unknown, string>;
export type BunServer = Bun.Server<unknown>;

/** Changes options before Bun sees them. This includes the options of reload(). */
export type Prepare = (options: BunOptions) => BunOptions;

/**
 * Serves on listening sockets. The given fds stay open, for another server after this one.
 *
 * @returns the server of the first socket, which acts for all of them.
 * @throws Error if Bun's event loop doesn't take a socket, FFIUnavailableError if libc can't be called; otherwise what
 *   Bun.serve() throws.
 */
export function serveSockets(fds: readonly number[], options: BunOptions, prepare: Prepare): BunServer {
  const members: Member[] = [];
  const prepareEach = (options: BunOptions, index: number) => {
    if (fds.length === 1) return prepare(options);
    const others = () => members.filter((_, i) => i !== index).map(({ native }) => native);
    return withRelay(prepare(options), others);
  };
  try {
    for (const [i, fd] of fds.entries()) members.push(serveSocket(fd, prepareEach(options, i), fds.length > 1));
    return combine(members, prepareEach);
  } catch (error) {
    for (const { native } of members) void native.stop(true);
    throw error;
  }
}

/** Serves where the options say, on a socket that no other process will have. */
export function serveAlone(options: BunOptions, prepare: Prepare): BunServer {
  return combine([memberOf(nativeServe(prepare(options)))], prepare);
}

/**
 * Finds the socket that a server listens on. From now on, when the server stops, connections that wait in its queue
 * stay there for the next start.
 *
 * @throws Error if it can't be found.
 */
export function listenerOf(server: BunServer): number {
  const [member] = together.get(server) ?? [];
  if (member === undefined) throw new Error("the server was not opened here");
  member.listener ??= findListener(boundTo(server));
  return member.listener.fd;
}

/** No next start will have the server's sockets. So stop() closes them at once, as Bun does. */
export function unshare(server: BunServer): void {
  for (const member of together.get(server) ?? []) member.listener = undefined;
}

/** Calls `action` once, when the server begins to stop. */
export function whenStopped(server: BunServer, action: () => void): void {
  const { stop } = server;
  let isOver = false;
  const then = (closeActiveConnections?: boolean) => {
    if (!isOver) {
      isOver = true;
      action();
    }
    return stop(closeActiveConnections);
  };
  for (const one of together.get(server)?.map((member) => member.server) ?? [server]) {
    define(one, { stop: then, [Symbol.dispose]: () => void then(true) });
  }
}

/**
 * Connects to the address of a server, and waits until the server has accepted the connection.
 *
 * @throws Error if the connection stays in the queue. It is no error if the connection can't be tried, because of an
 *   address of another network or a packet filter.
 */
export async function checkAccepted(address: BoundAddress): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<"over">();
  let connected = false;
  const end = () => resolve("over");
  const handlers: Bun.SocketHandler = {
    open(connection) {
      connected = true;
      // No request begins with this byte, with TLS or without: Bun closes the connection, and no handler hears of it.
      connection.write("\0");
      connection.shutdown();
    },
    data() {},
    close: end,
    error: end,
    connectError: end,
  };
  const to =
    address.family === "unix" ? { unix: pathOf(address) } : { hostname: reachable(address), port: address.port };
  void Bun.connect({ ...to, socket: handlers } as Bun.TCPSocketConnectOptions<undefined>).catch(end);
  // This counts turns of the event loop, and not time, because a handler that takes long is no failure.
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    if ((await Promise.race([over, Bun.sleep(TURN_MS)])) === "over" || !connected) return;
  }
  // Then nobody could accept it. Bun will when it can.
  if (!hasFreeFd()) return;
  throw new Error(`Cannot serve on ${nameOf(address)}: Bun ${Bun.version} accepts no connection there`);
}

// --- internal ---

type Native = ReturnType<typeof nativeOf>;

interface Member {
  server: BunServer;
  /** Its original methods. */
  native: Native;
  /** Set if other processes may have the socket too. */
  listener: Listener | undefined;
}

/** How long, when the server stops, a client that has just connected may take to send its request. */
const GRACE_MS = 200;
const MAX_GRACE_MS = 2000;

/** How long Bun may take to read requests that have arrived. */
const MAX_UNREAD_MS = 10_000;

/** How long a connection to itself may take: two seconds, unless the event loop is busy. */
const MAX_TURNS = 40;
const TURN_MS = 50;

let names = 0;

/** The servers that one server acts for. */
const together = new WeakMap<BunServer, readonly Member[]>();

/** Starts a server on another address, of the same kind, and gives it the socket. */
function serveSocket(fd: number, options: BunOptions, isOneOfSome: boolean): Member {
  const address = getSocketName(fd);
  if (address === undefined) throw new Error(`Cannot serve on fd ${fd}: it is neither a TCP socket nor a unix socket`);
  const { port: _port, hostname: _hostname, unix: _unix, ...others } = allOf(options);
  const elsewhere = {
    inet: { hostname: "127.0.0.1", port: 0 },
    inet6: { hostname: "::1", port: 0 },
    unix: { unix: `\0sd-notify-${process.pid}-${Math.random()}-${names++}` },
  }[address.family];
  // With --hot, servers with the same id are one server. Without an id, their address is their id.
  const id = !isOneOfSome && typeof others.id === "string" ? others.id : `${others.id ?? "sd-notify"}-${fd}`;
  const server = nativeServe({ ...others, ...elsewhere, id } as unknown as BunOptions);
  try {
    const listener = findListener(boundTo(server));
    adoptListener(listener, fd);
    tellAddress(server, address);
    return memberOf(server, listener);
  } catch (error) {
    void server.stop(true);
    throw new Error(`Cannot serve on fd ${fd}, ${nameOf(address)}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/** Returns the options, with those that are inherited, as from a class: Bun takes these too. */
function allOf(options: BunOptions): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  for (let layer: object = options; layer && layer !== Object.prototype; layer = Object.getPrototypeOf(layer)) {
    for (const name of Object.getOwnPropertyNames(layer)) {
      if (!(name in all) && name !== "constructor") all[name] = Reflect.get(options, name);
    }
  }
  return all;
}

/** Returns the address that a server is bound to, according to Bun. */
function boundTo(server: BunServer): BoundAddress {
  const { address } = server as unknown as { address: string | { address: string; family: string; port: number } };
  if (typeof address === "string") return { family: "unix", path: Buffer.from(address) };
  if (address.family !== "IPv6") return { family: "inet", address: address.address, port: address.port };
  return { family: "inet6", address: new URL(`http://[${address.address}]`).hostname.slice(1, -1), port: address.port };
}

/** Makes the server tell the address of the socket. Bun knows only its port, and otherwise what it was started with. */
function tellAddress(server: BunServer, address: BoundAddress): void {
  if (address.family === "unix") {
    const path = pathOf(address);
    define(server, {
      url: new URL(path.startsWith("\0") ? `abstract://${path.slice(1)}` : `unix://${path}`),
      address: path,
    });
    return;
  }
  const { address: hostname, port, family } = address;
  define(server, {
    url: new URL(`${server.protocol ?? "http"}://${family === "inet6" ? `[${hostname}]` : hostname}:${port}/`),
    hostname,
    port,
    address: { address: hostname, family: family === "inet6" ? "IPv6" : "IPv4", port },
  });
}

function memberOf(server: BunServer, listener?: Listener): Member {
  return { server, native: nativeOf(server), listener };
}

function nativeOf(server: BunServer) {
  const { stop, reload, upgrade, publish, subscriberCount, closeIdleConnections, ref, unref } =
    // With --hot, Bun.serve() returns a server whose methods were replaced already.
    Object.getPrototypeOf(server) as BunServer;
  return {
    stop: stop.bind(server),
    reload: reload.bind(server),
    upgrade: upgrade.bind(server),
    publish: publish.bind(server),
    subscriberCount: subscriberCount.bind(server),
    closeIdleConnections: closeIdleConnections.bind(server),
    ref: ref.bind(server),
    unref: unref.bind(server),
  };
}

/** Makes each server act for all: the first one, which the program gets, and those that handlers get. */
function combine(members: readonly Member[], prepare: (options: BunOptions, index: number) => BunOptions): BunServer {
  const { server: first } = members[0] as Member;
  const natives = members.map(({ native }) => native);
  const own = {
    ...stopper(members),
    reload(options: BunOptions) {
      for (const [i, native] of natives.entries()) native.reload(prepare(options, i));
      return first;
    },
    [Symbol.dispose]: () => void own.stop(true),
  };
  const shared = {
    upgrade: (...request: Parameters<BunServer["upgrade"]>) => natives.some((native) => upgradeOwn(native, request)),
    publish(...message: Parameters<BunServer["publish"]>) {
      const sent = natives.map((native) => native.publish(...message));
      return sent.includes(-1) ? -1 : Math.max(...sent);
    },
    subscriberCount: (topic: string) => sum(natives.map((native) => native.subscriberCount(topic))),
    ref() {
      for (const native of natives) native.ref();
    },
    unref() {
      for (const native of natives) native.unref();
    },
  };
  for (const { server } of members) {
    define(server, members.length > 1 ? { ...own, ...shared } : own);
    if (members.length === 1) continue;
    for (const count of ["pendingRequests", "pendingWebSockets"] as const) {
      const prototype = Object.getPrototypeOf(server);
      const get = () => sum(members.map((member) => Reflect.get(prototype, count, member.server)));
      Object.defineProperty(server, count, { get, configurable: true });
    }
  }
  together.set(first, members);
  return first;
}

/** Upgrades a request if it is this server's. Bun throws for another server's request. */
function upgradeOwn({ upgrade }: Native, request: Parameters<BunServer["upgrade"]>): boolean {
  try {
    return upgrade(...request);
  } catch (error) {
    if (error instanceof TypeError && error.message.includes("same server")) return false;
    throw error;
  }
}

/** Returns options with which a websocket's publish() reaches the subscribers of all servers. */
function withRelay(options: BunOptions, others: () => readonly Native[]): BunOptions {
  const { websocket } = options as { websocket?: Bun.WebSocketHandler<unknown> };
  if (typeof websocket !== "object" || websocket === null) return options;
  return {
    ...allOf(options),
    websocket: {
      ...websocket,
      open(socket: Bun.ServerWebSocket<unknown>) {
        for (const method of ["publish", "publishText", "publishBinary"] as const) {
          const publish = socket[method].bind(socket) as (...message: Parameters<Native["publish"]>) => number;
          const all = (...message: Parameters<Native["publish"]>) => {
            for (const other of others()) other.publish(...message);
            return publish(...message);
          };
          Object.defineProperty(socket, method, { value: all, configurable: true, writable: true });
        }
        return websocket.open?.(socket);
      },
    },
  } as unknown as BunOptions;
}

/**
 * stop(): Bun at once ends connections that have no request. One that it has just accepted is such a connection,
 * although its request is on the way. So the server first accepts no more, and gives the existing connections a
 * moment. node:http's close(), and some programs, ask for idle connections to be closed before that. They wait for the
 * same moment.
 */
function stopper(members: readonly Member[]): Pick<BunServer, "stop" | "closeIdleConnections"> {
  let state: "serving" | "waiting" | "stopping" = "serving";
  let stopped: Promise<void> | undefined;
  const stopAll = async (closeActiveConnections: boolean) => {
    state = "stopping";
    await allDone(members.map(async ({ native }) => native.stop(closeActiveConnections)));
  };
  const drain = async () => {
    state = "waiting";
    const listeners = members.flatMap(({ listener }) => listener ?? []);
    // Without one, the port is free at once, as with Bun's own stop().
    try {
      if (listeners.length > 0) await waitForRequests(listeners);
    } finally {
      await stopAll(false);
    }
  };
  const closeIdle = () => sum(members.map(({ native }) => native.closeIdleConnections()));
  return {
    stop(closeActiveConnections = false) {
      if (!closeActiveConnections) {
        stopped ??= drain();
        return stopped;
      }
      const ended = stopAll(true);
      stopped ??= ended;
      return ended;
    },
    closeIdleConnections() {
      if (state === "stopping" || !members.some(({ listener }) => listener)) return closeIdle();
      // A caller that is going to stop the server next does so in this turn.
      queueMicrotask(() => {
        if (state === "serving") closeIdle();
      });
      return 0;
    },
  };
}

/** Accepts no more connections, and waits for requests on those that were accepted. */
async function waitForRequests(listeners: readonly Listener[]): Promise<void> {
  for (const listener of listeners) pauseListener(listener);
  let before = Number.POSITIVE_INFINITY;
  for (let waitedMs = 0; waitedMs < MAX_UNREAD_MS; waitedMs += GRACE_MS) {
    const connections = connectionsIfKnown(listeners);
    // On a busy machine clients are late, so others may be about to send their request.
    const isFewer = connections === undefined || (connections.length > 0 && connections.length < before);
    const mayCome = isFewer && waitedMs < MAX_GRACE_MS;
    // The event loop is late too. If a connection is closed before its data are read, they are lost.
    if (!mayCome && !connections?.some(hasUnread)) break;
    before = connections?.length ?? before;
    await Bun.sleep(GRACE_MS);
  }
}

function hasFreeFd(): boolean {
  try {
    close(socket(AF_UNIX, SOCK_STREAM));
    return true;
  } catch {
    return false;
  }
}

/** Returns undefined if there is no fd left to read /proc. */
function connectionsIfKnown(listeners: readonly Listener[]): number[] | undefined {
  try {
    return listeners.flatMap(connectionsOf);
  } catch {
    return undefined;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

function define(server: BunServer, properties: Record<string | symbol, unknown>): void {
  for (const name of Reflect.ownKeys(properties)) {
    Object.defineProperty(server, name, { value: properties[name], configurable: true, writable: true });
  }
}

function pathOf({ path }: { path: Uint8Array }): string {
  return new TextDecoder().decode(path);
}

/** Returns the loopback address in place of the address of all interfaces. */
function reachable({ address }: { address: string }): string {
  return address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
}

function nameOf(address: BoundAddress): string {
  if (address.family === "unix") return JSON.stringify(pathOf(address));
  return address.family === "inet6" ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
