/** $NOTIFY_SOCKET: text to address. */

import { PATH_MAX, VMADDR_CID_ANY, VMADDR_PORT_ANY } from "../../ffi/constants.ts";
import { SUN_PATH_SIZE } from "../../ffi/layouts.ts";
import { parseUnsigned } from "./numbers.ts";

/**
 * Where notifications go. `path` is sun_path without its terminating NUL, and an abstract name begins with a NUL. A
 * path may be longer than sun_path. A vsock address without a type gets the first type that works.
 */
export type Address =
  | { family: "unix"; path: Uint8Array }
  | { family: "vsock"; type?: "stream" | "dgram" | "seqpacket"; cid: number; port: number };

/**
 * Parses `/path`, `@abstract`, `vsock:CID:PORT`, `vsock-stream:CID:PORT`, `vsock-dgram:CID:PORT` or
 * `vsock-seqpacket:CID:PORT`. The error names `source` as the origin of the text.
 *
 * @throws SyntaxError that quotes the text, if it is none of these.
 * @see sd_notify(3), section ENVIRONMENT
 */
export function parseAddress(text: string, source: string): Address {
  const bad = (why: string) => new SyntaxError(`Cannot use ${source} ${JSON.stringify(text)}: ${why}`);
  if (text === "") throw bad("it is empty");
  if (text.includes("\0")) throw bad("it contains a NUL");
  if (text[0] === "/" || text[0] === "@") {
    const path = new TextEncoder().encode(text);
    if (path.length < 2) throw bad(`nothing follows the ${text}`);
    if (text[0] === "/") {
      if (path.length >= PATH_MAX) throw bad(`a path has at most ${PATH_MAX - 1} bytes, not ${path.length}`);
    } else {
      if (path.length > SUN_PATH_SIZE) {
        throw bad(`an abstract name has at most ${SUN_PATH_SIZE - 1} bytes, not ${path.length - 1}`);
      }
      path[0] = 0;
    }
    return { family: "unix", path };
  }
  const [, scheme, rest] = /^([a-z-]+):(.*)$/s.exec(text) ?? [];
  if (scheme === undefined || rest === undefined || !Object.hasOwn(VSOCK_TYPES, scheme)) {
    throw bad("it must be /path, @name or vsock:CID:PORT");
  }
  const [cid, port, ...more] = rest.split(":");
  if (cid === undefined || port === undefined || more.length > 0) throw bad(`it must be ${scheme}:CID:PORT`);
  const address = { cid: uint32(cid), port: uint32(port) };
  if (address.cid === undefined)
    throw bad(`${JSON.stringify(cid)} is no CID, a number from 0 to ${VMADDR_CID_ANY - 1}`);
  if (address.port === undefined) {
    throw bad(`${JSON.stringify(port)} is no port, a number from 0 to ${VMADDR_PORT_ANY - 1}`);
  }
  const type = VSOCK_TYPES[scheme];
  return { family: "vsock", ...(type && { type }), cid: address.cid, port: address.port };
}

// --- internal ---

const VSOCK_TYPES: Record<string, "stream" | "dgram" | "seqpacket" | undefined> = {
  vsock: undefined,
  "vsock-stream": "stream",
  "vsock-dgram": "dgram",
  "vsock-seqpacket": "seqpacket",
};

/** Reads a CID or a port: 32 bits, and not -1U, which means "any". */
function uint32(text: string): number | undefined {
  const value = parseUnsigned(text);
  return value !== undefined && value < BigInt(VMADDR_CID_ANY) ? Number(value) : undefined;
}
