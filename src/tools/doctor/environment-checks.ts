/** Checks of the environment that a unit is configured to have: UnsetEnvironment= and EnvironmentFile=. */

import type { EnvironmentFile } from "./configuration-facts.ts";
import type { Check, Unit } from "./facts.ts";
import { lastInvocation } from "./said.ts";
import { shellWord } from "./shell-word.ts";
import { isInTrouble } from "./trouble.ts";

/** UnsetEnvironment= is applied last, and removes even variables that systemd itself has set. */
export function checkUnsetEnvironment(unit: Unit): Check[] {
  const names = new Set(unit.configuration.unset.map((word) => word.replace(/=.*/s, "")));
  const lost = ["NOTIFY_SOCKET", ...(unit.watchdogUsec > 0 ? ["WATCHDOG_USEC"] : [])].filter((name) => names.has(name));
  if (lost.length === 0 || unit.notifyAccess === "none") return [];
  const missed = unit.type.startsWith("notify") && isInTrouble(unit);
  const setting = `UnsetEnvironment=${unit.configuration.unset.join(" ")}`;
  const why = `it takes ${lost.join(" and ")} from the service: systemd sets it, and removes it again`;
  return [
    {
      name: "environment",
      result: missed ? "failed" : "note",
      what: setting,
      why,
      cure: `UnsetEnvironment= without ${lost.join(" and ")}`,
    },
  ];
}

/** systemd puts nothing in place of a variable that is not set, and says so from version 254 on. */
export function checkUnsetVariables({ life }: Unit): Check[] {
  const invocation = lastInvocation(life);
  const lines = "value" in life.output ? life.output.value.filter((line) => line.invocation === invocation) : [];
  const names = lines.flatMap(({ text, ofSystemd }) => (ofSystemd ? (UNSET.exec(text)?.[1] ?? "").split(", ") : []));
  return [...new Set(names.filter(Boolean))].map((name): Check => {
    const what = `$${name} in a command of the unit`;
    const why = "it is not set, and systemd puts nothing in its place";
    return { name: "environment", result: "note", what, why, cure: `Environment=${name}=…, or EnvironmentFile=` };
  });
}

export function checkEnvironmentFiles(unit: Unit): Check[] {
  return unit.configuration.environmentFiles.flatMap((file) => checkEnvironmentFile(file, unit));
}

// --- internal ---

const UNSET = /Referenced but unset environment variable evaluates to an empty string: ([\w, ]+)/;

function checkEnvironmentFile(file: EnvironmentFile, unit: Unit): Check[] {
  const { path, optional, found, ofSystemd, invalid, commented, changed } = file;
  const result = isInTrouble(unit) ? "failed" : "note";
  const what = `EnvironmentFile=${optional ? "-" : ""}${path}`;
  const check = (why: string, cure: string, worst: Check["result"] = result): Check => ({
    name: "environment",
    result: worst,
    what,
    why,
    cure,
  });
  if (found === "nothing" && optional) {
    if (result === "note") return [];
    return [
      check("there is no such file, and with the dash systemd goes on without its variables", `create ${path}`, "note"),
    ];
  }
  if (found === "nothing") {
    return [
      check(
        "there is no such file: the start fails",
        `create ${path}, or EnvironmentFile=-${path} if it need not be there`,
      ),
    ];
  }
  const checks: Check[] = [];
  if (ofSystemd.length > 0) {
    const names = ofSystemd.join(" and ");
    checks.push(check(`it sets ${names}, in place of what systemd sets`, `remove ${names} from ${path}`));
  }
  for (const { line, exported } of invalid) {
    const said = exported === undefined ? "" : `, export ${exported},`;
    const why = `line ${line}${said} is no assignment to systemd, which is no shell: it ignores the line`;
    checks.push(check(why, exported === undefined ? "NAME=value" : `${exported}= without export`));
  }
  for (const { line, name } of commented) {
    const why = `line ${line}: what looks like a comment behind the value is part of ${name}`;
    checks.push(check(why, "put the comment on a line of its own"));
  }
  if (changed.length > 0) {
    const some = changed.slice(0, 3).join(", ");
    const more = changed.length > 3 ? ` and ${changed.length - 3} more` : "";
    const why = `it has changed since the main process was started, which has ${some}${more} as before`;
    checks.push(check(why, `systemctl${unit.manager === "user" ? " --user" : ""} restart ${shellWord(unit.id)}`));
  }
  return checks;
}
