/** Checks of a unit's settings and of its state. */

import { signalName } from "../../linux/signals.ts";
import { formatUsec } from "../../protocol/durations.ts";
import { judge } from "../../verdict/judge.ts";
import type { Sender } from "../../verdict/types.ts";
import type { Check, Unit } from "./facts.ts";

const encoder = new TextEncoder();

/** What the manager would ignore of a message of the main process, and why: the words of the judge. */
export function problemOf(text: string, unit: Partial<Unit>, message: { fdCount?: number; sender?: Sender } = {}) {
  const { fdCount = 0, sender = { pid: 1, uid: 0, role: "main" } } = message;
  const { type, notifyAccess, fdStoreMax, fdStored } = unit;
  const verdict = judge(
    { bytes: encoder.encode(text), fdCount, sender },
    { type, notifyAccess: notifyAccess as "main" | undefined, fdStoreMax, fdStored },
  );
  return verdict.problems[0];
}

export function isNotify({ type }: Unit): boolean {
  return type.startsWith("notify");
}

export function checkStart(unit: Unit): Check[] {
  const { id, activeState, subState, result, startedForUsec, startTimeoutUsec } = unit;
  const what = `${id} is ${activeState}`;
  const failed = (why: string, cure?: string): Check[] => [
    { name: "start", result: "failed", what, why, ...(cure !== undefined && { cure }) },
  ];
  const ready = "notify({ ready: true }), or sd-notify --ready, when it can serve";
  if (activeState === "failed" || subState === "auto-restart") return failed(...endedBy(unit, ready));
  if (activeState === "activating" && isNotify(unit)) {
    if (unit.mainPid === 0)
      return failed("its main process has not been started: see ExecStartPre= and ExecCondition=");
    const since = startedForUsec === undefined ? "" : ` for ${formatUsec(startedForUsec)}`;
    const end =
      startTimeoutUsec === undefined
        ? "TimeoutStartSec=infinity"
        : `TimeoutStartSec= is ${formatUsec(startTimeoutUsec)}`;
    return failed(`it waits${since} for a READY=1 that it takes; ${end}`, ready);
  }
  if (activeState === "active" || activeState === "reloading") return [{ name: "start", result: "passed", what }];
  const why = `${result === "success" ? "" : `its last result is ${result}; `}only its settings can be looked at`;
  return [{ name: "start", result: "note", what, ...(activeState === "inactive" && { why }) }];
}

export function checkType(unit: Unit): Check[] {
  const { type, notifyAccess } = unit;
  const what = `Type=${type}, NotifyAccess=${notifyAccess}`;
  if (isNotify(unit)) return [{ name: "type", result: "passed", what }];
  const problem = problemOf("READY=1", { type });
  if (notifyAccess === "none") {
    const why = "systemd gives it no $NOTIFY_SOCKET, and takes no messages of it";
    return [{ name: "type", result: "failed", what, why, cure: problem?.cure ?? "Type=notify" }];
  }
  const why = `STATUS= and WATCHDOG=1 are taken, but ${problem?.why}`;
  return [{ name: "type", result: "note", what, why, cure: problem?.cure ?? "Type=notify" }];
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
  if ((main.caught >> BigInt(reloadSignal - 1)) & 1n) {
    return [{ name: "reload", result: "passed", what: `process ${main.pid} (${main.name}) handles ${signal}` }];
  }
  const effect = version >= 257 ? "READY=1 makes the start fail" : "a reload ends it";
  const why = `process ${main.pid} (${main.name}), the main one, has no handler for ${signal}: ${effect}`;
  const how = `manageServer({ reload }), process.on("${signal}", …)`;
  const cure = `Type=notify, or a handler for ${signal} before READY=1: ${how}`;
  return [{ name: "reload", result: "failed", what, why, cure }];
}

export function checkFdStore({ fdStoreMax, fdStored }: Unit): Check[] {
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

export function checkFamilies({ restrictAddressFamilies }: Unit): Check[] {
  // "~" is a list of what is forbidden; "~" alone, of nothing.
  const forbids = restrictAddressFamilies.startsWith("~");
  const families = restrictAddressFamilies.replace("~", "").split(" ").filter(Boolean);
  if (forbids && families.length === 0) return [];
  const what = `RestrictAddressFamilies=${families.length === 0 ? "none" : restrictAddressFamilies}`;
  if (families.includes("AF_UNIX") !== forbids) return [{ name: "families", result: "passed", what }];
  const others = families.filter((name) => name !== "AF_UNIX");
  const list = forbids ? others.join(" ").replace(/^(?=.)/, "~") : ["AF_UNIX", ...others].join(" ");
  const cure = `RestrictAddressFamilies=${list}`;
  return [
    {
      name: "families",
      result: "failed",
      what,
      why: "its processes can open no AF_UNIX socket, so they can't send",
      cure,
    },
  ];
}

export function checkSystemCalls({ systemCallFilter }: Unit): Check[] {
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
  // In place of a line of "~", it would allow nothing else.
  const cure = `SystemCallFilter=${missing.join(" ")}, as a line behind the others`;
  return [{ name: "system-calls", result: "failed", what, why, cure }];
}

export function checkMemory({ memoryDenyWriteExecute, passesSocket, processes, execStart }: Unit): Check[] {
  if (!memoryDenyWriteExecute) return [];
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
    return [{ name: "memory", result: "failed", what, why, cure }];
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

/** What one message takes: glibc's send(3) is sendto(2). */
const NEEDED_CALLS = ["socket", "connect", "sendto", "sendmsg"];

function endedBy(
  { type, result, startTimeoutUsec, watchdogUsec, activeState }: Unit,
  ready: string,
): [string, string?] {
  const isNotify = type.startsWith("notify");
  const again = activeState === "activating" ? "; it is being started again" : "";
  if (result === "timeout" && isNotify) {
    return [
      `no READY=1 was taken within ${formatUsec(startTimeoutUsec ?? 0)}, or it did not stop in time${again}`,
      ready,
    ];
  }
  if (result === "protocol" && isNotify) return [`it ended before READY=1, or broke the protocol${again}`, ready];
  if (result === "watchdog") {
    const cure = "startWatchdog(), or a longer WatchdogSec=";
    return [`no WATCHDOG=1 came within ${formatUsec(watchdogUsec)}${again}`, cure];
  }
  return [`its result is ${result}${again}`, "journalctl --unit= shows what it wrote"];
}
