/** Looks at the file of a program. */

import { closeSync, constants, existsSync, openSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { decodeBytes } from "../../linux/bytes.ts";
import { findProgram } from "../../linux/find-program.ts";
import type { Command, ProgramFile } from "./facts.ts";

/** Why it can or can't be executed, as far as its file shows. */
export function lookAtProgram(command: Command | undefined): ProgramFile | undefined {
  if (command === undefined) return undefined;
  const { path } = command;
  const namesake = findProgram(basename(path));
  const about = { path, executable: false, ...(namesake !== undefined && namesake !== path && { namesake }) };
  if (!path.startsWith("/")) return { ...about, found: "nothing" };
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) return { ...about, found: "directory" };
    if (!stat.isFile()) return { ...about, found: "other" };
    const executable = (stat.mode & 0o111) !== 0;
    const head = readHead(path);
    if (head === undefined) return { ...about, found: "file", executable };
    const [, interpreter] = /^#![ \t]*([^ \t\n\0]+)/.exec(head) ?? [];
    const format = head.startsWith("\x7fELF") ? "binary" : head.startsWith("#!") ? "script" : "text";
    if (interpreter === undefined) return { ...about, found: "file", executable, format };
    return { ...about, found: "file", executable, format, interpreter, interpreterFound: existsSync(interpreter) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR" ? { ...about, found: "nothing" } : undefined;
  }
}

// --- internal ---

/** The kernel reads 256 bytes as well. */
function readHead(path: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const bytes = Buffer.alloc(256);
    return decodeBytes(bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0)));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
