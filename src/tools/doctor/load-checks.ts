/** Units that can't be looked at: no unit has the name, it is not a service, or systemd rejects its file. */

import type { Check, Unit } from "./facts.ts";
import { quote } from "./quote.ts";
import { saidOfLast, wordsOf } from "./said.ts";
import { shellWord } from "./shell-word.ts";

/** Whether a service of this name exists, so that its settings count. */
export function isService({ id, loadState }: Unit): boolean {
  return loadState === "loaded" && id.endsWith(".service");
}

/** If nothing can be said of a unit, that is an error if somebody named it, but not if it was found by a process. */
export function checkUnknown(subject: string, why: string, isNamed: boolean): Check {
  const name = "unit";
  if (!isNamed) return { name, result: "unknown", what: "the unit", why };
  const [, template] = /^([^@]+)@(?:\.service)?$/.exec(subject) ?? [];
  if (template === undefined) return { name, result: "failed", what: subject, why };
  const list = `systemctl list-units --all ${shellWord(`${template}@*`)}`;
  const cure = `${shellWord(`${template}@INSTANCE`)}, with one of ${list}`;
  return { name, result: "failed", what: subject, why: "it is a template: a unit has a name after the @", cure };
}

/** Why a unit can't be looked at. */
export function notLoaded(unit: Unit, isNamed = true): Check {
  const { id, loadState, manager, life } = unit;
  const name = "unit";
  const user = manager === "user" ? " --user" : "";
  const word = shellWord(id);
  if (loadState === "loaded") {
    const [service] = life.triggers.filter((unit) => unit.endsWith(".service"));
    const cure =
      service === undefined ? {} : { cure: `sd-notify doctor${user} ${shellWord(service)}, which it starts` };
    const why = "it is no service, and only services send messages";
    return { name, result: isNamed ? "failed" : "note", what: id, why, ...cure };
  }
  const other = manager === "system" ? " --user" : "";
  const owner = manager === "system" ? "the user's" : "the system's";
  const cures: Record<string, string> = {
    "not-found": [
      `systemctl${user} daemon-reload, where its file is new`,
      `sd-notify doctor${other} ${word}, where it is of ${owner} manager`,
      `systemctl${user} list-units "*NAME*" finds names`,
    ].join("; "),
    masked: `systemctl${user} unmask ${word}`,
    "bad-setting": `the line that systemd names, then systemctl${user} daemon-reload`,
  };
  return {
    name,
    result: "failed",
    what: id,
    why: whyNot(unit),
    cure: cures[loadState] ?? `systemctl${user} status ${word}`,
  };
}

// --- internal ---

/** What is no reason: a note about a line that is ignored, and a bus whose other end has gone. */
const BESIDE = /configuration:|Failed to send unit \w+ signal/;

function whyNot({ loadState, life }: Unit): string {
  if (loadState === "not-found") return "there is no such unit";
  const why = `its LoadState is ${loadState}`;
  if (loadState === "masked") return `${why}: its file is a link to /dev/null, so it can't be started`;
  const said = saidOfLast(life).findLast(
    ({ text }) => /Refusing|[Ff]ailed to|[Ii]nvalid|lacks|bad-setting/.test(text) && !BESIDE.test(text),
  );
  if (said !== undefined) return `${why}: systemd says ${quote(wordsOf(said.text))}`;
  const [, told] = /"(.*)"/.exec(life.loadError) ?? [];
  return told === undefined ? why : `${why}: systemd says ${quote(told)}`;
}
