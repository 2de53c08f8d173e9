/** Gathers what was logged about a unit: by the manager, and by its processes. */

import { decodeBytes } from "../../linux/bytes.ts";
import { askJournal, type Manager } from "./ask.ts";
import type { Fact, OutputLine, SaidLine } from "./facts.ts";
import { parseObject } from "./parse.ts";

/** What the manager said of it. */
export async function gatherSaid(manager: Manager, id: string): Promise<Fact<SaidLine[]>> {
  const who =
    manager === "user" ? ["_COMM=systemd", `_UID=${process.getuid?.()}`, `USER_UNIT=${id}`] : ["_PID=1", `UNIT=${id}`];
  const lines = await askJournal(
    `--lines=${MAX_SAID}`,
    "--output-fields=MESSAGE,INVOCATION_ID,USER_INVOCATION_ID",
    ...who,
  );
  if ("unknown" in lines) return lines;
  const said = entries(lines.value).map((entry) => ({
    text: messageOf(entry),
    invocation: String(entry.INVOCATION_ID ?? entry.USER_INVOCATION_ID ?? ""),
    usec: Number(entry.__MONOTONIC_TIMESTAMP),
  }));
  return { value: said };
}

/** What its processes wrote. If one ends at once, journald may find it in no unit any more. So its pid counts too. */
export async function gatherOutput(manager: Manager, id: string, pids: readonly number[]): Promise<Fact<OutputLine[]>> {
  const [unit, said] = manager === "user" ? ["_SYSTEMD_USER_UNIT", "USER_UNIT"] : ["_SYSTEMD_UNIT", "UNIT"];
  const known = [...new Set(pids)].filter((pid) => pid > 0);
  const lines = await askJournal(
    `--lines=${MAX_OUTPUT}`,
    "--output-fields=MESSAGE,_PID,_SYSTEMD_INVOCATION_ID,INVOCATION_ID,CODE_FUNC,_EXE",
    `${unit}=${id}`,
    ...known.flatMap((pid) => ["+", `${said}=${id}`, `_PID=${pid}`, "+", "_TRANSPORT=stdout", `_PID=${pid}`]),
  );
  if ("unknown" in lines) return lines;
  const output = entries(lines.value).map((entry) => ({
    text: messageOf(entry),
    pid: Number(entry._PID),
    invocation: String(entry._SYSTEMD_INVOCATION_ID ?? entry.INVOCATION_ID ?? ""),
    usec: Number(entry.__MONOTONIC_TIMESTAMP),
    ofSystemd: entry.CODE_FUNC !== undefined && /\/systemd(-executor)?$/.test(String(entry._EXE ?? "/systemd")),
  }));
  return { value: output };
}

// --- internal ---

/** With a debug log, a start takes about a hundred. */
const MAX_SAID = 1000;
const MAX_OUTPUT = 100;

function entries(text: string): Record<string, unknown>[] {
  return text.split("\n").flatMap((line) => {
    const entry = parseObject(line);
    return entry === undefined ? [] : [entry];
  });
}

/** journalctl prints bytes that are not text as numbers, and leaves out very long values. */
function messageOf({ MESSAGE: message }: Record<string, unknown>): string {
  return Array.isArray(message) ? decodeBytes(Uint8Array.from(message)) : String(message ?? "");
}
