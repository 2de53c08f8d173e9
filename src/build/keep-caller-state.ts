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

import { closeSync, openSync, writeSync } from "node:fs";
import { resolve } from "node:path";

const REPLACEMENTS = { setrlimit: "getrlimit", signal: "getpid" };

/** Bytes to write into a file. */
export interface Patch {
  offset: number;
  bytes: Uint8Array;
}

/**
 * Returns what to write into a 64-bit little-endian ELF file, so that it imports other functions in place of some.
 *
 * @throws Error when it is no such file, or does not import one of them.
 */
export function replaceImports(file: Uint8Array, replacements: Record<string, string>): Patch[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.getUint32(0) !== ELF_MAGIC || file[4] !== ELFCLASS64 || file[5] !== ELFDATA2LSB) {
    throw new Error("Cannot replace imports: this is no 64-bit little-endian ELF file");
  }
  const sections = readSections(view);
  const symbols = find(sections, SHT_DYNSYM);
  const versions = sections.find(({ type }) => type === SHT_GNU_VERSYM);
  const names = sections[symbols.link];
  if (!names) throw new Error("Cannot replace imports: the dynamic symbols have no names");
  const places = new Map<string, number>();
  for (let i = 0; i < symbols.size / SYMBOL_SIZE; i++) {
    const symbol = symbols.offset + i * SYMBOL_SIZE;
    const imported = view.getUint16(symbol + st_shndx, true) === SHN_UNDEF;
    if (imported) places.set(readName(file, names.offset + view.getUint32(symbol + st_name, true)), i);
  }
  const patches: Patch[] = [];
  for (const [from, to] of Object.entries(replacements)) {
    const [old, other] = [places.get(from), places.get(to)];
    if (old === undefined || other === undefined) {
      throw new Error(`Cannot replace imports: ${old === undefined ? from : to}() is not imported`);
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

/**
 * Has the executable start a program, and looks at what that has.
 *
 * @throws Error unless it is what the caller had.
 */
export function checkCallerState(executable: string): void {
  for (const ignored of [[], ["PIPE"], ["XFSZ"], ["PIPE", "XFSZ"]]) {
    // In reach of no systemd-notify, which would keep it all.
    const { stderr } = Bun.spawnSync(["/bin/sh", "-c", CALL, resolve(executable), LOOK, ...ignored], {
      env: { PATH: "/nowhere" },
      stdin: "ignore",
      stdout: "ignore",
    });
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

/** A soft limit that nobody has by chance. */
const SOFT_LIMIT = "123";

/** Calls the executable, $0, with some signals ignored. */
const CALL = `look=$1; shift; for signal; do trap '' $signal; done
  ulimit -Sn ${SOFT_LIMIT}; exec "$0" --fork -q -- /bin/sh -c "$look"`;

/** Without cat(1) and its likes: there is no $PATH. */
const LOOK = `while read -r name value; do [ $name = SigIgn: ] && echo $value >&2; done </proc/self/status
  ulimit -Sn >&2`;

/** Their bits in SigIgn, proc_pid_status(5). */
const SIGNALS = { PIPE: 1n << 12n, XFSZ: 1n << 24n };

function describe(ignored: string[], limit: string): string {
  const signals = ignored.map((name) => `SIG${name}`).join(" and ") || "no signal";
  return `${signals} ignored, ${limit} open files`;
}

// <elf.h>
const ELF_MAGIC = 0x7f454c46;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const SHN_UNDEF = 0;
const SHT_DYNSYM = 11;
const SHT_GNU_VERSYM = 0x6fffffff;
// Elf64_Ehdr
const e_shoff = 40;
const e_shnum = 60;
// Elf64_Shdr
const SECTION_SIZE = 64;
const sh_type = 4;
const sh_offset = 24;
const sh_size = 32;
const sh_link = 40;
// Elf64_Sym
const SYMBOL_SIZE = 24;
const st_name = 0;
const st_shndx = 6;

interface Section {
  type: number;
  offset: number;
  size: number;
  link: number;
}

function readSections(view: DataView): Section[] {
  const start = Number(view.getBigUint64(e_shoff, true));
  return Array.from({ length: view.getUint16(e_shnum, true) }, (_, i) => {
    const section = start + i * SECTION_SIZE;
    return {
      type: view.getUint32(section + sh_type, true),
      offset: Number(view.getBigUint64(section + sh_offset, true)),
      size: Number(view.getBigUint64(section + sh_size, true)),
      link: view.getUint32(section + sh_link, true),
    };
  });
}

function find(sections: Section[], type: number): Section {
  const section = sections.find((section) => section.type === type);
  if (!section) throw new Error("Cannot replace imports: the file has no dynamic symbols");
  return section;
}

function readName(file: Uint8Array, start: number): string {
  return Buffer.from(file.subarray(start, file.indexOf(0, start))).toString("latin1");
}

// --- main ---

if (import.meta.main) {
  const [, , path = ""] = process.argv;
  try {
    const patches = replaceImports(await Bun.file(path).bytes(), REPLACEMENTS);
    // In place: a file that is written as a whole takes a millisecond longer to start, for it is laid out
    // worse in the page cache.
    const fd = openSync(path, "r+");
    for (const { offset, bytes } of patches) writeSync(fd, bytes, 0, bytes.length, offset);
    closeSync(fd);
    checkCallerState(path);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
