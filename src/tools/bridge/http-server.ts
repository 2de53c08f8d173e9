/**
 * A server for probes. Anybody may be a client, so each gets one short request, a few seconds, and one of a few
 * places. (Bun.serve() has no limit for connections. Its only time limit is for idleness, so a client that sends a
 * byte now and then would keep a file descriptor.)
 */

import { openUnixListener, removeSocket } from "../../server/unix-listener.ts";
import { MAX_HEADER_LENGTH, type Response, readRequest, writeResponse } from "./http-request.ts";

/** Where it listens. */
export type Place = { host: string; port: number } | { path: string };

export interface HttpServer extends Disposable {
  /** The port that was chosen if 0 was asked for. */
  port: number;
}

/** Answers requests by their path. @throws Error that names the place, when it can't listen there. */
export function serveHttp(place: Place, answer: (path: string) => Response | undefined): HttpServer {
  const clients = new Set<Client>();
  const socket: Bun.SocketHandler<Client> = {
    open(socket) {
      const client: Client = { socket, received: Buffer.alloc(0), rest: Buffer.alloc(0), isAnswered: false };
      client.deadline = setTimeout(() => socket.terminate(), DEADLINE_MS);
      socket.data = client;
      clients.add(client);
      const [oldest] = clients;
      if (clients.size > MAX_CLIENTS) oldest?.socket.terminate();
    },
    data({ data: client }, bytes) {
      if (client.isAnswered) return;
      client.received = Buffer.concat([client.received, bytes.subarray(0, MAX_HEADER_LENGTH)]);
      respond(client, answer);
    },
    drain({ data: client }) {
      flush(client);
    },
    close({ data: client }) {
      clearTimeout(client.deadline);
      clients.delete(client);
    },
    error({ data: client }) {
      client.socket.terminate();
    },
  };
  if ("path" in place) {
    const fd = openUnixListener(place.path);
    // (Bun's type has no fd.)
    const server = Bun.listen<Client>({ fd, socket } as unknown as Bun.UnixSocketOptions<Client>);
    const close = () => {
      server.stop(true);
      removeSocket(place.path);
    };
    return { port: 0, [Symbol.dispose]: close };
  }
  const server = listenTcp(place, socket);
  return { port: server.port, [Symbol.dispose]: () => server.stop(true) };
}

// --- internal ---

interface Client {
  socket: Bun.Socket<Client>;
  received: Buffer;
  /** What is still to be written. */
  rest: Buffer;
  isAnswered: boolean;
  deadline?: Timer;
}

/** How long a connection may last in all. */
const DEADLINE_MS = 5000;

/** If there are more, the oldest connection is closed. */
const MAX_CLIENTS = 64;

function listenTcp({ host, port }: { host: string; port: number }, socket: Bun.SocketHandler<Client>) {
  try {
    return Bun.listen<Client>({ hostname: host, port, socket });
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new Error(`Cannot listen on ${host} port ${port}: ${WORDS[code] ?? (code || (error as Error).message)}`);
  }
}

const WORDS: Record<string, string> = {
  EADDRINUSE: "another program does",
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "permission denied",
};

function respond(client: Client, answer: (path: string) => Response | undefined): void {
  const request = readRequest(client.received);
  if (request === "incomplete") return;
  client.isAnswered = true;
  client.received = Buffer.alloc(0);
  if ("status" in request) client.rest = writeResponse(request, true);
  else client.rest = writeResponse(answer(request.path) ?? NOT_FOUND, request.method !== "HEAD");
  flush(client);
}

function flush(client: Client): void {
  if (!client.isAnswered) return;
  client.rest = client.rest.subarray(Math.max(0, client.socket.write(client.rest)));
  if (client.rest.length === 0) client.socket.end();
}

const NOT_FOUND: Response = { status: 404, body: "here are /livez, /readyz, /startupz, /status and /metrics\n" };
