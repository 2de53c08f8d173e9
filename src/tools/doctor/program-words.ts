/** What a program wrote before it ended: the line that tells why, and what helps. Pure. */

import { dirname } from "node:path";
import { lastOf } from "./assignments.ts";
import type { Unit } from "./facts.ts";
import { hiderOf } from "./hidden.ts";
import { bindPath } from "./unit-syntax.ts";

/**
 * Returns the line that tells why a program has ended: the last one. Bun and Node end with their version, behind
 * the place in the source, the message, and what belongs to it.
 */
export function tellingLine(lines: readonly string[]): string | undefined {
  const told = lines.filter((line) => line.trim() !== "");
  const last = told.at(-1);
  if (last === undefined) return undefined;
  if (REPORT.test(last)) return lineOfReport(told);
  if (!VERSION.test(last)) return last;
  const start = told.findLastIndex((line, i) => i < told.length - 1 && VERSION.test(line)) + 1;
  const crash = told.slice(start, -1);
  // The message follows the mark below the source.
  const marked = crash.findLast((_, i) => /^\s*\^+$/.test(crash[i - 1] ?? ""));
  return marked ?? crash.findLast((line) => !/^(\s|\d+ \||[{}\]])/.test(line)) ?? last;
}

/** What to change because of what a program wrote; undefined if that says nothing about the unit. */
export function cureOfWords(words: string, unit: Unit): string | undefined {
  const line = words.slice(0, MAX_LENGTH);
  const [, port] = /^[^'"]*(?:permission denied|EACCES)\b[^'"]*:(\d{1,4})\b/i.exec(line) ?? [];
  if (port !== undefined && Number(port) < 1024 && isUser(unit)) {
    return "AmbientCapabilities=CAP_NET_BIND_SERVICE; or a socket unit, or a port from 1024";
  }
  const [, used] = /port (\d+) in use|(?:EADDRINUSE|address already in use).*:(\d+)/i.exec(line)?.filter(Boolean) ?? [];
  if (used !== undefined) return `another port, or an end to the program that ss -ltnp "sport = :${used}" names`;
  const [, error, path] = WRITES.exec(line) ?? [];
  if (error !== undefined && path !== undefined) return toWrite(path, /^(EROFS|read-only)/i.test(error));
  const [, module] = /Module not found "([\w./@-]+)"/.exec(line) ?? [];
  if (module === undefined) return undefined;
  if (module.startsWith("/")) return hiderOf(module, unit)?.cure;
  return lastOf(unit.configuration, "WorkingDirectory") === undefined
    ? `WorkingDirectory= with the directory of ${module}, or ExecStart= with its whole path: the service starts in /`
    : undefined;
}

// --- internal ---

/** A message is not longer. */
const MAX_LENGTH = 1000;

/** Node and Bun: "EROFS: read-only file system, open '/x'"; Python: "[Errno 30] Read-only file system: '/x'". */
const WRITES =
  /\b(EROFS|Read-only file system|EACCES|Permission denied|ENOENT|No such file or directory)\b.*?['"](\/[^'"]+)['"]/i;

/** systemd.exec(5): systemd makes a directory here, and gives it to the user of the service. */
const DIRECTORIES: readonly (readonly [RegExp, string])[] = [
  [/^\/run\/([\w.-]+)\//, "RuntimeDirectory"],
  [/^\/var\/lib\/([\w.-]+)\//, "StateDirectory"],
  [/^\/var\/log\/([\w.-]+)\//, "LogsDirectory"],
  [/^\/var\/cache\/([\w.-]+)\//, "CacheDirectory"],
];

/** A service that wants to write here is wrong, or means harm. */
const OF_SYSTEM = /^\/([^/]*$|(?:bin|boot|dev|etc|lib\w*|proc|sbin|sys|usr)\/)/;

function toWrite(path: string, isReadOnly: boolean): string | undefined {
  for (const [pattern, setting] of DIRECTORIES) {
    const [, name] = pattern.exec(path) ?? [];
    if (name !== undefined) return `${setting}=${name}`;
  }
  const directory = bindPath(dirname(path));
  return isReadOnly && !OF_SYSTEM.test(path) && "text" in directory ? `ReadWritePaths=${directory.text}` : undefined;
}

/** "Bun v1.4.5 (Linux x64)", "Node.js v22.1.0" */
const VERSION = /^(Bun|Node\.js) v\d+\.\d+/;

/** The end of what Bun writes when it crashes, or is ended by SIGABRT. */
const REPORT = /^\s*https:\/\/bun\.report\//;

/** If a signal has ended Bun, what it calls a crash is none: what it wrote before counts. */
function lineOfReport(told: readonly string[]): string | undefined {
  const panic = told.findLast((line) => /^panic\b/.test(line));
  if (panic === undefined) return told.at(-1);
  if (!/: abort\(\) called/.test(panic)) return panic;
  return tellingLine(
    told.slice(
      0,
      Math.max(
        told.findLastIndex((line) => /^={20,}$/.test(line)),
        0,
      ),
    ),
  );
}

function isUser({ user, dynamicUser }: Unit): boolean {
  return dynamicUser || (user !== "" && user !== "root");
}
