/** Gathers what only this very process can find out: whether it could send. */

import { FFIUnavailableError } from "../../../ffi/errors.ts";
import { libc } from "../../../ffi/libc.ts";
import { close } from "../../../ffi/syscalls.ts";
import { callerPid } from "../../bun/caller.ts";
import { explain } from "../../console/explain.ts";
import { nameOf, readText } from "../../linux/proc.ts";
import { type Address, parseAddress } from "../../protocol/address.ts";
import { connect } from "../../transport/connection.ts";
import type { Fact, Self } from "./facts.ts";
import { parseStatus } from "./parse.ts";

/** Looks at this process. Nothing is sent. */
export function gatherSelf(): Self {
  const ffi = ffiObstacle();
  const parent = process.ppid;
  const caller = ffi === undefined ? callerPid() : parent;
  const capabilities = BigInt(`0x${parseStatus(readText("self", "status") ?? "").CapEff ?? "0"}`);
  return {
    ffi,
    connection: ffi === undefined ? tryToConnect(process.env.NOTIFY_SOCKET) : undefined,
    pid: process.pid,
    parent,
    caller,
    callerName: nameOf(caller),
    privileged: (capabilities & CAP_SYS_ADMIN) !== 0n,
  };
}

// --- internal ---

/** capabilities(7): bit 21. */
const CAP_SYS_ADMIN = 1n << 21n;

function ffiObstacle(): string | undefined {
  try {
    libc();
    return undefined;
  } catch (error) {
    if (error instanceof FFIUnavailableError) return error.message;
    throw error;
  }
}

/** Connecting a datagram socket sends nothing to the other side. Connecting to a virtual machine's may. */
function tryToConnect(text: string | undefined): Fact<"connected"> | undefined {
  if (text === undefined) return undefined;
  let address: Address;
  try {
    address = parseAddress(text, "$NOTIFY_SOCKET");
  } catch {
    // The check of the socket reports this.
    return undefined;
  }
  if (address.family !== "unix") return undefined;
  try {
    close(connect(address, text).fd);
    return { value: "connected" };
  } catch (error) {
    return { unknown: explain(error) };
  }
}
