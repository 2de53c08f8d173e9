/** Checks of one process: where it would send to, and what it was told. */

import { parseAddress } from "../../protocol/address.ts";
import { formatUsec } from "../../protocol/durations.ts";
import type { Check, Process, Self, SocketFacts, Unit } from "./facts.ts";
import { coverOf, keeperOf, wayTo, withoutChanger } from "./obstacles.ts";
import { launcherName, titleOf } from "./sender-checks.ts";
import { runCommand } from "./silence-checks.ts";
import { isInTrouble } from "./trouble.ts";
import { isNotify } from "./unit-state.ts";

/** Where the socket is, whether it is a socket, and whether the process can reach it. */
export function checkSocket(process: Process, unit?: Unit): Check[] {
  const { environment, socket } = process;
  const who = titleOf(process);
  const check = (result: Check["result"], what: string, why?: string, cure?: string): Check[] => [
    { name: "socket", result, what, ...(why !== undefined && { why }), ...(cure !== undefined && { cure }) },
  ];
  if ("unknown" in environment) return check("unknown", `$NOTIFY_SOCKET of ${who}`, environment.unknown);
  const { NOTIFY_SOCKET: address } = environment.value;
  if (address === undefined) return checkUnset(process, unit);
  const what = `$NOTIFY_SOCKET of ${who} is ${JSON.stringify(address)}`;
  const remove =
    unit?.environmentSocket === undefined
      ? "leave the variable as systemd sets it"
      : `remove NOTIFY_SOCKET= from Environment=: systemd sets it`;
  let family: string;
  try {
    ({ family } = parseAddress(address, "$NOTIFY_SOCKET"));
  } catch (error) {
    return check("failed", what, (error as Error).message.replace(/^Cannot use .*": /, ""), remove);
  }
  if (family === "vsock")
    return check("unknown", what, "only a message shows whether a virtual machine's host listens");
  if (socket === undefined) return [];
  if ("unknown" in socket) return check("unknown", what, socket.unknown);
  const problem = socketProblem(socket.value, address, remove, unit);
  if (problem) return check("failed", what, ...problem);
  const { type, claimed } = socket.value;
  if (type !== undefined) return check("passed", what);
  const why =
    claimed === undefined
      ? "nobody listens to it in a network namespace that can be seen"
      : `/proc/net/unix says ${claimed.join(" and ")}, but anybody can forge a row of that`;
  return check("note", what, `it is a socket; not known is its type: ${why}`);
}

/** A runtime that stands between the process and systemd. */
export function checkContainer(process: Process, unit?: Unit): Check[] {
  const { container, environment } = process;
  const address = "value" in environment ? environment.value.NOTIFY_SOCKET : undefined;
  const [runtime, option] = runtimeOf(process);
  const name = "container";
  const effect = runtime === "podman" && option !== undefined ? EFFECTS.get(option) : undefined;
  if (effect !== undefined) {
    const isWaitedFor = option === "ignore" || !unit || isInTrouble(unit);
    const why = `${effect}, and nothing that the program sends arrives`;
    return [
      {
        name,
        result: isWaitedFor ? "failed" : "note",
        what: `podman --sdnotify=${option}`,
        why,
        cure: "podman run --sdnotify=container",
      },
    ];
  }
  if (runtime === "docker") {
    const why =
      "its containers are processes of no unit but docker's: no message of theirs arrives, whatever it is sent to";
    const what = `${titleOf(process)} starts a container`;
    return [{ name, result: "failed", what, why, cure: dockerCure(process, unit) }];
  }
  if (isConmon(process)) return [byConmon(process)];
  if (container === undefined) return [];
  const what = `${titleOf(process)} is in a container of ${container}`;
  if (address === undefined) {
    const cure = container === "docker" ? dockerCure(process, unit) : OWN_CONTAINER;
    return [{ name, result: "failed", what, why: "its runtime does not pass $NOTIFY_SOCKET on", cure }];
  }
  if (address.startsWith("/run/notify/")) {
    return [{ name, result: "note", what, why: container === "podman" ? BY_CONMON : BY_RUNTIME }];
  }
  return [{ name, result: "passed", what }];
}

/** Whether the watchdog's variables can be read; if no unit says more, whether they are meant for the process. */
export function checkWatchdogVariables(process: Process, unit?: Unit, self?: Self): Check[] {
  if ("unknown" in process.environment) return [];
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = process.environment.value;
  const name = "watchdog";
  const wrong = [
    ["WATCHDOG_USEC", usec],
    ["WATCHDOG_PID", pid],
  ].filter(([, value]) => value !== undefined && !/^[1-9]\d*$/.test(value));
  if (wrong.length > 0) {
    return wrong.map(([variable, value]): Check => {
      const what = `$${variable} of ${titleOf(process)} is ${JSON.stringify(value)}`;
      return {
        name,
        result: "failed",
        what,
        why: "it is no number from 1",
        cure: "leave the variable as systemd sets it",
      };
    });
  }
  if (usec === undefined || (unit && !self)) return [];
  const what = `$WATCHDOG_USEC of ${titleOf(process)} is ${formatUsec(Number(usec))}`;
  // A command may send for its caller, so the caller's variables are meant for it.
  const meant = pid === undefined || [process.pid, self?.caller].includes(Number(pid));
  if (meant) return [{ name, result: "passed", what }];
  const why = `$WATCHDOG_PID is ${pid}: it takes the watchdog for another's, and does not ping`;
  const cure =
    'exec before the command in the script of that process; or "unset WATCHDOG_PID" there, with NotifyAccess=all';
  return [{ name, result: "failed", what, why, cure }];
}

/** seccomp(2): what a filter forbids can't be read. A unit's SystemCallFilter= tells, and this process can try. */
export function checkFilter(process: Process, unit?: Unit, self?: Self): Check[] {
  if (!process.filtered || unit || self) return [];
  const what = `the seccomp filter of ${titleOf(process)}`;
  return [
    { name: "seccomp", result: "unknown", what, why: "whether it allows socket, connect and sendmsg can't be seen" },
  ];
}

/** sd_listen_fds(3): the fds are for one process only, and the first one is 3. */
export function checkPassedFds({ environment, openFds, ...process }: Process): Check[] {
  if ("unknown" in environment) return [];
  const { LISTEN_FDS: count, LISTEN_PID: pid } = environment.value;
  if (count === undefined || pid === undefined) return [];
  const what = `$LISTEN_FDS of process ${process.pid} (${process.name}) is ${count}`;
  const closed = closedFds(Number(count), openFds);
  if (pid === `${process.pid}` && closed.length > 0) {
    const are = closed.length === 1 ? "is" : "are";
    const why = `${closed.join(", ")} ${are} closed by now: by the program, or by what started it`;
    return [{ name: "passed-fds", result: "note", what, why }];
  }
  if (pid === `${process.pid}`) return [{ name: "passed-fds", result: "passed", what }];
  return [{ name: "passed-fds", result: "note", what, why: `$LISTEN_PID is ${pid}: they are that process'` }];
}

// --- internal ---

/** More than any service has: $LISTEN_FDS may say anything. */
const MAX_PASSED_FDS = 1024;

function closedFds(count: number, open: readonly number[] | undefined): number[] {
  const closed: number[] = [];
  for (let fd = 3; fd < 3 + Math.min(count, MAX_PASSED_FDS); fd++) if (open?.includes(fd) === false) closed.push(fd);
  return closed;
}

/** podman-run(1), --sdnotify=: what podman does, as test/systemd/containers-podman.units.ts has seen it. */
const EFFECTS = new Map([
  ["conmon", "podman sends READY=1 itself"],
  ["healthy", "podman sends READY=1 itself when the health check passes"],
  ["ignore", "podman removes $NOTIFY_SOCKET"],
]);

/** conmon 2.1.10 and later. Earlier versions passed on READY=1 and WATCHDOG=1. */
const BY_CONMON =
  "conmon reads from $NOTIFY_SOCKET: EXTEND_TIMEOUT_USEC=, WATCHDOG_USEC=, MAINPID= and fds end there; " +
  "READY=1, RELOADING=1, STOPPING=1, STATUS= and WATCHDOG=1 are passed on";

const BY_RUNTIME =
  "its runtime reads from $NOTIFY_SOCKET, and passes on READY=1: STATUS=, WATCHDOG=1 and fds end there";

/** Container processes of docker and similar runtimes belong to the runtime's own unit only. */
const OWN_CONTAINER =
  "podman run --sdnotify=container, in a unit of Type=notify: its containers stay in the unit; " +
  "or sd-notify bridge --forward as ExecStart=, around what starts the container";

/** Docker's containers belong to docker's own unit. A process in this unit can ask whether they answer. */
function dockerCure({ command }: Process, unit?: Unit): string {
  const published = command.flatMap((arg, i) => {
    const value =
      /^(?:-p|--publish=)(.+)$/.exec(arg)?.[1] ?? (/^(-p|--publish)$/.test(arg) ? command[i + 1] : undefined);
    const [, host = "127.0.0.1", port] = /^(?:([\d.]+|\[[\da-f:]+\]):)?(\d+):\d+(?:\/tcp)?$/.exec(value ?? "") ?? [];
    return port === undefined ? [] : [`${host === "0.0.0.0" ? "127.0.0.1" : host}:${port}`];
  });
  const [port = "127.0.0.1:PORT"] = published;
  const line = unit && runCommand(unit, `--ready-tcp=${port} `);
  return line ?? `sd-notify run --ready-tcp=${port} -- docker run …, in a unit of Type=notify`;
}

function checkUnset(process: Process, unit: Unit | undefined): Check[] {
  // The container, or Type= and NotifyAccess=, are the reason.
  if (process.container !== undefined || isConmon(process) || unit?.notifyAccess === "none") return [];
  const what = `$NOTIFY_SOCKET of ${titleOf(process)} is not set`;
  if (process.overwritten) {
    const why = "its environment has been written over by a title, as setproctitle(3) does";
    return [{ name: "socket", result: "unknown", what: `$NOTIFY_SOCKET of ${titleOf(process)}`, why }];
  }
  const [why, cure] = unit
    ? whoRemoved(process, unit)
    : ["only a service that systemd started has it", "Type=notify, or NotifyAccess=all, in its unit"];
  // A program that need not send may do without it.
  const result = unit && !isNotify(unit) ? "note" : "failed";
  return [{ name: "socket", result, what, why, cure }];
}

function whoRemoved(process: Process, unit: Unit): [why: string, cure: string] {
  const keeper = keeperOf(process, unit);
  const changer = keeper && launcherName(keeper);
  const around = changer === undefined ? undefined : withoutChanger(changer, process, unit);
  if (keeper && around !== undefined) return [`${titleOf(keeper)} has it, and does not pass it on`, around];
  if (keeper) {
    const cure = `have ${titleOf(keeper)} start it with its own environment, without env -i or the like`;
    return [`${titleOf(keeper)} has it, and does not pass it on`, cure];
  }
  return [
    "something between systemd and it has removed the variable",
    "not through sudo, su or env -i; or the unit is newer than the process: systemctl restart",
  ];
}

function socketProblem(
  facts: SocketFacts,
  address: string,
  remove: string,
  unit: Unit | undefined,
): [why: string, cure: string] | undefined {
  const { found, elsewhere, type, writable } = facts;
  // If something is mounted over the socket itself, it is a socket too, but nobody listens to it.
  const isCovered =
    (found === "socket" || found === "nobody") && unit !== undefined && coverOf(address, unit) === address;
  if (found === "nothing" || isCovered) {
    const { why, cure } = wayTo(address, facts, unit);
    if (!elsewhere && !isCovered) return ["there is no such file", remove];
    const there = "there is no such file in its mount namespace, though there is outside";
    return [why ?? there, "text" in cure ? cure.text : remove];
  }
  if (found === "other") return ["it is no socket", remove];
  if (found === "nobody" && !address.startsWith("@")) return ["nobody listens to this socket any more", remove];
  if (found === "nobody") {
    const isolation = unit?.privateNetwork ? "PrivateNetwork=no, or " : "";
    const where = elsewhere ? " in its network namespace, which is another than the service manager's" : "";
    // systemd itself listens to a path. The one that Environment= sets instead is never the right one.
    const cure = unit?.environmentSocket === undefined ? `${isolation}a socket with a path: ${remove}` : remove;
    return [`nobody listens to this name${where}`, cure];
  }
  if (type === "other") return ["it is no datagram socket, and messages need one", remove];
  if (type !== undefined && type !== "datagram")
    return [`it is a ${type} socket, and messages need a datagram socket`, remove];
  if (writable === false)
    return [
      "this user may not write to it",
      "chmod 777 on the socket, and x on its directories, for the user of User=",
    ];
  return undefined;
}

/** The main process of a unit whose ExecStart= is podman run. */
function isConmon({ command }: Process): boolean {
  return /(?:^|\/)conmon$/.test(command[0] ?? "");
}

/** podman tells the container of the socket only with --sdnotify=container. */
function byConmon(process: Process): Check {
  const name = "container";
  const what = `${titleOf(process)} has a container of podman's`;
  if (process.command.some((arg) => arg.startsWith("--sdnotify-socket="))) {
    return { name, result: "note", what, why: BY_CONMON };
  }
  const why = "with --sdnotify=conmon, healthy or ignore, nothing that the program sends arrives";
  return { name, result: "note", what, why, cure: "podman run --sdnotify=container, or Notify=true in a quadlet" };
}

/** The runtime, if the process is one, and its --sdnotify=. */
function runtimeOf({ command }: Process): [runtime?: string, option?: string | undefined] {
  const [, runtime] = /(?:^|\/)(podman|docker)$/.exec(command[0] ?? "") ?? [];
  if (runtime === undefined || !command.includes("run")) return [];
  const after = command.indexOf("--sdnotify");
  const option = command.find((arg) => arg.startsWith("--sdnotify="))?.slice("--sdnotify=".length);
  return [runtime, option ?? (after === -1 ? undefined : command[after + 1])];
}
