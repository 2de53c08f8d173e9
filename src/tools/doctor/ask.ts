/** Runs the systemd programs that can answer the doctor's questions. */

import { findProgram } from "../../linux/find-program.ts";
import type { Fact, Unit } from "./facts.ts";

export type Manager = Unit["manager"];

export interface Answer {
  /** undefined: the program is not installed. */
  code?: number;
  stdout: string;
  stderr: string;
}

/** Runs a systemd program. If it can't answer, its error becomes the reason why the facts are not known. */
export async function ask(manager: Manager, program: string, ...args: string[]): Promise<Fact<string>> {
  const options = [...(manager === "user" ? ["--user"] : []), "--no-pager"];
  const { code, stdout, stderr } = await runProgram(program, ...options, ...args);
  if (code === 0) return { value: stdout };
  const [line = ""] = stderr.trim().split("\n");
  return { unknown: `${program} ${code === undefined ? "is not here" : `says: ${line || `exit status ${code}`}`}` };
}

/** Asks journalctl. If it may not or can't tell, the reason is in its own words. */
export async function askJournal(...args: string[]): Promise<Fact<string>> {
  const { code, stdout, stderr } = await runProgram("journalctl", "--no-pager", "--boot", "--output=json", ...args);
  if (code === undefined) return { unknown: "journalctl is not here" };
  if (/insufficient permissions|not seeing messages/.test(stderr)) {
    return { unknown: "no right to read the journal: run this as root, or as a member of the group systemd-journal" };
  }
  if (code !== 0 || /No journal files/.test(stderr)) {
    return { unknown: `journalctl says: ${stderr.trim().split("\n")[0] || `exit status ${code}`}` };
  }
  return { value: stdout };
}

export async function runProgram(name: string, ...args: string[]): Promise<Answer> {
  const path = findProgram(name);
  if (path === undefined) return { stdout: "", stderr: "" };
  let child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  try {
    child = Bun.spawn([path, ...args], {
      env: { ...process.env, LC_ALL: "C.UTF-8", SYSTEMD_COLORS: "0" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: 20_000,
    });
  } catch (error) {
    return { stdout: "", stderr: String(error) };
  }
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, stdout, stderr };
}
