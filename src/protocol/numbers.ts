/**
 * Reads an unsigned number as systemd's safe_atou64() does: blanks, a plus sign and the prefixes 0x, 0b, 0o
 * and 0 pass; more than 64 bits do not.
 */
export function parseUnsigned(text: string): bigint | undefined {
  const [, digits] = /^[ \t\n\v\f\r]*\+?(0x[0-9a-f]+|0b[01]+|0o?[0-7]+|0|[1-9][0-9]*)$/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const value = BigInt(digits.replace(/^0(?=[0-7])/, "0o"));
  return value <= UINT64_MAX ? value : undefined;
}

// --- internal ---

/** <stdint.h> */
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;
