/** THE table of what each key does in the service manager, and when it does nothing. */

import { formatUsec } from "../protocol/durations.ts";
import { whyNoFdName } from "../protocol/fd-name.ts";
import { isNear } from "../protocol/near.ts";
import { parseUnsigned } from "../protocol/numbers.ts";
import { shorten } from "../protocol/shorten.ts";
import type { MessageFacts, Phase, Problem, UnitFacts } from "./types.ts";

export interface Surroundings {
  /** All values of the message, by key. */
  values: ReadonlyMap<string, string>;
  message: MessageFacts;
  unit: UnitFacts;
}

export interface Outcome {
  effect?: string;
  problem?: Omit<Problem, "what">;
  phase?: Phase;
}

/** Returns what an assignment does. */
export function judgeAssignment(key: string, value: string, surroundings: Surroundings): Outcome {
  const rule = RULES.get(key);
  if (rule) return rule(value, surroundings, key);
  if (key.startsWith("X_"))
    return { effect: `${shorten(key, MAX_KEY_LENGTH)}: kept for whoever else reads the messages` };
  const meant = [...RULES.keys()].find((known) => known === key.trim().toUpperCase() || isNear(known, key));
  return ignored(
    "the service manager knows no such key",
    meant === undefined ? `X_${shorten(key, MAX_KEY_LENGTH)}=, as keys of one's own are called` : `${meant}=${value}`,
  );
}

// --- internal ---

/** How much of a key is repeated. */
const MAX_KEY_LENGTH = 60;

type Rule = (value: string, surroundings: Surroundings, key: string) => Outcome;

const RULES = new Map<string, Rule>([
  ["READY", only("1", ready)],
  ["RELOADING", only("1", reloading)],
  ["STOPPING", only("1", stopping)],
  ["MONOTONIC_USEC", number((_, { values }) => (values.has("RELOADING") ? {} : ignored("it belongs to RELOADING=1")))],
  ["STATUS", status],
  ["NOTIFYACCESS", word(["none", "main", "exec", "all"], (value) => does(`messages are taken from: ${value}`))],
  ["ERRNO", range(0, 4095, (value) => does(`the service failed with errno ${value}`))],
  ["BUSERROR", (value) => does(`the service failed with D-Bus error ${value}`)],
  ["VARLINKERROR", (value) => does(`the service failed with Varlink error ${value}`)],
  ["EXIT_STATUS", range(0, 255, (value) => does(`the exit status is ${value}`))],
  ["MAINPID", mainPid],
  ["MAINPIDFDID", number((_, { values }) => (values.has("MAINPID") ? {} : ignored("it belongs to MAINPID=")))],
  ["MAINPIDFD", only("1", (_, { message }) => fdsExactly(1, message, "the pidfd says which process is the main one"))],
  ["WATCHDOG", watchdog],
  ["WATCHDOG_USEC", number((value) => does(`the watchdog's time-out is ${formatUsec(value)}`))],
  ["EXTEND_TIMEOUT_USEC", number(extend)],
  ["RESTART_RESET", only("1", () => does("the count of restarts begins anew"))],
  ["FDSTORE", only("1", store)],
  ["FDSTOREREMOVE", only("1", remove)],
  ["FDNAME", fdName],
  ["FDPOLL", only("0", (_, { values }) => (values.has("FDSTORE") ? {} : ignored("it belongs to FDSTORE=1")))],
]);

function ready(_: string, { values, unit }: Surroundings): Outcome {
  if (isStopping(unit)) return STOPPING_IS_FINAL;
  if (unit.type === "notify-reload" && isStarting(unit) && unit.handlesReload === false) {
    return ignored(
      "the main process has no handler for SIGHUP, by which Type=notify-reload reloads it: the start fails " +
        "(systemd 262)",
      "Type=notify, or a handler",
    );
  }
  if (unit.phase === "reloading") {
    // RELOADING=1 in the same message reports the problem with its time itself.
    if (values.get("RELOADING") === "1" && whyNoAnswer(values, unit) !== undefined) return {};
    if (unit.reloadUsec !== undefined && values.get("RELOADING") !== "1") {
      return ignored(
        "no RELOADING=1 has answered the signal of Type=notify-reload: the reload goes on",
        "RELOADING=1 with MONOTONIC_USEC= before it, when the signal has come",
      );
    }
    return { effect: "the reload is complete", phase: "active" };
  }
  if (unit.phase === "active") return { effect: "nothing: the unit is active already", phase: "active" };
  if (unit.type !== undefined && !unit.type.startsWith("notify")) {
    return ignored(`Type=${unit.type} is active without it`, "Type=notify");
  }
  return {
    effect: unit.phase === undefined ? "start-up, or a reload, is complete" : "the unit is active",
    phase: "active",
  };
}

function reloading(_: string, { values, unit }: Surroundings): Outcome {
  if (isStopping(unit)) return STOPPING_IS_FINAL;
  // PID 1 has not asked for a reload yet, so RELOADING=1 needs no time.
  if (unit.phase === "activating") {
    return values.has("READY") ? {} : { effect: "nothing yet: the unit is activating until READY=1" };
  }
  const problem = whyNoAnswer(values, unit);
  if (problem) return problem;
  if (unit.phase === "reloading" && unit.reloadUsec === undefined) {
    return values.has("READY") ? {} : { effect: "nothing: the unit is reloading already" };
  }
  // READY=1 or STOPPING=1 in the same message decides what the unit does next.
  if (values.has("READY") || values.has("STOPPING")) return { phase: "reloading" };
  return { effect: "the unit is reloading, until READY=1", phase: "reloading" };
}

/**
 * Why RELOADING=1 does not answer the signal that Type=notify-reload has sent; undefined if it does, or if there was
 * no signal.
 */
function whyNoAnswer(values: ReadonlyMap<string, string>, unit: UnitFacts): Outcome | undefined {
  // If the unit's phase is not known, a RELOADING=1 that would not be an answer is reported too.
  if (unit.type !== "notify-reload" || (unit.phase !== undefined && unit.reloadUsec === undefined)) return undefined;
  const time = readNumber(values.get("MONOTONIC_USEC") ?? "");
  if (time === undefined) {
    return ignored(
      "no MONOTONIC_USEC= goes with it, so the reload that Type=notify-reload began is not answered",
      "MONOTONIC_USEC= with the time of CLOCK_MONOTONIC, as notify({ reloading: true }) and --reloading send",
    );
  }
  if (unit.reloadUsec === undefined || time >= unit.reloadUsec) return undefined;
  return ignored(
    `its MONOTONIC_USEC= is ${formatUsec(unit.reloadUsec - time)} older than the reload`,
    "read the clock when the signal has come",
  );
}

function stopping(_: string, { unit }: Surroundings): Outcome {
  // service_notify_message_process_state(): the unit remembers STOPPING=1, and takes no READY=1 any more.
  if (unit.phase === "activating") {
    return { effect: "the unit is still activating, and no READY=1 counts from now on: it can only end" };
  }
  return { effect: "the unit is stopping", phase: "deactivating" };
}

/** Whether READY=1 would complete a start, as far as can be known. */
function isStarting({ phase }: UnitFacts): boolean {
  return phase === "activating" || phase === undefined;
}

function isStopping({ phase, saidStopping = false }: UnitFacts): boolean {
  return phase === "deactivating" || saidStopping;
}

function status(value: string, { message }: Surroundings): Outcome {
  if (value.includes("\uFFFD") && !isUtf8(message.bytes))
    return ignored("it is not UTF-8, and the old status is cleared", "encode it as UTF-8");
  return does(value === "" ? "the status is empty" : `the status is "${value}"`);
}

function mainPid(value: string, { message: { sender, mainPidRole } }: Surroundings): Outcome {
  const pid = readNumber(value);
  if (pid === undefined || pid < 1 || pid > 0x7fffffff) return ignored("it is no PID", "MAINPID= with a number");
  if (pid === 1) return ignored("process 1 is the service manager");
  if (mainPidRole === "gone") return ignored(`there is no process ${pid}`);
  if (mainPidRole === "zombie") return ignored(`process ${pid} has ended: it is a zombie`);
  if (mainPidRole === "other") return ignored(`process ${pid} is another one than MAINPIDFDID= says (systemd 262)`);
  if (mainPidRole === "stranger" && sender.uid !== 0) {
    return ignored(`process ${pid} is not of this unit, and only root may name such a one`, "send it as root");
  }
  return does(`process ${pid} is the main one`);
}

function watchdog(value: string, { unit }: Surroundings): Outcome {
  if (value === "trigger") return does("the watchdog's time is up at once: the unit is aborted");
  if (value !== "1") return ignored("it is neither 1 nor trigger", "WATCHDOG=1");
  if (unit.watchdogUsec === 0) return ignored("the unit has no watchdog", "WatchdogSec=30");
  return does("the watchdog's time begins anew");
}

function extend(usec: number, { unit }: Surroundings): Outcome {
  const phase = { activating: "start-up", deactivating: "the stop", reloading: "the reload", active: "the runtime" };
  return does(`${phase[unit.phase ?? "active"]} may take ${formatUsec(usec)} from now`);
}

function store(_: string, { message: { fdCount }, unit: { fdStoreMax, fdStored = 0 } }: Surroundings): Outcome {
  if (fdCount === 0) return ignored("no fd came with it", "send the fds along: storeFds(), --fd=");
  if (fdStoreMax === 0) {
    return ignored("FileDescriptorStoreMax=0: the fds are closed", `FileDescriptorStoreMax=${fdCount}`);
  }
  if (fdStoreMax !== undefined && fdStored + fdCount > fdStoreMax) {
    return ignored(
      `the fd store holds ${fdStored} of ${fdStoreMax}: those beyond that are closed`,
      `FileDescriptorStoreMax=${fdStored + fdCount}`,
    );
  }
  return does(`the fd store keeps ${fdCount === 1 ? "the fd" : `${fdCount} fds`}`);
}

function remove(_: string, { values }: Surroundings): Outcome {
  const name = values.get("FDNAME");
  if (name === undefined) return ignored("no FDNAME= says which fds", "FDNAME=");
  if (whyNoFdName(name) !== undefined) return ignored("its FDNAME= is no name");
  return does(`the fd store closes what is called ${name}`);
}

function fdName(value: string, { values }: Surroundings): Outcome {
  const why = whyNoFdName(value);
  if (why !== undefined) return ignored(`${why}: the fds are stored without it`, "FDNAME= in ASCII, without :");
  if (!values.has("FDSTORE") && !values.has("FDSTOREREMOVE")) return ignored("it belongs to FDSTORE=1", "FDSTORE=1");
  return {};
}

// --- kinds of values ---

function only(expected: string, rule: Rule): Rule {
  return (value, surroundings, key) => {
    if (value === expected) return rule(value, surroundings, key);
    const [, next] = /^1[ \t,;]+([A-Z_]+=.*)$/.exec(value) ?? [];
    return next === undefined
      ? ignored(`only ${expected} means anything`, `${key}=${expected}`)
      : ignored("each assignment needs a line of its own", `${key}=${expected} and ${next}, each on its own line`);
  };
}

function readNumber(text: string): number | undefined {
  const value = parseUnsigned(text);
  return value === undefined ? undefined : Number(value);
}

function word(words: readonly string[], rule: Rule): Rule {
  return (value, surroundings, key) =>
    words.includes(value) ? rule(value, surroundings, key) : ignored(`it is none of ${words.join(", ")}`);
}

function number(rule: (value: number, surroundings: Surroundings) => Outcome): Rule {
  return (value, surroundings) => {
    const read = readNumber(value);
    return read === undefined ? ignored("it is no number") : rule(read, surroundings);
  };
}

function range(min: number, max: number, rule: (value: number, surroundings: Surroundings) => Outcome): Rule {
  return number((value, surroundings) =>
    value >= min && value <= max ? rule(value, surroundings) : ignored(`it is no number from ${min} to ${max}`),
  );
}

function fdsExactly(count: number, { fdCount }: MessageFacts, effect: string): Outcome {
  return fdCount === count ? does(effect) : ignored(`it comes with exactly ${count} fd, not with ${fdCount}`);
}

function does(effect: string): Outcome {
  return { effect };
}

function ignored(why: string, cure?: string): Outcome {
  return { problem: { why, cure } };
}

const STOPPING_IS_FINAL = ignored("the unit is stopping, and STOPPING=1 is final");

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
