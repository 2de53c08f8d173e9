/** Reads an unsigned number as systemd's safe_atou() does: blanks, a plus sign and the prefixes 0x, 0b, 0o and 0 pass. */
export function parseUnsigned(text: string): bigint | undefined {
  const [, digits] = /^[ \t\n\v\f\r]*\+?(0x[0-9a-f]+|0b[01]+|0o?[0-7]+|0|[1-9][0-9]*)$/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  return BigInt(digits.replace(/^0(?=[0-7])/, "0o"));
}
