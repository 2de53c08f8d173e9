/** `sd-notify doctor`: why a service is stuck in "activating". It gathers facts, checks them, prints a checklist. */

import { inColour, print, printJson } from "../../console/output.ts";
import { UsageError } from "../../console/usage-error.ts";
import { unitOfCgroup } from "../../linux/cgroup.ts";
import { parse, parseCount, type Tool } from "../options.ts";
import type { Manager } from "./ask.ts";
import { checkAll } from "./checks.ts";
import type { Fact, Facts, Process, Unit } from "./facts.ts";
import { minimalUnit } from "./minimal-unit.ts";

import { exitStatus, formatReport } from "./print.ts";
import { gatherProcess } from "./process.ts";
import { gatherSelf } from "./self.ts";
import { shellWord } from "./shell-word.ts";
import { summarize } from "./summary.ts";
import { gatherUnit } from "./systemctl.ts";

export const tool = {
  name: "doctor",
  description: "Find out why a service is not ready, and what to change",
  operand: "[UNIT]",
  options: {
    user: { type: "boolean", help: "UNIT belongs to the service manager of the user" },
    pid: { type: "string", hint: "PID", help: "Look at this process, and at its unit" },
    json: { type: "boolean", help: "Print one JSON object: subject, summary, checks, unit" },
    help: { type: "boolean", short: "h", help: "Show this help" },
  },
  footer:
    "Without UNIT and --pid, it looks at its own surroundings: call it where the service would call sd-notify.\n\n" +
    "Exit status: 0 nothing failed; 1 something failed, or the arguments are wrong.",
} as const satisfies Tool;

/** Resolves to the exit status: 0 when nothing failed. */
export async function main(args: readonly string[]): Promise<number> {
  const { values, operands, command } = parse(tool, args);
  const [unit, surplus] = operands;
  if (surplus !== undefined || command !== undefined) {
    throw new UsageError(`${surplus ?? "--"} is too much: give one unit, or --pid=`);
  }
  if (unit !== undefined && values.pid !== undefined) throw new UsageError("give a unit or --pid=, not both");
  const manager: Manager = values.user ? "user" : "system";
  const pid = values.pid === undefined ? undefined : parseCount("pid", values.pid, 1);
  const facts =
    unit !== undefined
      ? await factsOfUnit(unit, manager)
      : pid !== undefined
        ? await factsOfProcess(pid)
        : await factsOfSelf();
  const checks = checkAll(facts);
  const report = { subject: facts.subject, summary: summarize(facts, checks), checks, unit: minimalUnit(facts) };
  if (values.json) printJson(report);
  else print(formatReport(report, inColour()));
  return exitStatus(report.checks);
}

// --- internal ---

async function factsOfUnit(name: string, manager: Manager): Promise<Facts> {
  const unit = await gatherUnit(name, manager);
  return { subject: "value" in unit ? unit.value.id : name, unit };
}

async function factsOfProcess(pid: number): Promise<Facts> {
  const found = gatherProcess(pid);
  const subject = "value" in found ? `process ${pid} (${found.value.name})` : `process ${pid}`;
  return { subject, process: found, ...(await unitAround(found)) };
}

async function factsOfSelf(): Promise<Facts> {
  const self = gatherSelf();
  const found = gatherProcess(self.pid);
  const subject = `this process, ${self.pid}, called by process ${self.caller} (${self.callerName})`;
  return { subject, self, process: found, ...(await unitAround(found)) };
}

/** The unit that a process belongs to, if any. */
async function unitAround(found: Fact<Process>): Promise<{ unit?: Fact<Unit> }> {
  if ("unknown" in found) return {};
  const around = unitOfCgroup(found.value.cgroup);
  if (!around) return {};
  const { id, uid } = around;
  if (uid !== undefined && uid !== process.getuid?.()) {
    const command = `sd-notify doctor --user ${shellWord(id)}`;
    return { unit: { unknown: `it is ${id} of user ${uid}'s service manager: as that user, ${command}` } };
  }
  return { unit: await gatherUnit(id, uid === undefined ? "system" : "user") };
}
