/** Probes: one attempt to find out whether a program is there. It resolves if so, and otherwise throws the reason. */

import {
  AF_UNIX,
  EAGAIN,
  EPROTOTYPE,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/errno.ts";
import { SUN_PATH_SIZE } from "../../../ffi/layouts.ts";
import * as sys from "../../../ffi/syscalls.ts";
import { node } from "../../bun/node.ts";
import { startTimer } from "../../bun/timers.ts";
import { childEnv } from "../../child-env.ts";
import { UsageError } from "../../console/usage-error.ts";
import { signalName } from "../../linux/signals.ts";
import { type Address, parseAddress } from "../../protocol/address.ts";
import { shorten } from "../../protocol/shorten.ts";
import { errorLine } from "../../report.ts";
import { onAbort } from "../abort.ts";
import { runShell } from "./shell.ts";

export interface Probe {
  /** What is waited for, in a status. */
  name: string;
  /** @throws whatever, fit for whyNot(). It ends soon after the signal is aborted. */
  attempt(signal: AbortSignal): Promise<void>;
}

/** `http://HOST[:PORT]/PATH`, https too, or `http://unix:/SOCKET:/PATH`: a status of 2xx. */
export function httpProbe(text: string): Probe {
  const [, unix, path = "/"] = /^http:\/\/unix:(\/[^:]+)(?::(\/.*))?$/.exec(text) ?? [];
  const url = unix === undefined ? text : `http://localhost${path}`;
  if (!URL.canParse(url) || !/^https?:/.test(url)) throw new UsageError("it is no URL such as http://localhost:3000/");
  return {
    name: text,
    async attempt(signal) {
      dropProxies();
      const response = await fetch(url, {
        signal,
        redirect: "manual",
        keepalive: false,
        headers: { "User-Agent": "sd-notify", Connection: "close" },
        // The certificate is for the name that others use.
        tls: { rejectUnauthorized: false },
        ...(unix !== undefined && { unix }),
      });
      await readSome(response, signal);
      if (response.status < 200 || response.status > 299) throw new Error(`HTTP ${response.status}`);
    },
  };
}

/** `HOST:PORT`, `[IPV6]:PORT`, or a port of localhost: it takes a connection. */
export function tcpProbe(text: string): Probe {
  const [, ipv6, name, digits] = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  if (!(port >= 1 && port <= 65_535)) throw new UsageError("it is no HOST:PORT such as localhost:5432");
  const host = ipv6 || name || "localhost";
  return {
    name: `${ipv6 ? `[${ipv6}]` : host}:${port}`,
    async attempt(signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const socket = node.net.connect({ host, port });
      using _ = onAbort(signal, () => reject(signal.reason));
      socket.on("connect", () => resolve()).on("error", reject);
      try {
        await promise;
      } finally {
        socket.destroy();
      }
    },
  };
}

/** A path, or `@NAME`: a socket that listens, or receives datagrams. */
export function unixProbe(text: string): Probe {
  // A relative path too: the address has to begin with a slash.
  const { path } = parseUnixAddress(text);
  return {
    name: text,
    async attempt() {
      using near = nearby(path);
      let why: unknown;
      for (const type of [SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM]) {
        const fd = sys.socket(AF_UNIX, type | SOCK_NONBLOCK);
        try {
          return sys.connect(fd, { family: "unix", path: near.path }, text);
        } catch (error) {
          if (isErrno(error, EAGAIN)) throw new Error("it takes no more connections");
          // The kernel says this of another type. An abstract name of another type counts as missing.
          if (!isErrno(error, EPROTOTYPE)) why ??= error;
        } finally {
          sys.close(fd);
        }
      }
      throw why;
    },
  };
}

/** A path: something is there. */
export function fileProbe(path: string): Probe {
  return {
    name: path,
    async attempt() {
      node.fs.statSync(path);
    },
  };
}

/**
 * A command line for /bin/sh: it passes if it exits with 0. It and its process group are killed if it takes too long
 * or leaves others behind.
 */
export function execProbe(line: string): Probe {
  const env = childEnv();
  return {
    name: line,
    async attempt(signal) {
      const end = await runShell(line, env, signal);
      if ("code" in end && end.code === 0) return;
      const how = "code" in end ? `exit status ${end.code}` : `killed by ${signalName(end.signal)}`;
      throw new Error(end.line === "" ? how : `${how}: ${end.line}`);
    },
  };
}

/** Says in a few words, on one line, why an attempt failed. */
export function whyNot(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return shorten((typeof code === "string" && WORDS[code]) || errorLine(error), MAX_WHY_LENGTH);
}

// --- internal ---

/** People read a status in one line of `systemctl status`. */
const MAX_WHY_LENGTH = 200;

/** How much of an answer is read, and how long. */
const MAX_BODY_LENGTH = 65_536;
const MAX_BODY_MS = 500;

/** Bun's own texts for these errors are meant for people who use fetch(). */
const WORDS: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection closed",
  ECONNABORTED: "connection closed",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ENOTFOUND: "host not found",
  ENOENT: "no such file",
  ENOTSOCK: "it is no socket",
  EACCES: "permission denied",
};

/** A probe asks the program itself. fetch() reads these at each call, and CMD has had its copy. */
function dropProxies(): void {
  for (const name of ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"]) delete process.env[name];
}

/** Reads the answer, because many servers log a client that hangs up. But the answer may be long or endless. */
async function readSome({ body }: Response, signal: AbortSignal): Promise<void> {
  if (body === null) return;
  const reader = body.getReader();
  const end = () => void reader.cancel().catch(() => {});
  using _time = startTimer(MAX_BODY_MS, end);
  using _aborting = onAbort(signal, end);
  try {
    for (let length = 0; length < MAX_BODY_LENGTH; ) {
      const { done, value } = await reader.read();
      if (done) return;
      length += value.length;
    }
  } catch {
    // It has answered: what counts is the status.
  } finally {
    end();
  }
}

/** A name for a socket's path that fits into sun_path: /proc has a short one for every open file. */
function nearby(path: Uint8Array): Disposable & { path: Buffer } {
  if (path.length < SUN_PATH_SIZE || path[0] === 0) return { path: Buffer.from(path), [Symbol.dispose]: () => {} };
  const file = sys.openPath(Buffer.from(path).toString());
  return { path: Buffer.from(`/proc/self/fd/${file}`), [Symbol.dispose]: () => sys.close(file) };
}

function parseUnixAddress(text: string): Extract<Address, { family: "unix" }> {
  const address = parseAddress(/^[/@]/.test(text) ? text : `${process.cwd()}/${text}`, "the socket");
  if (address.family !== "unix") throw new UsageError("it is no path");
  return address;
}
