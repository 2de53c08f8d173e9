/** How the bench measures: the peers it builds, the receiver, programs run in turn. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Peers {
  c: string;
  libsystemd: boolean;
  /** Builds the npm package, and returns whether that is here. */
  node(): boolean;
}

/** A row of the table. */
export interface Row {
  what: string;
  figure: string;
  /** The ratios, each with what it is of and what it should not exceed (or, with `atLeast`, not fall below). */
  ratios: { of: string; ratio: number; low?: number; high?: number; goal?: number; atLeast?: boolean }[];
}

export const BUN = process.execPath;
export const BINARY = join(import.meta.dir, "../dist/sd-notify");
/** A directory of the bench's own, gone when it ends. */
export const work = mkdtempSync(join(tmpdir(), "sd-notify-bench-"));
process.on("exit", () => rmSync(work, { recursive: true }));
/** What is not on this machine, for whoever reads the table. */
export const absent: string[] = [];

/** Without what `npm run bench` sets: it would make the command look for who started npm. */
let env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_"))) as Record<
  string,
  string
>;
let receivers = 0;

/** Has what is run from now on notify a receiver. */
export function notifyTo(address: string): void {
  env = { ...env, NOTIFY_SOCKET: address };
}

/** The environment of what is run. */
export function environment(): Record<string, string> {
  return env;
}

export function build(): Peers {
  const c = join(work, "peer");
  const compile = (...flags: string[]) =>
    Bun.spawnSync(["cc", "-O2", "-o", c, join(import.meta.dir, "peer.c"), ...flags]).exitCode === 0;
  if (Bun.which("cc") === null) throw new Error("no C compiler here, which the receiver and the peers are built by");
  const libsystemd = compile("-DLIBSYSTEMD", "-lsystemd");
  if (!libsystemd) {
    absent.push("libsystemd's headers (Debian: libsystemd-dev)");
    if (!compile()) throw new Error("bench/peer.c does not compile");
  }
  if (!existsSync(BINARY)) throw new Error("no dist/sd-notify: npm run build");
  return { c, libsystemd, node: buildNpmPeer };
}

/** A native module, which needs Node.js, node-gyp and libsystemd's headers; and the network, the first time. */
function buildNpmPeer(): boolean {
  const directory = join(import.meta.dir, "npm");
  const built = () => existsSync(join(directory, "node_modules/sd-notify/build/Release/notify.node"));
  const npm = (...args: string[]) =>
    Bun.spawnSync(["npm", ...args], { cwd: directory, stdio: ["ignore", "ignore", "ignore"] });
  if (!built() && Bun.which("npm")) npm("install", "--no-audit", "--no-fund", "--no-package-lock");
  if (!built()) {
    absent.push("the npm package sd-notify (its build failed: npm install in bench/npm tells why)");
    return false;
  }
  return true;
}

export function compileEmpty(file: string): void {
  writeFileSync(`${file}.ts`, "export {};\n");
  const flags = [
    "--bytecode",
    "--format=esm",
    "--minify",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
  ];
  const { exitCode } = Bun.spawnSync([BUN, "build", `${file}.ts`, "--compile", ...flags, "--outfile", file]);
  if (exitCode !== 0) throw new Error("an empty program does not compile");
}

/** A receiver in C, in a process of its own; `done` is its time for `count` messages, in microseconds. */
export async function receiver(c: string, count = 0): Promise<AsyncDisposable & { done: Promise<number> }> {
  // One that has just ended may hold its address still.
  notifyTo(`@sd-notify-bench-${process.pid}-${++receivers}`);
  const child = Bun.spawn([c, "receive", `${count}`], { env, stdout: "pipe" });
  const reader = child.stdout.getReader();
  await reader.read();
  const done = reader.read().then(({ value }) => Number(new TextDecoder().decode(value).split(" ")[1]));
  return {
    done,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

/**
 * Runs each candidate once, as often as said: what changes on the machine meanwhile is the same for all. The order is
 * another one each time, because what a program finds in the caches depends on the one before it (3 % of a start).
 */
export function inTurn(candidates: Record<string, () => number[]>, rounds: number): Record<string, number[][]> {
  const results: Record<string, number[][]> = Object.fromEntries(Object.keys(candidates).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of shuffled(Object.entries(candidates))) results[name]?.push(run());
  }
  return results;
}

/** Wall-clock time and CPU time in milliseconds, peak memory in megabytes. */
export function spawn(command: string[], options: { cwd?: string; env?: Record<string, string> } = {}): number[] {
  return numbers([join(work, "peer"), "run", ...command], options);
}

/** The numbers that a program prints. */
export function numbers(command: string[], options: { cwd?: string; env?: Record<string, string> } = {}): number[] {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { env, stdin: "ignore", ...options });
  if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}: ${stderr}`);
  return stdout.toString().trim().split(" ").map(Number);
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/**
 * How two candidates compare that ran in turn: the median of the ratios of each round, and what half of them
 * lie between.
 */
export interface Ratio {
  ratio: number;
  low: number;
  high: number;
}

export function compare(ours: number[], theirs: number[]): Ratio {
  const ratios = ours.map((value, i) => value / (theirs[i] ?? Number.NaN)).sort((a, b) => a - b);
  const at = (part: number) => ratios[Math.floor(ratios.length * part)] ?? Number.NaN;
  return { ratio: at(0.5), low: at(0.25), high: at(0.75) };
}

/**
 * Measures programs as inTurn() does, but in several blocks, before each of which every file is copied by
 * cp(1): how a large file was written decides how the page cache holds it, which makes a third of the time of
 * its start.
 */
export function inTurnFreshly(
  candidates: Record<string, string[]>,
  { blocks, rounds }: { blocks: number; rounds: number },
): Record<string, number[][]> {
  const results: Record<string, number[][]> = {};
  for (let block = 0; block < blocks; block++) {
    const runs: Record<string, () => number[]> = {};
    const copies = new Map<string, string>();
    for (const [name, [file = "", ...args]] of Object.entries(candidates)) {
      let copy = copies.get(file);
      if (copy === undefined) {
        copy = join(work, `copy-${copies.size}`);
        rmSync(copy, { force: true });
        Bun.spawnSync(["cp", file, copy]);
        copies.set(file, copy);
      }
      const command = [copy, ...args];
      spawn(command);
      runs[name] = () => spawn(command);
    }
    for (const [name, values] of Object.entries(inTurn(runs, rounds))) {
      results[name] ??= [];
      results[name].push(...values);
    }
  }
  return results;
}

// --- internal ---

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
