/** getopt_long(3) of glibc itself. */

import { CString, dlopen, FFIType, type Pointer, read, toArrayBuffer } from "bun:ffi";
import { allocate } from "../../ffi/libc.ts";
import type { Option } from "../../src/cli/options.ts";

export interface Found {
  /** Each option as `name` or `name=value`, up to the first mistake. */
  options: string[];
  /** What is no option; undefined if there is a mistake. */
  rest: string[] | undefined;
}

/** Returns a function that reads arguments as glibc does; undefined where libc is another one. */
export function glibcGetopt(options: readonly Option[]): ((args: readonly string[]) => Found) | undefined {
  let lib: ReturnType<typeof open>;
  try {
    lib = open();
  } catch {
    return undefined;
  }
  const { address, buffer } = allocate(SIZE);
  const [view, bytes] = [new DataView(buffer), new Uint8Array(buffer)];
  let end = 0;
  const word = (value: number) => {
    view.setBigUint64(end, BigInt(value), true);
    end += 8;
  };
  const text = (text: string) => {
    const start = end;
    end += encoder.encodeInto(text, bytes.subarray(end)).written;
    bytes[end++] = 0;
    return address + start;
  };
  const short = text(options.map(({ short = "" }) => short).join(""));
  const names = options.map(({ long }) => text(long));
  end = align(end);
  const long = address + end;
  // struct option { const char *name; int has_arg; int *flag; int val; }
  options.forEach(({ short, value }, i) => {
    word(names[i] as number);
    word({ none: 0, required: 1, optional: 2 }[value]);
    word(0);
    word(short === undefined ? FIRST + i : short.charCodeAt(0));
  });
  end += 32;
  const base = end;
  const int = (name: "optind" | "opterr") => new Int32Array(toArrayBuffer(lib[name].ptr as Pointer, 0, 4));
  const [optind, opterr] = [int("optind"), int("opterr")];
  const optarg = lib.optarg.ptr as Pointer;

  return (args) => {
    end = base;
    const pointers = ["sd-notify", ...args].map(text);
    end = align(end);
    const argv = address + end;
    for (const pointer of [...pointers, 0]) word(pointer);
    // 0 makes it begin anew.
    optind[0] = 0;
    opterr[0] = 0;
    const found: string[] = [];
    for (;;) {
      const value = lib.getopt_long(pointers.length, argv as Pointer, short as Pointer, long as Pointer, null);
      if (value === -1) break;
      if (value === 63) return { options: found, rest: undefined };
      const option =
        value >= FIRST ? options[value - FIRST] : options.find(({ short }) => short?.charCodeAt(0) === value);
      const argument = read.ptr(optarg, 0);
      found.push(argument === 0 ? `${option?.long}` : `${option?.long}=${new CString(argument as Pointer)}`);
    }
    const rest: string[] = [];
    for (let i = optind[0] ?? 0; i < pointers.length; i++) {
      rest.push(`${new CString(read.ptr(argv as Pointer, i * 8) as Pointer)}`);
    }
    return { options: found, rest };
  };
}

// --- internal ---

const encoder = new TextEncoder();

/** Room for the longest arguments of a fuzzer's. */
const SIZE = 1 << 22;

/** The value of the first option without a letter. */
const FIRST = 1000;

function align(offset: number): number {
  return Math.ceil(offset / 8) * 8;
}

function open() {
  const { i32, ptr } = FFIType;
  const { symbols } = dlopen("libc.so.6", {
    getopt_long: { args: [i32, ptr, ptr, ptr, ptr], returns: i32 },
    // Variables: their addresses are wanted.
    optind: { args: [], returns: i32 },
    opterr: { args: [], returns: i32 },
    optarg: { args: [], returns: ptr },
  });
  type Symbols = typeof symbols;
  return symbols as Symbols & Record<"optind" | "opterr" | "optarg", { ptr: number }>;
}
