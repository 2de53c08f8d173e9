/** Why systemd's own process could not execute a command: systemd.exec(5), "Process Exit Codes". */

import { dirname } from "node:path";
import { shorten } from "../../protocol/shorten.ts";
import type { ExitStatus } from "./exit-statuses.ts";
import type { ProgramFile, Unit } from "./facts.ts";
import { inTheWay } from "./hidden.ts";
import { quote } from "./quote.ts";
import { isShellWord } from "./shell-syntax.ts";
import { shellWord } from "./shell-word.ts";

/**
 * `wrote` is what systemd's process wrote of it. `setting` is what the command belongs to: the cures speak of
 * ExecStart=, and what helps that helps the others.
 */
export function explainStep(
  row: ExitStatus,
  wrote: readonly string[],
  unit: Unit,
  setting = "ExecStart",
): { why: string; cure: string } {
  const { why, cure } = explain(row, wrote, unit);
  return { why, cure: cure.replace(/^ExecStart=/, `${setting}=`) };
}

// --- internal ---

function explain(row: ExitStatus, wrote: readonly string[], unit: Unit): { why: string; cure: string } {
  const { life } = unit;
  const step = wrote.findLast((text) => text.startsWith("Failed at step ")) ?? wrote.at(-1);
  const detail = wrote.findLast((text) => text !== step && !DEBUG.test(text));
  const lines = [detail, step].filter((text) => text !== undefined);
  const all = lines.join("\n");
  const path = /(?:^|[:\s'"])(\/[^\s'":]+)'?"?: (?:No such|Not a dir|Permission|Operation)/m.exec(all)?.[1];
  const place = path?.replace(/^\/run\/systemd\/(?:unit-root|mount-rootfs)(?=\/)/, "");
  const set = (row.settings ?? []).flatMap((name) => (life.settings[name] ?? []).map((value) => `${name}=${value}`));
  const obstacle = inTheWay(row.name, all, unit);
  const why = [
    row.name === "EXEC" ? (whyNotExecuted(life.program) ?? row.what) : row.what,
    ...(obstacle ? [obstacle.why] : []),
    ...(set.length > 0 ? [`its unit has ${shorten(set.join(", "), 200)}`] : []),
    ...(row.name === "NAMESPACE" && life.missingPaths.length > 0
      ? [`there is no ${shorten(life.missingPaths.join(", "), 200)}`]
      : []),
    ...(lines.length > 0 ? [`systemd says ${lines.map(quote).join(", ")}`] : []),
  ].join("; ");
  if (obstacle) return { why, cure: obstacle.cure };
  if (row.name === "EXEC") {
    const cure = cureOfProgram(life.program);
    if (cure !== undefined) return { why, cure };
  }
  const values: Values = (name) => {
    if (name === "path") return life.missingPaths[0] ?? place;
    if (name === "program") return life.program?.path;
    const [setting = "", part] = name.split(":");
    const value = life.settings[setting]?.at(-1)?.replace(/^-/, "");
    return part === "directory" ? fileOf(value, dirname) : value;
  };
  for (const [pattern, cure] of row.cures) {
    const filled = pattern.test(all) ? fill(cure, values) : undefined;
    if (filled !== undefined) return { why, cure: filled };
  }
  return { why, cure: "systemd.exec(5) tells of this step" };
}

/** Lines that only a manager at level debug adds. */
const DEBUG = new RegExp(
  [
    /^((Apply|Mount|Sett|Execut|Operat|Skipp|Pass)ing|Found|Bind|Remount|Success|User lookup|Followed|Kernel)/,
    /^(Loaded|Shared library|Neither lib|Failed at setting rlimit|PR_SET_MM)|, ignoring/,
  ]
    .map(({ source }) => source)
    .join("|"),
);

type Values = (name: string) => string | undefined;

/** undefined if one of the placeholders has no value. */
function fill(cure: string, values: Values): string | undefined {
  let complete = true;
  const filled = cure.replace(/\{([A-Za-z]+(?::[a-z]+)?)\}/g, (_, name: string) => {
    const value = values(name);
    if (value === undefined || value === "") complete = false;
    return shellWord(value ?? "");
  });
  return complete ? filled : undefined;
}

/** The path in "append:/var/log/x/y". */
function fileOf(value: string | undefined, pick: (path: string) => string): string | undefined {
  const [, path] = /^(?:file|append|truncate):(\/.*)$/.exec(value ?? "") ?? [];
  return path === undefined ? undefined : pick(path);
}

function whyNotExecuted(program: ProgramFile | undefined): string | undefined {
  if (program === undefined) return undefined;
  const { path, found, executable, format, interpreter, interpreterFound } = program;
  if (found === "nothing" && /^\/\S+ /.test(path))
    return `there is no ${path}: quotes make one word of a whole command`;
  if (found === "nothing") return `there is no ${path}`;
  if (found !== "file") return `${path} is ${found === "directory" ? "a directory" : "no file"}`;
  if (!executable) return `${path} may be executed by nobody: its mode has no x`;
  if (interpreterFound === false) return `the first line of ${path} names ${interpreter}, and there is no such program`;
  if (format === "text") return `${path} is no binary, and its first line does not begin with #!`;
  return undefined;
}

function cureOfProgram(program: ProgramFile | undefined): string | undefined {
  if (program === undefined) return undefined;
  const { path, found, executable, interpreter, interpreterFound, format, namesake } = program;
  // The check of shell syntax says more.
  if (isShellWord(path)) return undefined;
  if (found === "nothing" && /^\/\S+ /.test(path)) return `ExecStart=${path}`;
  if (found === "nothing" || found !== "file")
    return namesake === undefined
      ? `ExecStart= with the path of a program that is there, or install ${shellWord(path)}`
      : `ExecStart= with ${namesake}, which is there`;
  if (!executable) return `chmod a+x ${shellWord(path)}`;
  if (interpreterFound === false) return `install ${interpreter}, or name another in the first line of ${path}`;
  if (format === "text") return `#!/bin/sh, or another interpreter, as the first line of ${path}`;
  return undefined;
}
