/**
 * Makes a standalone executable of Bun's leave two things as its caller had them: the soft limit of open
 * files, which Bun raises at start, and the ignored signals, to which it adds SIGPIPE and SIGXFSZ. What
 * `--exec` and `--fork` start has to find both, and once Bun has changed them, nobody can tell any more what
 * they were: the kernel keeps no history.
 *
 * So two of the functions that the executable imports from libc become others, which do nothing and take the
 * same arguments: setrlimit() becomes getrlimit(), signal() becomes getpid(). That is a change to the names
 * in its table of dynamic symbols, elf(5), and to no code. Nothing in the command needs either. Then the
 * executable is run, to see that it keeps both: another Bun may change them by other functions.
 *
 *     bun src/build/keep-caller-state.ts EXECUTABLE
 */

import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import {
  findSection,
  importedSymbols,
  readElf,
  readSections,
  SHT_DYNSYM,
  SHT_GNU_VERSYM,
  SYMBOL_SIZE,
  st_name,
  viewOf,
} from "./elf.ts";

const REPLACEMENTS = { setrlimit: "getrlimit", signal: "getpid" };

/** Bytes to write into a file. */
export interface Patch {
  offset: number;
  bytes: Uint8Array;
}

/**
 * Returns what to write into a 64-bit little-endian ELF file, so that it imports other functions in place of some.
 *
 * @throws Error when it is not such a file, or does not import one of them.
 */
export function replaceImports(file: Uint8Array, replacements: Record<string, string>): Patch[] {
  try {
    return findPatches(file, replacements);
  } catch (error) {
    throw new Error(`Cannot replace imports: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Makes the executable keep its caller's state, and reads it again to see that it has. It may be of another
 * processor: what runs here is checkCallerState()'s to try.
 *
 * @throws Error when that can't be done.
 */
export function keepCallerState(executable: string): void {
  // In place: a file that is written as a whole takes a millisecond longer to start, for it is laid out
  // worse in the page cache.
  const fd = openSync(executable, "r+");
  try {
    for (const { offset, bytes } of replaceImports(readFileSync(executable), REPLACEMENTS)) {
      writeSync(fd, bytes, 0, bytes.length, offset);
    }
  } finally {
    closeSync(fd);
  }
  const left = readElf(readFileSync(executable)).imports.filter((name) => name in REPLACEMENTS);
  if (left.length > 0) throw new Error(`Cannot replace imports: ${executable} still imports ${left.join(", ")}`);
}

/**
 * The functions by which an executable could change limits or signals. Executables with the same ones, made of
 * the same version of Bun, treat their caller's state alike: that is how one of another processor is judged.
 */
export function callerStateImports(executable: string): string[] {
  return readElf(readFileSync(executable)).imports.filter((name) => /rlimit|^sig|signal/.test(name));
}

/**
 * Has the executable start a program, and looks at what that has. `emulator` is the command that runs
 * executables of another processor, by its absolute path.
 *
 * @throws Error unless it is what the caller had.
 */
export function checkCallerState(executable: string, emulator: readonly string[] = []): void {
  for (const ignored of [[], ["PIPE"], ["XFSZ"], ["PIPE", "XFSZ"]]) {
    // In reach of no systemd-notify, which would keep it all.
    const { stderr } = Bun.spawnSync(
      ["/bin/sh", "-c", CALL, LOOK, ignored.join(" "), ...emulator, resolve(executable)],
      {
        env: { PATH: "/nowhere" },
        stdin: "ignore",
        stdout: "ignore",
      },
    );
    const [, mask, limit] = /^([0-9a-f]{16})\n(\d+)\n$/.exec(stderr.toString()) ?? [];
    if (mask === undefined) throw new Error(`Cannot tell what ${executable} hands on: ${stderr.toString().trim()}`);
    const found = Object.entries(SIGNALS).filter(([, bit]) => (BigInt(`0x${mask}`) & bit) !== 0n);
    const [before, after] = [
      describe(ignored, SOFT_LIMIT),
      describe(
        found.map(([name]) => name),
        `${limit}`,
      ),
    ];
    if (before !== after) {
      throw new Error(
        `${executable} does not hand on what its caller has (${before}) but ${after}: ` +
          `Bun ${Bun.version} sets it otherwise`,
      );
    }
  }
}

// --- internal ---

/** A soft limit that no system has by chance. */
const SOFT_LIMIT = "123";

/** Calls the executable with some signals, $1, ignored: it starts a shell that looks, $0. */
const CALL = `for signal in $1; do trap '' $signal; done; shift
  ulimit -Sn ${SOFT_LIMIT}; exec "$@" --fork -q -- /bin/sh -c "$0"`;

/** Without cat(1) and its likes: there is no $PATH. */
const LOOK = `while read -r name value; do [ $name = SigIgn: ] && echo $value >&2; done </proc/self/status
  ulimit -Sn >&2`;

/** Their bits in SigIgn, proc_pid_status(5). */
const SIGNALS = { PIPE: 1n << 12n, XFSZ: 1n << 24n };

function describe(ignored: string[], limit: string): string {
  const signals = ignored.map((name) => `SIG${name}`).join(" and ") || "no signal";
  return `${signals} ignored, ${limit} open files`;
}

function findPatches(file: Uint8Array, replacements: Record<string, string>): Patch[] {
  const view = viewOf(file);
  const sections = readSections(view);
  const places = importedSymbols(view, sections);
  const symbols = findSection(sections, SHT_DYNSYM);
  const versions = sections.find(({ type }) => type === SHT_GNU_VERSYM);
  const patches: Patch[] = [];
  for (const [from, to] of Object.entries(replacements)) {
    const [old, other] = [places.get(from), places.get(to)];
    if (old === undefined || other === undefined) {
      throw new Error(`${old === undefined ? from : to}() is not imported`);
    }
    const copy = (start: number, entrySize: number, size: number) => {
      const source = start + other * entrySize;
      patches.push({ offset: start + old * entrySize, bytes: file.slice(source, source + size) });
    };
    copy(symbols.offset + st_name, SYMBOL_SIZE, 4);
    // Both may be of different versions of libc's: elf(5), .gnu.version.
    if (versions) copy(versions.offset, 2, 2);
  }
  return patches;
}

// --- main ---

if (import.meta.main) {
  const [, , path = ""] = process.argv;
  try {
    keepCallerState(path);
    checkCallerState(path);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
