/**
 * Reads what a 64-bit little-endian ELF file requires of the machine that runs it: elf(5). Nothing here runs the
 * file, so it may be for another processor.
 */

export interface Elf {
  /** e_machine: EM_X86_64 or EM_AARCH64. */
  machine: number;
  /** The loader, and the libraries that it has to find. */
  interpreter: string;
  needed: string[];
  /** The names of what the file takes from those libraries. */
  imports: string[];
  /** The newest glibc version among those names, such as "2.25"; undefined for musl, which has no versions. */
  glibc: string | undefined;
}

export interface Section {
  name: string;
  type: number;
  offset: number;
  size: number;
  link: number;
}

// <elf.h>
export const EM_X86_64 = 62;
export const EM_AARCH64 = 183;
export const SHN_UNDEF = 0;
export const SHT_DYNAMIC = 6;
export const SHT_DYNSYM = 11;
export const SHT_GNU_VERNEED = 0x6ffffffe;
export const SHT_GNU_VERSYM = 0x6fffffff;
// Elf64_Sym
export const SYMBOL_SIZE = 24;
export const st_name = 0;
export const st_shndx = 6;

/**
 * Returns what the file asks for.
 *
 * @throws Error when it is not such a file, or needs no library.
 */
export function readElf(file: Uint8Array): Elf {
  const view = viewOf(file);
  const sections = readSections(view);
  const interpreter = sections.find(({ name }) => name === ".interp");
  const imports = [...importedSymbols(view, sections).keys()];
  return {
    machine: view.getUint16(e_machine, true),
    interpreter: interpreter ? readName(file, interpreter.offset) : "",
    needed: readNeeded(view, sections),
    imports: imports.filter((name) => name !== "").sort(),
    glibc: newestGlibc(view, sections),
  };
}

/** A DataView of the file. @throws Error when it is not a 64-bit little-endian ELF file. */
export function viewOf(file: Uint8Array): DataView {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 64 || view.getUint32(0) !== ELF_MAGIC || file[4] !== ELFCLASS64 || file[5] !== ELFDATA2LSB) {
    throw new Error("this is no 64-bit little-endian ELF file");
  }
  return view;
}

export function readSections(view: DataView): Section[] {
  const start = Number(view.getBigUint64(e_shoff, true));
  const sections = Array.from({ length: view.getUint16(e_shnum, true) }, (_, i) => {
    const section = start + i * SECTION_SIZE;
    return {
      nameOffset: view.getUint32(section + sh_name, true),
      type: view.getUint32(section + sh_type, true),
      offset: Number(view.getBigUint64(section + sh_offset, true)),
      size: Number(view.getBigUint64(section + sh_size, true)),
      link: view.getUint32(section + sh_link, true),
    };
  });
  const names = sections[view.getUint16(e_shstrndx, true)]?.offset ?? 0;
  return sections.map(({ nameOffset, ...section }) => ({
    name: readName(bytesOf(view), names + nameOffset),
    ...section,
  }));
}

/** @throws Error when there is none. */
export function findSection(sections: readonly Section[], type: number): Section {
  const section = sections.find((section) => section.type === type);
  if (!section) throw new Error("the file has no dynamic symbols");
  return section;
}

/** The places of imported symbols in the table of dynamic symbols, by name. Of equal names, the last is kept. */
export function importedSymbols(view: DataView, sections: readonly Section[]): Map<string, number> {
  const symbols = findSection(sections, SHT_DYNSYM);
  const names = sections[symbols.link];
  if (!names) throw new Error("the dynamic symbols have no names");
  const places = new Map<string, number>();
  for (let i = 0; i < symbols.size / SYMBOL_SIZE; i++) {
    const symbol = symbols.offset + i * SYMBOL_SIZE;
    if (view.getUint16(symbol + st_shndx, true) !== SHN_UNDEF) continue;
    places.set(readName(bytesOf(view), names.offset + view.getUint32(symbol + st_name, true)), i);
  }
  return places;
}

// --- internal ---

const ELF_MAGIC = 0x7f454c46;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const DT_NEEDED = 1n;
// Elf64_Ehdr
const e_machine = 18;
const e_shoff = 40;
const e_shnum = 60;
const e_shstrndx = 62;
// Elf64_Shdr
const SECTION_SIZE = 64;
const sh_name = 0;
const sh_type = 4;
const sh_offset = 24;
const sh_size = 32;
const sh_link = 40;
// Elf64_Dyn
const DYNAMIC_SIZE = 16;
const d_val = 8;
// Elf64_Verneed
const vn_cnt = 2;
const vn_aux = 8;
const vn_next = 12;
// Elf64_Vernaux
const vna_name = 8;
const vna_next = 12;

function readNeeded(view: DataView, sections: readonly Section[]): string[] {
  const dynamic = findSection(sections, SHT_DYNAMIC);
  const names = sections[dynamic.link]?.offset ?? 0;
  const needed: string[] = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += DYNAMIC_SIZE) {
    if (view.getBigUint64(at, true) !== DT_NEEDED) continue;
    needed.push(readName(bytesOf(view), names + Number(view.getBigUint64(at + d_val, true))));
  }
  return needed;
}

function newestGlibc(view: DataView, sections: readonly Section[]): string | undefined {
  const section = sections.find(({ type }) => type === SHT_GNU_VERNEED);
  if (!section) return undefined;
  const names = sections[section.link]?.offset ?? 0;
  const versions: string[] = [];
  for (let at = section.offset, next = -1; next !== 0; at += next) {
    next = view.getUint32(at + vn_next, true);
    let version = at + view.getUint32(at + vn_aux, true);
    for (let i = 0; i < view.getUint16(at + vn_cnt, true); i++) {
      const [, glibc] =
        /^GLIBC_([\d.]+)$/.exec(readName(bytesOf(view), names + view.getUint32(version + vna_name, true))) ?? [];
      if (glibc !== undefined) versions.push(glibc);
      version += view.getUint32(version + vna_next, true);
    }
  }
  return versions.sort(compareVersions).at(-1);
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split(".").map(Number), b.split(".").map(Number)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    if ((left[i] ?? 0) !== (right[i] ?? 0)) return (left[i] ?? 0) - (right[i] ?? 0);
  }
  return 0;
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function readName(file: Uint8Array, start: number): string {
  return Buffer.from(file.subarray(start, file.indexOf(0, start))).toString("latin1");
}
