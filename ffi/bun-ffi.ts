/**
 * Bun's foreign functions: the object Bun.FFI, which the module bun:ffi is made of. Loading that module takes 0.2 to
 * 0.4 ms, and this object takes 0.03 ms. It is not documented, so the module stands in for it where it is missing.
 */

/** A type of an argument or a result, as FFIType of bun:ffi has them. */
export type CType =
  | typeof i32
  | typeof u32
  | typeof ptr
  | typeof cstring
  | typeof i64_fast
  | typeof u64_fast
  | typeof none;

export const i32 = 5;
export const u32 = 6;
export const ptr = 12;
/** FFIType.void */
export const none = 13;
export const cstring = 14;
export const i64_fast = 15;
export const u64_fast = 16;

/** The declaration of a C function. */
export interface CFunction {
  readonly args: readonly CType[];
  readonly returns: CType;
}

/** What this package uses of bun:ffi. An address is a number. */
export interface BunFFI {
  /** Returns the error that bun:ffi throws, or throws it. */
  dlopen(name: string, symbols: Record<string, CFunction>): { symbols: unknown } | Error;
  ptr(bytes: Uint8Array): number;
  toArrayBuffer(address: number, offset: number, length: number): ArrayBuffer;
  read: { i32(address: number, offset: number): number; u32(address: number, offset: number): number };
  CString: new (address: number, offset: number, length: number) => string;
}

/** Returns Bun.FFI; the module bun:ffi if a function is missing. */
export function bunFFI(): BunFFI {
  const { FFI } = Bun as unknown as { FFI?: Partial<BunFFI> };
  if (FFI?.dlopen && FFI.ptr && FFI.toArrayBuffer && FFI.read && FFI.CString) return FFI as BunFFI;
  // An import would load it at the start of every program.
  return (process.getBuiltinModule as (name: string) => unknown)("bun:ffi") as BunFFI;
}
