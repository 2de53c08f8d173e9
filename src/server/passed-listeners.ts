/** Which of the passed sockets a server takes. If there are any, the server never silently opens another port. */

import { FFIUnavailableError } from "../../ffi/errors.ts";
import { libc } from "../../ffi/libc.ts";
import { getSocketName } from "../../ffi/process.ts";
import { SD_LISTEN_FDS_START } from "../protocol/systemd.ts";
import type { OnError } from "../report.ts";
import { kindOf, type ListenFd, listenFds } from "./listen-fds.ts";
import type { Place } from "./place.ts";
import { isStored, isUsable, type Passed } from "./stored-sockets.ts";

/**
 * Returns what a server takes of the listening sockets: all that units passed by this name, such as IPv4 and IPv6 of
 * one unit; otherwise the only one that a unit passed and that is not served yet; otherwise the one that was stored for
 * its place. So a restart does the same as a first start, which has no stored ones.
 *
 * @returns an empty array if there is none.
 * @throws SyntaxError if it can't be known which one is meant.
 */
export function chooseListeners(
  name: string,
  place: Place,
  listeners: readonly Passed[],
  isServed: (fd: number) => boolean,
): Passed[] {
  const passed = listeners.filter((listener) => !isStored(listener));
  const named = passed.filter((listener) => listener.name === name);
  const twice = named.find(({ fd }) => isServed(fd));
  if (twice)
    throw new SyntaxError(`Cannot serve: fd ${twice.fd}, "${name}", is served already: give each server a name`);
  if (named.length > 0) return named;
  const others = passed.filter(({ fd }) => !isServed(fd));
  if (others.length === 1) return others;
  const own = listeners.find((listener) => !isServed(listener.fd) && isUsable(listener, ownerOf(name), place));
  if (own || others.length === 0) return own ? [own] : [];
  const names = others.map((other) => JSON.stringify(other.name)).join(", ");
  throw new SyntaxError(
    `Cannot serve: no passed socket is named ${JSON.stringify(name)}, but there are ${names}: set ` +
      `FileDescriptorName=${name} in the .socket unit, or serve({ name })`,
  );
}

/** How the fd store names what belongs to a server of serve(). */
export function ownerOf(name: string): string {
  return `serve ${name}`;
}

/**
 * Returns all listening stream sockets that were passed.
 *
 * @throws SyntaxError if the environment can't be read, or if they were passed to another process;
 *   FFIUnavailableError if there are some, and libc can't be called.
 */
export function allListeners(onError: OnError): Passed[] {
  const passed = listenFds();
  if (passed.length === 0) checkReceiver(onError);
  const listeners = passed.filter(isListener);
  if (listeners.length > 0) checkLibc();
  return listeners.map(({ fd, name }) => ({ fd, name, address: getSocketName(fd) }));
}

// --- internal ---

function isListener(passed: ListenFd): boolean {
  return passed.kind === "socket" && passed.type === "stream" && passed.listening;
}

/** Without libc, none can be taken: says so by what the unit asks for, which names no libc. */
function checkLibc(): void {
  try {
    libc();
  } catch (error) {
    if (error instanceof FFIUnavailableError) {
      error.message = error.message.replace(/^Cannot call libc/, "Cannot serve on the passed socket");
    }
    throw error;
  }
}

/**
 * Reports sockets that were passed to another process. As a rule, that is a shell that has started this process as its
 * child.
 *
 * @throws SyntaxError if this process has them all the same.
 */
function checkReceiver(onError: OnError): void {
  const { LISTEN_FDS: count = "0", LISTEN_PID: pid } = process.env;
  if (!(Number(count) > 0) || pid === undefined) return;
  const error = new SyntaxError(
    `Cannot serve on the passed socket: $LISTEN_PID is ${pid}, and this process is ${process.pid}. If a shell ` +
      `starts it, use exec: ExecStart=sh -c 'exec bun …'`,
  );
  if (isHere()) throw error;
  // If a server was passed sockets, its child has the variables too, unless it was started with childEnv().
  onError(error);
}

function isHere(): boolean {
  try {
    const kind = kindOf(SD_LISTEN_FDS_START);
    return kind.kind === "socket" && kind.listening;
  } catch {
    return false;
  }
}
