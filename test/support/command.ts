/** Programs that the tests run, and what they leave. */

import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const ROOT = new URL("../..", import.meta.url).pathname;
export const BUN = process.execPath;
export const isRoot = process.getuid?.() === 0;

/** The command in its two forms: the single file, and the source run by Bun. */
export const COMMANDS: [name: string, command: string[]][] = [
  ["the binary", [`${ROOT}dist/sd-notify`]],
  ["the source", [BUN, `${ROOT}src/cli/from-source.ts`]],
];

export interface Result {
  code: number | null;
  signal: NodeJS.Signals | number | null;
  stdout: string;
  stderr: string;
  pid: number;
}

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  stdin?: string;
}

/** Runs a program to its end. Its environment has PATH and what `env` says, nothing else. */
export async function run(command: string[], { env = {}, cwd = ROOT, stdin = "" }: RunOptions = {}): Promise<Result> {
  const child = Bun.spawn(command, {
    cwd,
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/", ...env },
    stdin: Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, signal: child.signalCode, stdout, stderr, pid: child.pid };
}

/** Runs a module given as text, as if it stood in test/. */
export function runModule(source: string, options: RunOptions & { prefix?: string[] } = {}): Promise<Result> {
  return run([...(options.prefix ?? []), BUN, "run", "-"], { ...options, cwd: `${ROOT}test`, stdin: source });
}

/** The open file descriptors of this process, and what they are. */
export function openFds(): string[] {
  const open: string[] = [];
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      open.push(`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`);
    } catch {
      // The one that readdir had open.
    }
  }
  return open;
}

/** Which file descriptors are open that were not before. (Bun may have closed some of its own meanwhile.) */
export function newFds(before: readonly string[]): string[] {
  return openFds().filter((fd) => !before.includes(fd));
}

/** Waits until no pipe is open that was not before: Bun closes those of its streams on another thread. */
export async function noNewPipes(before: readonly string[]): Promise<void> {
  const open = () => newFds(before).filter((fd) => fd.includes("pipe:"));
  for (const deadline = performance.now() + 1000; performance.now() < deadline; await Bun.sleep(1)) {
    if (open().length === 0) return;
  }
  throw new Error(`still open: ${open().join(", ")}`);
}

/** A directory of the test's own, removed at the end of the scope. */
export function temporaryDirectory(): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), "sd-notify-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Names why a test is skipped, where a program that it needs is not there. */
export function missing(...programs: string[]): string | undefined {
  const absent = programs.filter((program) => Bun.which(program) === null);
  return absent.length > 0 ? `no ${absent.join(", ")} here` : undefined;
}

/** "title" and, when there is a reason to skip, " (skipped: reason)". */
export function titled(title: string, skipped: string | false | undefined): string {
  return skipped ? `${title} (skipped: ${skipped})` : title;
}
