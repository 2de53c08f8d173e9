/** Bun.serve() for a program that doesn't know passed sockets. It gets them, or its own goes into the fd store. */

import { SHUT_RDWR } from "../../ffi/constants.ts";
import { listen } from "../../ffi/process.ts";
import { close, shutdown } from "../../ffi/syscalls.ts";
import { barrierSync } from "../barrier.ts";
import { nativeServe } from "../bun/native-serve.ts";
import { isHot } from "../bun/singleton.ts";
import { attempt } from "../report.ts";
import {
  type BunOptions,
  type BunServer,
  listenerOf,
  serveAlone,
  serveSockets,
  unshare,
  whenStopped,
} from "../server/adopted-server.ts";
import { removeFds, storeFds } from "../server/fd-store.ts";
import { allListeners } from "../server/passed-listeners.ts";
import { describe, keyOf, type Place, placeOf } from "../server/place.ts";
import { servedPlaces } from "../server/served-places.ts";
import {
  discard,
  isAt,
  isInTheWay,
  isOf,
  isServedAnywhere,
  isStored,
  type Passed,
  storedName,
} from "../server/stored-sockets.ts";
import { openUnixListener, removeSocket } from "../server/unix-listener.ts";
import type { Settings } from "./settings.ts";
import { choose, OWNER } from "./sockets.ts";

export class Opener {
  /** Set when the process is about to end. The sockets that it has stored are for its next start. */
  isStopping = false;
  readonly #sockets: Settings["sockets"];
  readonly #tell: (why: string) => void;
  #passed: Passed[] | undefined;
  /** The servers whose sockets are in the fd store, and their names there. */
  readonly #inStore = new Map<BunServer, string>();
  /** The places of stopped servers, which the manager may not have closed yet. */
  readonly #forgotten = new Set<string>();

  constructor(sockets: Settings["sockets"], tell: (why: string) => void) {
    this.#sockets = sockets;
    this.#tell = tell;
  }

  /**
   * Hides from the program the sockets that register has stored. Some programs, such as SvelteKit's server, take
   * $LISTEN_FDS as their own and listen nowhere else. The manager passes stored sockets after those of units.
   */
  hideStored(): void {
    const { LISTEN_FDS, LISTEN_FDNAMES } = process.env;
    const names = LISTEN_FDNAMES?.split(":") ?? [];
    const isLastOwn = () => isOf(OWNER, { name: names.at(-1) ?? "" });
    if (LISTEN_FDS === undefined || !isLastOwn()) return;
    this.#all();
    while (isLastOwn()) names.pop();
    if (names.length > 0)
      Object.assign(process.env, { LISTEN_FDS: `${names.length}`, LISTEN_FDNAMES: names.join(":") });
    else for (const name of ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "LISTEN_PIDFDID"]) delete process.env[name];
  }

  /**
   * Opens the server for a call of Bun.serve().
   *
   * @throws what Bun.serve() throws, and SyntaxError when it can't be known which passed socket is meant.
   */
  open(options: BunOptions): BunServer {
    // If it is not an object, Bun throws its own error.
    if (typeof options !== "object" || options === null) return nativeServe(options);
    const place = placeOf(options);
    const key = `register ${keyOf(place)}`;
    const earlier = isHot() ? servedPlaces().get(key) : undefined;
    if (earlier) return earlier.server.reload(options) as BunServer;
    const free = this.#free();
    const all = this.#all().filter((passed) => !isStored(passed));
    // fastify asks for each address of localhost in turn. Its first server has got all sockets already.
    const isServed = all.some((passed) => isAt(passed, place) && !free.includes(passed));
    const { fds, notice } = choose(place, free, all.length > 0 && !isServed, this.#sockets);
    if (notice !== undefined) this.#tell(notice);
    if (fds.length === 0) return this.#openOwn(options, place);
    if (hasHttp3(options)) this.#tell(`HTTP/3 is off for ${describe(place)}: it has no passed socket, which is TCP`);
    const server = serveSockets(fds, options, withoutHttp3);
    const served = servedPlaces();
    for (const place of [key, ...fds]) served.set(place, { server, evaluation });
    const stored = free.filter((passed) => isStored(passed) && fds.includes(passed.fd));
    for (const { name } of stored) this.#inStore.set(server, name);
    whenStopped(server, () => {
      for (const place of [key, ...fds]) served.delete(place);
      if (stored.length > 0) this.#forget(server, place, stored);
    });
    return server;
  }

  /** The passed sockets that have a server in this thread. */
  get served(): number[] {
    const free = this.#free();
    return (this.#passed ?? []).filter((passed) => !free.includes(passed)).map(({ fd }) => fd);
  }

  /** Drops sockets that earlier starts stored and this one has not asked for, so that clients are refused. */
  dropLeftovers(): void {
    const stored = this.#unserved();
    this.#drop(stored);
    if (stored.length === 0) return;
    // There may have been no room for these. PID 1 keeps one of several equal fds.
    for (const [server, name] of this.#inStore) attempt(this.#onError, () => storeFds([listenerOf(server)], { name }));
  }

  /** The passed sockets that nobody serves. A client that connects there waits for ever. */
  leftovers(): Passed[] {
    return this.#sockets === "none" ? [] : this.#free().filter((passed) => !isStored(passed));
  }

  #all(): Passed[] {
    this.#passed ??= allListeners((error) => this.#tell(`${error instanceof Error ? error.message : error}`));
    return this.#passed;
  }

  #free(): Passed[] {
    const served = servedPlaces();
    return this.#all().filter(({ fd }) => !served.has(fd));
  }

  #openOwn(options: BunOptions, place: Place): BunServer {
    const inTheWay = this.#unserved().filter((passed) => isInTheWay(passed, place));
    this.#drop(inTheWay);
    const wasHere = this.#forgotten.delete(keyOf(place)) || inTheWay.length > 0;
    // The manager has it until it has closed the socket. A port is free already.
    if (wasHere && keyOf(place).startsWith("@")) this.#waitForManager();
    // "Any free port" would be another port after a restart, so nobody would look for the old one.
    const isFixed = "path" in place || place.port !== 0;
    // A worker doesn't see what was stored, and doesn't know which other worker has it.
    const isKept = process.env.NOTIFY_SOCKET !== undefined && isFixed && Bun.isMainThread && !hasHttp3(options);
    if (!isKept) return serveAlone(options, unchanged);
    return "path" in place ? this.#openPath(options, place) : this.#openPort(options, place);
  }

  #openPort(options: BunOptions, place: Place): BunServer {
    const server = serveAlone(options, unchanged);
    try {
      const fd = listenerOf(server);
      // Bun's queue has room for only 512 connections, and more may wait during a restart.
      listen(fd);
      this.#store(fd, place, server);
    } catch (error) {
      this.#onError(error);
    }
    return server;
  }

  /** Bun.serve() would remove the path when it stops, but the next start needs it. */
  #openPath(options: BunOptions, place: Place & { path: string }): BunServer {
    let fd: number;
    try {
      fd = openUnixListener(place.path);
    } catch {
      // Do the same as without register, with Bun's own error or none.
      return serveAlone(options, unchanged);
    }
    let server: BunServer | undefined;
    try {
      server = serveSockets([fd], options, unchanged);
      this.#store(fd, place, server);
      return server;
    } catch (error) {
      if (server) this.#onError(error);
      else removeSocket(place.path);
      return server ?? serveAlone(options, unchanged);
    } finally {
      close(fd);
    }
  }

  #store(fd: number, place: Place, server: BunServer): void {
    const name = storedName(OWNER, place);
    storeFds([fd], { name });
    this.#inStore.set(server, name);
    whenStopped(server, () => this.#forget(server, place));
  }

  /** The program has stopped a server, but goes on running: clients are to be refused, as without register. */
  #forget(server: BunServer, place: Place, stored: readonly Passed[] = []): void {
    if (this.isStopping) return;
    this.#inStore.delete(server);
    attempt(this.#onError, () => shutdown(listenerOf(server), SHUT_RDWR));
    unshare(server);
    if ("path" in place) removeSocket(place.path);
    attempt(this.#onError, () => removeFds(storedName(OWNER, place)));
    this.#drop(stored);
    this.#forgotten.add(keyOf(place));
  }

  /** What was stored, and has no server in this thread or another. */
  #unserved(): Passed[] {
    return this.#free().filter((passed) => isStored(passed) && !isServedAnywhere(passed));
  }

  #drop(stored: readonly Passed[]): void {
    discard(stored, this.#onError);
    this.#passed = this.#all().filter((passed) => !stored.includes(passed));
  }

  #waitForManager(): void {
    attempt(this.#onError, barrierSync);
  }

  /** If the unit asks for no fd store, nobody misses it. */
  readonly #onError = (error: unknown): void => {
    if (process.env.FDSTORE === undefined) return;
    this.#tell(`Cannot keep the socket for a restart: ${error instanceof Error ? error.message : error}`);
  };
}

// --- internal ---

const evaluation = Symbol("register");

function unchanged(options: BunOptions): BunOptions {
  return options;
}

function hasHttp3(options: BunOptions): boolean {
  return Boolean((options as { http3?: unknown }).http3);
}

function withoutHttp3(options: BunOptions): BunOptions {
  return hasHttp3(options) ? Object.create(options, { http3: { value: false, enumerable: true } }) : options;
}
