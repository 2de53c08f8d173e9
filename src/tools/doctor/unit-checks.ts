/** Checks of a unit's settings and of its state. */

import { signalName } from "../../linux/signals.ts";
import { judge } from "../../verdict/judge.ts";
import type { Sender } from "../../verdict/types.ts";
import type { Check, Unit } from "./facts.ts";
import { hasSpoken, listens } from "./unit-state.ts";

const encoder = new TextEncoder();

/** What the manager would ignore of a message from the main process, and why, in the judge's words. */
export function problemOf(text: string, unit: Partial<Unit>, message: { fdCount?: number; sender?: Sender } = {}) {
  const { fdCount = 0, sender = { pid: 1, uid: 0, role: "main" } } = message;
  const { type, notifyAccess, fdStoreMax, fdStored } = unit;
  const verdict = judge(
    { bytes: encoder.encode(text), fdCount, sender },
    { type, notifyAccess: notifyAccess as "main" | undefined, fdStoreMax, fdStored },
  );
  return verdict.problems[0];
}

export function checkReload(unit: Unit): Check[] {
  const { type, version, reloadSignal, hasExecReload, mainPid } = unit;
  if (type === "notify" && !hasExecReload) {
    const why = "systemctl reload has nothing to do: there is no ExecReload=";
    const cure = version >= 253 ? "Type=notify-reload, and a handler for SIGHUP" : "ExecReload=/bin/kill -HUP $MAINPID";
    return [{ name: "reload", result: "note", what: "reload", why, cure }];
  }
  if (type !== "notify-reload") return [];
  const signal = signalName(reloadSignal);
  const what = `Type=notify-reload, ReloadSignal=${signal}`;
  const main = "value" in unit.processes ? unit.processes.value.find(({ pid }) => pid === mainPid) : undefined;
  if (!main)
    return [{ name: "reload", result: "unknown", what, why: "there is no main process whose handlers could be seen" }];
  const treats = (signals: bigint) => (signals >> BigInt(reloadSignal - 1)) & 1n;
  if (treats(main.caught) || treats(main.ignored ?? 0n)) {
    const how = treats(main.caught) ? "handles" : "ignores";
    return [{ name: "reload", result: "passed", what: `process ${main.pid} (${main.name}) ${how} ${signal}` }];
  }
  const effect = version >= 257 ? "READY=1 makes the start fail" : "a reload ends it";
  const why = `process ${main.pid} (${main.name}), the main one, has no handler for ${signal}: ${effect}`;
  const how = `manageServer({ reload }), process.on("${signal}", …)`;
  const cure = `Type=notify, or a handler for ${signal} before READY=1: ${how}`;
  return [{ name: "reload", result: "failed", what, why, cure }];
}

export function checkFdStore(unit: Unit): Check[] {
  const { fdStoreMax, fdStored } = unit;
  if (!listens(unit)) return [];
  const what = `FileDescriptorStoreMax=${fdStoreMax}`;
  if (fdStoreMax === 0) {
    const why = "what FDSTORE=1 sends is closed: storeFds(), saveState() and --fd= keep nothing";
    return [
      { name: "fd-store", result: "note", what, why, cure: "FileDescriptorStoreMax=1, where the program uses them" },
    ];
  }
  const problem = problemOf("FDSTORE=1", { fdStoreMax, fdStored }, { fdCount: 1 });
  if (problem)
    return [{ name: "fd-store", result: "note", what, why: problem.why, ...(problem.cure && { cure: problem.cure }) }];
  return [{ name: "fd-store", result: "passed", what: `the fd store holds ${fdStored} of ${fdStoreMax}` }];
}

export function checkFamilies(unit: Unit): Check[] {
  const { restrictAddressFamilies } = unit;
  if (!listens(unit)) return [];
  // "~" begins a list of what is forbidden. "~" alone forbids nothing.
  const forbids = restrictAddressFamilies.startsWith("~");
  const families = restrictAddressFamilies.replace("~", "").split(" ").filter(Boolean);
  if (forbids && families.length === 0) return [];
  const what = `RestrictAddressFamilies=${families.length === 0 ? "none" : restrictAddressFamilies}`;
  if (families.includes("AF_UNIX") !== forbids) return [{ name: "families", result: "passed", what }];
  const others = families.filter((name) => name !== "AF_UNIX");
  const list = forbids ? others.join(" ").replace(/^(?=.)/, "~") : ["AF_UNIX", ...others].join(" ");
  const cure = `RestrictAddressFamilies=${list}`;
  const why = "its processes can open no AF_UNIX socket, so they can't send";
  return [{ name: "families", result: faultOf(unit), what, why, cure }];
}

export function checkSystemCalls(unit: Unit): Check[] {
  const { systemCallFilter } = unit;
  if (!listens(unit)) return [];
  const forbids = systemCallFilter.startsWith("~");
  // "name:EPERM" says what a call returns instead.
  const names = systemCallFilter
    .replace("~", "")
    .split(" ")
    .filter(Boolean)
    .map((name) => name.replace(/:.*/, ""));
  if (names.length === 0) return [];
  const missing = NEEDED_CALLS.filter((call) => names.includes(call) === forbids);
  const what = `SystemCallFilter= ${forbids ? "forbids" : "allows"} ${names.length} system calls`;
  if (missing.length === 0) return [{ name: "system-calls", result: "passed", what }];
  const why = `${missing.join(", ")} can't be called, and sending takes ${missing.length === 1 ? "it" : "them"}`;
  // If it replaced a line with "~", it would allow nothing else.
  const cure = `SystemCallFilter=${missing.join(" ")}, as a line behind the others`;
  return [{ name: "system-calls", result: faultOf(unit), what, why, cure }];
}

export function checkMemory(unit: Unit): Check[] {
  const { memoryDenyWriteExecute, passesSocket, processes, execStart } = unit;
  if (!memoryDenyWriteExecute || !listens(unit)) return [];
  const what = "MemoryDenyWriteExecute=yes";
  const known = "value" in processes ? processes.value : [];
  const seen = known.some(({ isBun }) => isBun) || /\b(bunx?|sd-notify)\b/.test(execStart?.join(" ") ?? "");
  if (passesSocket) {
    const why =
      "bun:ffi does not work; the socket of OpenFile= carries messages without fds, pid, reloading and barriers";
    return [{ name: "memory", result: "note", what, why }];
  }
  if (seen) {
    const why = "bun:ffi needs memory that is writable and executable, and without it the library can't send";
    const cure = "MemoryDenyWriteExecute=no, or OpenFile=/run/systemd/notify:notify (systemd 253)";
    return [{ name: "memory", result: faultOf(unit), what, why, cure }];
  }
  if (known.length > 0 && known.every(({ isBun }) => isBun === false)) {
    return [
      {
        name: "memory",
        result: "note",
        what,
        why: "no process of it is Bun: that would need MemoryDenyWriteExecute=no",
      },
    ];
  }
  const why = "whether a process of it is Bun, which needs MemoryDenyWriteExecute=no, can't be seen";
  return [{ name: "memory", result: "unknown", what, why }];
}

// --- internal ---

/** The system calls that one message needs: glibc's send(3) is sendto(2). */
const NEEDED_CALLS = ["socket", "connect", "sendto", "sendmsg"];

/** If READY=1 has arrived, the setting did not block it: it is newer, or the message got round it. */
function faultOf(unit: Unit): Check["result"] {
  return hasSpoken(unit) ? "note" : "failed";
}
