/** Looks at the file of a program. */

import { closeSync, constants, existsSync, openSync, readSync, realpathSync, statSync } from "node:fs";
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
    const [, interpreter] = /^#![ \t]*([^ \t\n\0]+)/.exec(head ?? "") ?? [];
    const closed = closedAbove(path) ?? (interpreter === undefined ? undefined : closedAbove(interpreter));
    const file = { ...about, found: "file", executable, ...(closed !== undefined && { closed }) } as const;
    if (head === undefined) return file;
    const format = head.startsWith("\x7fELF") ? "binary" : head.startsWith("#!") ? "script" : "text";
    if (interpreter === undefined) return { ...file, format };
    return { ...file, format, interpreter, interpreterFound: existsSync(interpreter) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR" ? { ...about, found: "nothing" } : undefined;
  }
}

// --- internal ---

/** The first directory on the way to a file that not everybody may enter, by its own path or by that without links. */
function closedAbove(path: string): string | undefined {
  for (const way of new Set([path, realPath(path)])) {
    const parts = way.split("/").slice(1, -1);
    const directories = parts.map((_, i) => `/${parts.slice(0, i + 1).join("/")}`);
    const closed = directories.find((directory) => {
      const stat = statSync(directory, { throwIfNoEntry: false });
      return stat !== undefined && (stat.mode & 0o001) === 0;
    });
    if (closed !== undefined) return closed;
  }
  return undefined;
}

/** If the file is not there, nothing but its own path is known. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

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
