/** Checks of a program that does not speak the protocol: what a unit can do for it. */

import type { Check, Unit } from "./facts.ts";
import { likelySenders, titleOf } from "./sender-checks.ts";
import type { Speech } from "./speech-facts.ts";

/** The unit waits for READY=1 from a program that never mentions the socket. */
export function checkSpeech(unit: Unit): Check[] {
  if (unit.activeState !== "activating" || unit.speech.length === 0) return [];
  if ("value" in unit.journal && unit.journal.value.some(({ text, ours }) => ours && HAS_SENT.test(text))) return [];
  const senders = likelySenders(unit);
  const seen = senders.map((process) => ({ process, speech: unit.speech.find(({ pid }) => pid === process.pid) }));
  // Bun's program is in other files, and there may be many.
  if (seen.length === 0 || seen.some(({ process, speech }) => process.isBun || speech?.speaks !== false)) return [];
  const last = seen.at(-1);
  if (!last?.speech) return [];
  const { process, speech } = last;
  const what = `${titleOf(process)} does not send READY=1 by itself`;
  const why = speech.isInterpreter
    ? `neither its command line nor its script mentions ${PROTOCOL}`
    : "neither its program nor its libraries mention $NOTIFY_SOCKET";
  return [{ name: "program", result: "failed", what, why, cure: cureFor(unit, unit.speech) }];
}

/** The main process has exited with success while others go on: it has put itself into the background. */
export function checkBackground(unit: Unit): Check[] {
  const { type, result, activeState, journal } = unit;
  if (!type.startsWith("notify") || result !== "protocol" || "unknown" in journal) return [];
  if (activeState !== "failed" && activeState !== "activating") return [];
  const lines = journal.value.filter(({ ours }) => ours).map(({ text }) => text);
  const end = lines.findIndex((text) => /Main process exited, code=exited, status=0/.test(text));
  // At level debug, service.c tells its states: it has sent SIGTERM to what was left, or there was nothing.
  if (end === -1 || !lines.slice(end + 1).some((text) => /Changed start -> stop-sigterm/.test(text))) return [];
  const what = "the main process has put itself into the background";
  const why = "it ended with status 0 and left other processes, which systemd does not take for the service";
  const cure = "Type=forking, or the option of the program that keeps it in the foreground";
  return [{ name: "background", result: "failed", what, why, cure }];
}

/** A line of the unit that makes `sd-notify run` wait for the program. It needs the command as the unit has it. */
export function runCommand(unit: Unit, probe: string): string | undefined {
  const [line, ...others] = unit.execStart ?? [];
  const [, prefixes = "", command] = /^([-:+!|]*)(.*)$/s.exec(line ?? "") ?? [];
  if (command === undefined || command === "" || command.startsWith("@") || others.length > 0) return undefined;
  return `ExecStart=${prefixes}${unit.command} run ${probe}-- ${command}`;
}

// --- internal ---

/** At level debug; refused or not. */
const HAS_SENT = /^(\S+: )?Got notification message from PID/;

const PROTOCOL = "$NOTIFY_SOCKET or sd_notify";

function cureFor(unit: Unit, speech: readonly Speech[]): string {
  const [port] = speech.flatMap(({ addresses }) => addresses);
  const [path] = speech.flatMap(({ paths }) => paths).filter((path) => /^[/@][\w./@-]+$/.test(path));
  const probe = port !== undefined ? `--ready-tcp=${port} ` : path !== undefined ? `--ready-unix=${path} ` : undefined;
  const line = probe === undefined ? undefined : runCommand(unit, probe);
  if (line !== undefined) return `${line}; or Type=exec, which does not wait until it listens`;
  const run = runCommand(unit, "--ready-log=REGEX ");
  return `Type=exec${run === undefined ? "" : `; or ${run}, if a line of its output says that it is ready`}`;
}
