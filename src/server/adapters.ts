/** One interface for the servers of Bun, of Node.js and of frameworks: listening, draining and ending. */

import { mustBe } from "../protocol/check.ts";
import type { Load } from "./status.ts";

/**
 * Anything that can be stopped: the server of Bun.serve(), Bun.listen(), serve(), node:http or a framework.
 *
 * @example
 * const server: StoppableServer = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });
 * manageServer(server);
 */
export type StoppableServer =
  | { stop(closeActiveConnections?: boolean): unknown }
  | { close(callback?: () => void): unknown; closeAllConnections?(): void }
  | { close(closeActiveConnections?: boolean): unknown };

/** One server, of any kind. */
export interface Adapter {
  /** Resolves once it listens. */
  whenListening(): Promise<void>;
  /** Where it listens: a URL, a path or an address; undefined if it does not tell. */
  where(): string | undefined;
  load(): Load;
  /** Accepts no more connections. Resolves when the requests in flight are answered. */
  drain(): Promise<void>;
  /** Ends what is left. */
  closeNow(): void;
}

/** Adapts a server. @throws TypeError that names the cure, if the value is no server. */
export function adapt(server: unknown): Adapter {
  if (!isObject(server)) throw mustBe("manage the server", "the server", "one that has stop() or close()", server);
  if (typeof server.stop !== "function" && typeof server.close !== "function") throw notAServer(server);
  return {
    whenListening: () => whenListening(server),
    where: () => where(server),
    load() {
      const bun = bunServer(server);
      return { requests: bun?.pendingRequests, websockets: bun?.pendingWebSockets ?? 0 };
    },
    drain: () => drain(server),
    closeNow: () => closeNow(server),
  };
}

/**
 * Whether a function is an application of a framework such as express or connect, rather than one that makes a server.
 */
export function isApplication(value: unknown): boolean {
  return typeof value === "function" && ["listen", "close", "stop", "handle"].some((name) => name in value);
}

/** Returns the load of several servers together. */
export function totalLoad(adapters: readonly Adapter[]): Load {
  const loads = adapters.map((adapter) => adapter.load());
  const counted = loads.flatMap(({ requests }) => requests ?? []);
  return {
    requests: counted.length === 0 ? undefined : sum(counted),
    websockets: sum(loads.map(({ websockets }) => websockets)),
  };
}

// --- internal ---

/** The properties that adapt() looks for in a server of any kind. */
interface AnyServer {
  stop?(closeActiveConnections?: boolean): unknown;
  close?(argument?: unknown): unknown;
  /** Of Bun.serve(), and serve() of this package. */
  pendingRequests?: number;
  pendingWebSockets?: number;
  url?: unknown;
  unix?: unknown;
  hostname?: string;
  port?: unknown;
  /** Of node:net and node:http. */
  listening?: boolean;
  address?(): unknown;
  once?(event: string, listener: () => void): unknown;
  prependListener?(event: string, listener: (request: unknown, response: Response) => void): unknown;
  closeIdleConnections?(): void;
  closeAllConnections?(): void;
  /** The server under a framework's application: fastify, elysia. */
  server?: AnyServer | null;
  /** srvx and h3. */
  bun?: { server?: AnyServer };
  node?: { server?: AnyServer };
}

interface Response {
  headersSent: boolean;
  setHeader(name: string, value: string): unknown;
}

/** How often idle connections are closed. The first interval gives a new connection a moment to send its request. */
const IDLE_INTERVAL_MS = 25;

/** Returns the server of Bun that this one is, or is built on. */
function bunServer(server: AnyServer): AnyServer | undefined {
  return layers(server).find(({ pendingRequests }) => typeof pendingRequests === "number");
}

/** Returns the server of node:http that this one is, or is built on. */
function nodeServer(server: AnyServer): AnyServer | undefined {
  return layers(server).find(({ closeIdleConnections }) => typeof closeIdleConnections === "function");
}

function layers(server: AnyServer): AnyServer[] {
  return [server, server.server, server.bun?.server, server.node?.server].filter((layer) => isObject(layer));
}

function isObject(value: unknown): value is AnyServer {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** Bun's servers listen from the start. A server of Node.js listens after listen(). */
async function whenListening(server: AnyServer): Promise<void> {
  const waiting = layers(server).find(({ listening, once }) => listening === false && typeof once === "function");
  if (!waiting) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  waiting.once?.("listening", resolve);
  await promise;
}

function where(server: AnyServer): string | undefined {
  for (const layer of layers(server)) {
    const { url, unix, hostname, port } = layer;
    if (typeof url === "string" || url instanceof URL) return `${url}`;
    if (typeof unix === "string" && unix !== "") return unix;
    if (typeof port === "number") return `${hostname}:${port}`;
    const bound = typeof layer.address === "function" ? layer.address() : undefined;
    if (typeof bound === "string") return bound;
    if (isAddress(bound)) return `${bound.address.includes(":") ? `[${bound.address}]` : bound.address}:${bound.port}`;
  }
  return undefined;
}

function isAddress(value: unknown): value is { address: string; port: number } {
  return isObject(value) && "address" in value && typeof value.address === "string";
}

async function drain(server: AnyServer): Promise<void> {
  const node = nodeServer(server);
  if (!node) return finish(server);
  // A client that keeps its connection busy should open its next one elsewhere.
  node.prependListener?.("request", (_, response) => {
    if (!response.headersSent) response.setHeader("connection", "close");
  });
  const closed = finish(server);
  // In Bun, connections that become idle after close() stay open for 5 seconds and more (no issue filed).
  const timer = setInterval(() => node.closeIdleConnections?.(), IDLE_INTERVAL_MS);
  try {
    await closed;
  } finally {
    clearInterval(timer);
  }
}

/** Calls the server's own stop() or close(), and waits for it: by its promise, or its callback. */
async function finish(server: AnyServer): Promise<void> {
  if (server.stop) return void (await server.stop());
  // A server of Node.js calls back. For other servers, such as srvx, an argument would mean that they close at once.
  if (typeof server.once !== "function") return void (await server.close?.());
  const { promise, resolve } = Promise.withResolvers<void>();
  // An error means that it does not listen.
  server.close?.(() => resolve());
  await promise;
}

/** Ends what is left, in each layer that can. A layer that has ended already may throw an error. */
function closeNow(server: AnyServer): void {
  for (const layer of layers(server)) {
    void (async () => layer.stop?.(true))().catch(() => {});
    void (async () => layer.closeAllConnections?.())().catch(() => {});
  }
}

function notAServer(server: object): TypeError {
  const cure =
    "listen" in server
      ? "pass what its listen() returns"
      : "fetch" in server
        ? "it is an application: pass the server, as in manageServer(Bun.serve(app))"
        : "pass the server of Bun.serve(), of node:http or of a framework";
  return new TypeError(`Cannot manage the server: it has neither stop() nor close(): ${cure}`);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
