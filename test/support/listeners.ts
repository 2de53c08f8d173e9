/** Listening sockets as a service manager opens them: nobody accepts from them until they are passed. */

import { AF_UNIX, SOCK_STREAM } from "../../ffi/constants.ts";
import { check } from "../../ffi/errno.ts";
import { processLibc } from "../../ffi/process-libc.ts";
import * as sys from "../../ffi/syscalls.ts";

export interface TestListener extends Disposable {
  fd: number;
  /** What fetch() and WebSocket take. */
  url: string;
  /** The path of a unix socket. */
  unix?: string;
}

/** Listens on any port of a loopback address, or on one. */
export function tcpListener(hostname = "127.0.0.1", port = 0): TestListener {
  const listener = Bun.listen({ port, hostname, socket: { data() {} } });
  const fd = sys.duplicate((listener as unknown as { fd: number }).fd);
  // Not a turn of the event loop has passed, so it has accepted nothing.
  listener.stop();
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return { fd, url: `http://${host}:${listener.port}/`, [Symbol.dispose]: () => sys.close(fd) };
}

/** A port that nobody listens on, just now. */
export function freePort(): number {
  using socket = tcpListener();
  return Number(new URL(socket.url).port);
}

/** Listens on a path: blocking, as systemd's are by default. */
export function unixListener(path: string, backlog = 4096): TestListener {
  const fd = sys.socket(AF_UNIX, SOCK_STREAM, path);
  sys.bind(fd, { family: "unix", path: Buffer.from(path) }, path);
  check(processLibc().listen(fd, backlog), "listen", path);
  return { fd, url: "http://localhost/", unix: path, [Symbol.dispose]: () => sys.close(fd) };
}
